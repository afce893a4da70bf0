import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Room } from "../../src/chat/room.ts";
import type { User } from "../../src/chat/user.ts";
import { formatIncarnation, type Incarnation } from "../../src/sip/dialog.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { putAsideNamesakes, recordEarlier } from "../../src/store/spool/earlier-spools.ts";
import { ReadingSpool } from "../../src/store/spool/reading-spool.ts";
import { encodeLine } from "../../src/store/spool/spool-line.ts";
import { startCutter } from "../support/commit-cutter.ts";
import { ask, type MysqlLab, newScene, recorder, startMysqlLab } from "../support/mysql.ts";
import { until } from "../support/until.ts";

let lab: MysqlLab;
let stores: Stores;
const folders: string[] = [];

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
});
after(async () => {
  await lab.stop();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A room of a buffered category, somebody who reads it, and a folder of its own. */
async function scene(): Promise<{ folder: string; room: Room; alice: User }> {
  const { rooms, alice } = await newScene(stores);
  const [strict] = rooms;
  assert.ok(strict);
  const category = (await stores.changes.categories()).find(({ id }) => id === strict.categoryId);
  await stores.administration.changeCategory(category?.name ?? "", { reading: "buffered" });
  const [room] = await stores.rooms.byIds([strict.id]);
  assert.ok(room && room.reading === "buffered");
  const folder = mkdtempSync(join(tmpdir(), "parlance-spool-"));
  folders.push(folder);
  return { folder, room, alice };
}

/** Runs `spool-child.ts` to its end. @returns what it said: the life it was */
async function child(what: string, { folder, room, alice }: Awaited<ReturnType<typeof scene>>) {
  const file = fileURLToPath(new URL("../support/spool-child.ts", import.meta.url));
  const args = [what, lab.url, folder, room.domain, room.guid, alice.uri];
  const process_ = spawn(process.execPath, ["--import", "tsx", file, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  process_.stdout.on("data", (data: Buffer) => {
    said += data.toString("utf8");
  });
  const [code, signal] = await once(process_, "close");
  assert.deepEqual([code, signal], what === "replay" ? [0, null] : [null, "SIGKILL"], what);
  return said.trim() as Incarnation; // what it prints
}

/** A survivor takes over, so that the life has ended. */
async function bury(dead: Incarnation): Promise<void> {
  await ask(
    lab.url,
    `UPDATE node_lease SET expires_at = NOW(3) - INTERVAL 1 SECOND WHERE incarnation = '${dead}'`,
  );
  assert.ok(await stores.leases.take(dead, await stores.leases.begin("survivor")));
}

/** How far each recorded reading of the room went, by stream, in the order of the stream. */
async function recorded(room: Room): Promise<[stream: string, to: number][]> {
  const rows = await ask<{ stream: string; body: Buffer }>(
    lab.url,
    `SELECT stream, body FROM compliance_outbox WHERE room_id = ${room.id} AND kind = 'BACKCHAT' ORDER BY stream, stream_seq`,
  );
  return rows.map(({ stream, body }) => [stream, JSON.parse(body.toString("utf8")).detail.to]);
}

const upTo = async (room: Room) => (await recorded(room)).map(([, to]) => to);

/** Replays as a new life of n1 within this process. */
async function replayHere(folder: string, given: { store?: string } = {}) {
  const aside: string[] = [];
  const counts: number[] = [];
  const life = await stores.leases.begin("n1");
  await recordEarlier({
    ...{ folder, node: "n1", life, store: stores.storeId, journal: stores.journal(life) },
    lives: stores.leases,
    onRecorded: (_life, answers) => counts.push(answers),
    onAside: (_file, why) => aside.push(why),
    ...given,
  });
  return { life, aside, counts };
}

test("what a killed life had answered and not recorded is recorded by the next one, once, with the time of the reading", async () => {
  const place = await scene();
  const before = Date.now();
  const dead = await child("answered", place);
  const after = Date.now();
  assert.deepEqual(await recorded(place.room), []);
  const early = await replayHere(place.folder);
  assert.deepEqual(early.counts, [], "it may still live");
  await bury(dead);
  const { life, counts, aside } = await replayHere(place.folder);
  assert.deepEqual([counts, aside], [[3], []]);
  assert.deepEqual(
    await recorded(place.room),
    [1, 2, 3].map((to) => [`read:${life}`, to]),
  );
  const rows = await ask<{ at_ms: number }>(
    lab.url,
    `SELECT at_ms FROM compliance_outbox WHERE room_id = ${place.room.id} AND kind = 'BACKCHAT'`,
  );
  assert.ok(rows.every(({ at_ms }) => at_ms >= before && at_ms <= after));
  assert.deepEqual(readdirSync(place.folder), []);
  await replayHere(place.folder);
  assert.deepEqual(await upTo(place.room), [1, 2, 3]);
});

test("a life that dies between the commit and the removal of its file leaves nothing to be recorded twice", async () => {
  const place = await scene();
  const dead = await child("committed", place);
  assert.deepEqual(await upTo(place.room), [1, 2, 3]);
  assert.equal(readdirSync(place.folder).length, 1);
  await bury(dead);
  await replayHere(place.folder);
  assert.deepEqual(
    await recorded(place.room),
    [1, 2, 3].map((to) => [`read:${dead}`, to]),
  );
  assert.deepEqual(readdirSync(place.folder), []);
});

test("a replay that dies after its commit is done again by the next life, and nothing comes twice", async () => {
  const place = await scene();
  const dead = await child("answered", place);
  await bury(dead);
  await child("replay-committed", place);
  assert.deepEqual(readdirSync(place.folder), [`${dead}.1.spool.taken`]);
  assert.deepEqual(await upTo(place.room), [1, 2, 3]);
  await child("replay", place);
  assert.deepEqual(await upTo(place.room), [1, 2, 3]);
  assert.deepEqual(readdirSync(place.folder), []);
});

test("two processes that replay the same files at once record each reading once", async () => {
  for (let round = 1; round <= 3; round++) {
    const place = await scene();
    const dead = await child("answered", place);
    await bury(dead);
    // Each has its own copy, so that neither is held off by what the other does with the files.
    const copy = `${place.folder}-copy`;
    folders.push(copy);
    cpSync(place.folder, copy, { recursive: true });
    await Promise.all([child("replay", place), child("replay", { ...place, folder: copy })]);
    assert.deepEqual(await upTo(place.room), [1, 2, 3], `round ${round}`);
  }
  const place = await scene();
  await bury(await child("answered", place));
  await Promise.all([replayHere(place.folder), replayHere(place.folder), child("replay", place)]);
  assert.deepEqual(await upTo(place.room), [1, 2, 3], "the same files");
});

test("a connection lost in COMMIT, before or after it happened, leaves each reading recorded once", async () => {
  // The last: it happened, and is not known before the journal has given up.
  const cases = [
    { afterwards: false, closedMs: 0 },
    { afterwards: true, closedMs: 0 },
    { afterwards: true, closedMs: 2_500 },
  ];
  for (const { afterwards, closedMs } of cases) {
    const { folder, room, alice } = await scene();
    const cutter = await startCutter(new URL(lab.url), afterwards);
    const url = new URL(lab.url);
    url.port = String(cutter.port);
    const cut = await lab.open({ url: url.href });
    const life = await cut.leases.begin("n1");
    const journal = cut.journal(life);
    const spool = new ReadingSpool({
      ...{ folder, life, store: cut.storeId, journal, most: { entries: 100, bytes: 100_000 } },
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      onStrict: (why) => assert.equal(why, undefined),
      onError: () => {},
    });
    try {
      await journal.heartbeat(0, 0);
      cutter.cutNextCommit(closedMs);
      for (const to of [1, 2, 3])
        await spool.read(recorder(alice), room, { from: 1, to, count: to, limit: 30 });
      await until("they are recorded", () => spool.figures.entries === 0);
      assert.equal(cutter.cuts(), 1);
      await spool.stop();
      assert.deepEqual(await upTo(room), [1, 2, 3]);
      assert.deepEqual(readdirSync(folder), []);
      await cut.leases.release(life);
      const [last] = await ask<{ kind: string; stream_seq: number }>(
        lab.url,
        `SELECT kind, stream_seq FROM compliance_outbox WHERE stream = 'read:${life}' ORDER BY stream_seq DESC LIMIT 1`,
      );
      assert.deepEqual([last?.kind, Number(last?.stream_seq)], ["NODE_STOP", 6]);
    } finally {
      await cut.close();
      await cutter.stop();
    }
  }
});

test("a paused life that wakes up after its files were taken answers nothing that would not be recorded", async () => {
  const { folder, room, alice } = await scene();
  const life = await stores.leases.begin("n1");
  const journal = stores.journal(life);
  const spool = new ReadingSpool({
    ...{ folder, life, store: stores.storeId, journal, most: { entries: 100, bytes: 100_000 } },
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    onStrict: () => {},
    onError: () => {},
  });
  const read = (to: number) => spool.read(recorder(alice), room, { from: 1, to, count: to, limit: 30 });
  await read(1);
  await bury(life);
  await replayHere(folder);
  await assert.rejects(read(2), /has a successor/);
  await spool.stop();
  await replayHere(folder);
  assert.deepEqual(await upTo(room), [1]);
});

test("a file of a life or a database that is not known is put aside, said once, and kept", async () => {
  const { folder, room, alice } = await scene();
  const write = (life: Incarnation, store: string, name: string = life) => {
    const { id, uri, displayName, email } = alice;
    const lines = [
      encodeLine({ v: 1, life, store }),
      encodeLine({
        ...{ number: 1, atMs: 1, session: "s", user: { id, uri, displayName, email } },
        readings: [{ room, fact: { kind: "BACKCHAT", from: 1, to: 1, count: 1, limit: 1 } }],
      }),
    ];
    writeFileSync(
      join(folder, `${name}.1.spool`),
      Buffer.concat(lines.map((line) => line ?? Buffer.alloc(0))),
    );
  };
  const ended = await stores.leases.begin("n1");
  await stores.leases.release(ended);
  write(formatIncarnation("n1", 999_999), stores.storeId);
  write(ended, "another database");
  write(formatIncarnation("n2", 1), stores.storeId); // another node's, which may live
  const { aside, counts } = await replayHere(folder);
  assert.deepEqual(counts, []);
  assert.deepEqual(aside.sort(), ["it is of another database", "the database knows no such life"]);
  assert.deepEqual((await replayHere(folder)).aside, []);
  assert.equal(readdirSync(folder).length, 3);
  assert.ok(existsSync(join(folder, "n2-1.1.spool")));

  const me = await stores.leases.begin("n1");
  write(me, stores.storeId);
  await putAsideNamesakes({ folder, node: "n1", life: me, onAside: (_file, why) => aside.push(why) });
  assert.equal(aside.length, 3);
  assert.deepEqual(await recorded(room), []);
});

test("a damaged file is recorded as far as it can be read, and kept; a torn one goes", async () => {
  const place = await scene();
  const dead = await child("answered", place);
  const path = join(place.folder, `${dead}.1.spool`);
  const bytes = readFileSync(path);
  bytes[bytes.indexOf('"number":2') + 9] = 0x39;
  writeFileSync(path, bytes);
  await bury(dead);
  const { aside } = await replayHere(place.folder);
  assert.deepEqual(aside, ["a line in it is not as it was written"]);
  assert.deepEqual(await upTo(place.room), [1, 3]);
  assert.match(readdirSync(place.folder).join(), /^n1-\d+\.1\.spool\.damaged-\d+$/);

  const other = await scene();
  const torn = await child("answered", other);
  const file = join(other.folder, `${torn}.1.spool`);
  writeFileSync(file, readFileSync(file).subarray(0, -5));
  await bury(torn);
  assert.deepEqual((await replayHere(other.folder)).aside, []);
  assert.deepEqual([await upTo(other.room), readdirSync(other.folder)], [[1, 2], []]);
});

test("a folder that is not there holds nothing", async () => {
  const { folder } = await scene();
  rmSync(folder, { recursive: true });
  assert.deepEqual((await replayHere(folder)).counts, []);
  mkdirSync(folder);
});
