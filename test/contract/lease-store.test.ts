import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Incarnation } from "../../src/sip/dialog.ts";
import { SupersededError } from "../../src/store/mysql/flush-lock.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import {
  dialogRecord,
  type MysqlLab,
  newScene,
  postEntry,
  recorder,
  startMysqlLab,
} from "../support/mysql.ts";

let lab: MysqlLab;
let stores: Stores;

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
});
after(() => lab.stop());

/** Lets the lease run out at once, as if eight seconds had gone by without a renewal. */
async function lapse(incarnation: Incarnation): Promise<void> {
  await stores.database.change(
    "UPDATE node_lease SET expires_at = NOW(3) - INTERVAL 1 SECOND WHERE incarnation = ?",
    [incarnation],
  );
}

test("each beginning of a node is a new life, also when several begin at once", async () => {
  const lives = await Promise.all(Array.from({ length: 5 }, () => stores.leases.begin("busy")));
  assert.deepEqual(
    lives.sort(),
    [1, 2, 3, 4, 5].map((epoch) => `busy-${epoch}`),
  );
  assert.deepEqual((await stores.leases.living()).filter((life) => life.startsWith("busy")).sort(), lives);
  await assert.rejects(stores.leases.begin("Not-A-Node"), RangeError);
});

test("a released lease is lapsed at once, and listed only while it is home to a dialog or its end is not recorded", async () => {
  const { alice } = await newScene(stores);
  const [idle, busy] = [await stores.leases.begin("idle"), await stores.leases.begin("worker")];
  const journal = stores.journal(busy);
  await journal.open(dialogRecord(recorder(alice), busy));
  assert.deepEqual(await stores.leases.lapsed(), []);
  await stores.leases.release(idle);
  await stores.leases.release(busy);
  assert.deepEqual(await stores.leases.lapsed(), [busy]);
  const killed = await stores.leases.begin("killed");
  await lapse(killed);
  assert.deepEqual(new Set(await stores.leases.lapsed()), new Set([busy, killed]));
  const next = await stores.leases.begin("next");
  assert.equal(await stores.leases.take(killed, next), true);
  assert.equal((await stores.leases.living()).includes(busy), false);
  assert.equal(await stores.leases.renew(busy), true, "nobody has taken it");
  assert.deepEqual(await stores.leases.lapsed(), []);
});

test("a node that begins again need not wait for its killed life, but does for a paused one", async () => {
  const { alice } = await newScene(stores);
  const killed = await lab.open();
  const first = await killed.leases.begin("again");
  await killed.journal(first).open(dialogRecord(recorder(alice), first));
  const second = await stores.leases.begin("again");
  assert.equal((await stores.leases.lapsed()).includes(first), false, "its journal is still connected");
  await killed.close();
  const deadline = Date.now() + 10_000;
  while (!(await stores.leases.lapsed()).includes(first) && Date.now() < deadline)
    await stores.leases.begin("again");
  assert.equal((await stores.leases.lapsed()).includes(first), true);
  assert.equal((await stores.leases.living()).includes(second), true);
  assert.equal(await stores.leases.take(first, second), true);
});

test("of many survivors exactly one takes a dead node, with all its dialogs, each one epoch on", async () => {
  const { alice, rooms } = await newScene(stores);
  const dead = await stores.leases.begin("dead");
  const journal = stores.journal(dead);
  const dialogs = Array.from({ length: 50 }, () => recorder(alice));
  await Promise.all(dialogs.map((by) => journal.open(dialogRecord(by, dead, { epoch: 3 }))));
  const [by] = dialogs;
  assert.ok(by);
  await journal.join(
    by,
    rooms.map((room) => ({ room, mask: 1 })),
  );
  const survivors = await Promise.all(
    Array.from({ length: 8 }, (_, n) => stores.leases.begin(`survivor${n}`)),
  );
  const early = await Promise.all(survivors.map((me) => stores.leases.take(dead, me)));
  assert.equal(early.includes(true), false, "the lease still runs");
  await lapse(dead);
  const taken = await Promise.all(survivors.map((me) => stores.leases.take(dead, me)));
  assert.equal(taken.filter(Boolean).length, 1);
  const winner = survivors[taken.indexOf(true)];
  assert.ok(winner);
  const found = await stores.dialogs.ofHome(winner);
  assert.deepEqual(new Set(found.map(({ dialog }) => dialog.epoch)), new Set([4]));
  assert.equal(found.length, 50);
  assert.equal(found.find(({ dialog }) => dialog.state.token === by.token)?.rooms.length, 1);
  assert.deepEqual(await stores.dialogs.ofHome(dead), []);
  assert.equal((await stores.leases.lapsed()).includes(dead), false);
  assert.equal(await stores.leases.renew(dead), false);
  const again = await Promise.all(survivors.map((me) => stores.leases.take(dead, me)));
  assert.deepEqual(again, taken, "who did not hear the answer gets it again");
  assert.equal((await stores.dialogs.ofHome(winner))[0]?.dialog.epoch, 4, "taken once");
});

test("who has lapsed too takes nobody", async () => {
  const [dead, late] = [await stores.leases.begin("dead"), await stores.leases.begin("late")];
  await lapse(dead);
  await lapse(late);
  assert.equal(await stores.leases.take(dead, late), false);
  assert.equal(await stores.leases.take(late, late), false);
});

test("a superseded journal commits nothing, refuses everything and says so once", async () => {
  const superseded: string[] = [];
  const paused = await lab.open({ onSuperseded: (incarnation) => superseded.push(incarnation) });
  const { alice, rooms } = await newScene(stores);
  const [room] = rooms;
  assert.ok(room);
  const [dead, me] = [await paused.leases.begin("paused"), await stores.leases.begin("survivor")];
  const journal = paused.journal(dead);
  const by = recorder(alice);
  await journal.open(dialogRecord(by, dead));
  await journal.post(postEntry(by, room, "before"));
  await lapse(dead);
  assert.equal(await stores.leases.take(dead, me), true);
  const answers = await Promise.allSettled([
    journal.post(postEntry(by, room, "after")),
    journal.end(by, dead, "left", false),
    journal.read(by, room, { from: 1, to: 1, count: 1, limit: 1 }),
  ]);
  for (const answer of answers) {
    assert.equal(answer.status, "rejected");
    assert.ok(answer.reason instanceof SupersededError);
  }
  await assert.rejects(journal.post(postEntry(by, room, "later")), SupersededError);
  assert.deepEqual(superseded, [dead]);
  assert.deepEqual(
    (await stores.messages.latest(room.id, 10, 10)).map(({ text }) => text),
    ["before"],
  );
  assert.equal(await stores.dialogs.home(by.token), me);
});

/** What a life recorded of itself, in order. */
async function ownRecord(incarnation: Incarnation) {
  const rows = await stores.database.rows<{ body: Buffer }>(
    "SELECT body FROM compliance_outbox WHERE stream = ? ORDER BY stream_seq",
    [`read:${incarnation}`],
  );
  return rows.map(({ body }) => {
    const { kind, streamSeq, detail, actor } = JSON.parse(body.toString("utf8"));
    return { kind, streamSeq, detail, actor: actor.uri };
  });
}

test("a life's own stream begins with its start and ends with its stop, which names the last number", async () => {
  const { alice, rooms } = await newScene(stores);
  const [room] = rooms;
  assert.ok(room);
  const me = await stores.leases.begin("orderly");
  const journal = stores.journal(me);
  const by = recorder(alice);
  await journal.open(dialogRecord(by, me));
  await journal.heartbeat(1, 1_700_000_000_000);
  await journal.read(by, room, { from: 1, to: 1, count: 1, limit: 1 });
  await journal.end(by, me, "signed-off", false);
  await stores.leases.release(me);
  await stores.leases.release(me);
  const record = await ownRecord(me);
  assert.deepEqual(
    record.map(({ kind, streamSeq }) => [streamSeq, kind]),
    ["NODE_START", "LOGIN", "NODE_HEARTBEAT", "BACKCHAT", "LOGOUT", "NODE_STOP"].map((kind, index) => [
      index + 1,
      kind,
    ]),
  );
  assert.deepEqual([record[0]?.actor, record[0]?.detail], ["node:orderly", { incarnation: me }]);
  assert.deepEqual(record[2]?.detail, { databaseMs: 1_700_000_000_000, dialogs: 1 });
  const { reason, last } = record[5]?.detail ?? {};
  assert.deepEqual({ reason, last }, { reason: "stopped", last: 6 });
  await assert.rejects(journal.heartbeat(0, 0), SupersededError, "nothing follows the last word");
  assert.equal((await ownRecord(me)).length, 6);
});

test("the stream of a node that died is ended by its successor, once, behind all that it committed", async () => {
  const { alice, rooms } = await newScene(stores);
  const [room] = rooms;
  assert.ok(room);
  const dead = await stores.leases.begin("mortal");
  const journal = stores.journal(dead);
  const by = recorder(alice);
  await journal.open(dialogRecord(by, dead));
  await journal.read(by, room, { from: 1, to: 1, count: 1, limit: 1 });
  await lapse(dead);
  const survivors = await Promise.all([1, 2, 3].map((n) => stores.leases.begin(`heir${n}`)));
  const taken = await Promise.all(survivors.map((me) => stores.leases.take(dead, me)));
  assert.equal(taken.filter(Boolean).length, 1);
  await assert.rejects(journal.read(by, room, { from: 1, to: 1, count: 1, limit: 1 }), SupersededError);
  const record = await ownRecord(dead);
  assert.deepEqual(
    record.map(({ kind }) => kind),
    ["NODE_START", "LOGIN", "BACKCHAT", "NODE_STOP"],
  );
  const { reason, last, lastSeenMs } = record[3]?.detail ?? {};
  assert.deepEqual([reason, last], ["server-lost", 4]);
  assert.ok(Number.isSafeInteger(lastSeenMs) && Math.abs(lastSeenMs - Date.now()) < 120_000);
});

test("how far a node has delivered can be saved again and again, read, and forgotten", async () => {
  const me = await stores.leases.begin("speaker");
  await stores.progress.save(me, new Map());
  await stores.progress.save(
    me,
    new Map([
      [1, 10],
      [2, 20],
    ]),
  );
  await stores.progress.save(me, new Map([[2, 21]]));
  assert.deepEqual(
    await stores.progress.load(me),
    new Map([
      [1, 10],
      [2, 21],
    ]),
  );
  await stores.progress.forget(me);
  assert.deepEqual(await stores.progress.load(me), new Map());
});
