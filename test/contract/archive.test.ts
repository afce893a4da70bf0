import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, test } from "node:test";
import type { ComplianceEvent } from "../../src/chat/compliance-event.ts";
import { CheckpointFile } from "../../src/compliance/checkpoint-file.ts";
import { readCheckpoint } from "../../src/compliance/log/checkpoint.ts";
import { signerOf } from "../../src/compliance/log/note.ts";
import {
  consistencyPath,
  inclusionPath,
  isConsistent,
  rootByInclusion,
} from "../../src/compliance/log/proofs.ts";
import { KEY_ROTATE, signRotation } from "../../src/compliance/log/rotation.ts";
import type { Sealer } from "../../src/compliance/sealer.ts";
import { recordArchiveEvent } from "../../src/store/mysql/archive-events.ts";
import { guardArchive } from "../../src/store/mysql/archive-guard.ts";
import { MysqlArchiveReader } from "../../src/store/mysql/archive-reader.ts";
import { MysqlArchiveStore } from "../../src/store/mysql/archive-store.ts";
import { MysqlHandoverStore } from "../../src/store/mysql/handover-store.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { ArchiveLab, makeSealer, newSigner } from "../support/archive-lab.ts";
import { eventMaker, insertOutbox, seeded } from "../support/compliance-events.ts";
import { countRows } from "../support/compliance-lab.ts";
import { hostileBodies, hostileTexts } from "../support/hostile-bodies.ts";
import { ask } from "../support/mysql.ts";
import { until } from "../support/until.ts";

const lab = new ArchiveLab();
const signer = newSigner();
let make = eventMaker("");
let tests = 0;

beforeEach(async () => {
  await lab.empty();
  make = eventMaker(`a${++tests}-`);
});

function chats(count: number, rooms = 5): ComplianceEvent[] {
  return Array.from({ length: count }, (_, index) => make({ roomId: 1 + (index % rooms) }));
}

function shuffled<T>(list: readonly T[], seed: number): T[] {
  const random = seeded(seed);
  return list
    .map((item) => [random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

describe("the sealer", { timeout: 120_000 }, () => {
  test("gives every event one number, keeps each stream's order, and leaves nothing in the intake", async () => {
    const events = chats(2_345);
    await lab.record(shuffled(events, 1));
    const { sealer, seen } = makeSealer(lab.database, signer, { batch: 300, everyLeaves: 1_000 });
    assert.deepEqual(await sealer.sealNow(), { sealed: 2_345, end: "done" });
    assert.deepEqual((await lab.sealedIds()).sort(), events.map(({ eventId }) => eventId).sort());
    const order = await lab.database.rows<{ stream_id: number; stream_seq: number }>(
      "SELECT stream_id, stream_seq FROM archive_leaf ORDER BY seq",
    );
    const last = new Map<number, number>();
    for (const { stream_id, stream_seq } of order) {
      assert.equal(Number(stream_seq), (last.get(stream_id) ?? 0) + 1);
      last.set(stream_id, Number(stream_seq));
    }
    assert.equal(await countRows(lab.database, "archive_intake"), 0);
    assert.equal(await countRows(lab.database, "archive_content"), 2_345);
    assert.equal(await countRows(lab.database, "archive_node"), 9);
    assert.deepEqual(seen.checkpoints.at(-1), 2_345);
    assert.ok(seen.checkpoints.length >= 3);
    const verified = await lab.verify({ keys: [signer] });
    assert.equal(verified.finding, undefined);
    assert.deepEqual(
      [verified.size, verified.signed, verified.checkpoints],
      [2_345, 2_345, seen.checkpoints.length],
    );
    await sealer.stop();
  });

  test("signs checkpoints that its proofs lead to", async () => {
    const { sealer } = makeSealer(lab.database, signer, { batch: 100 });
    for (let round = 0; round < 4; round++) {
      await lab.record(chats(300));
      await sealer.sealNow();
    }
    const store = new MysqlArchiveStore(lab.database);
    const kept = await store.checkpointsAfter(0, 100);
    const [first, , , last] = kept.map(({ note }) => readCheckpoint(note));
    assert.ok(first && last);
    assert.equal(signerOf(last.note, [signer])?.name, signer.name);
    const path = await consistencyPath(store, first.size, last.size);
    assert.ok(isConsistent(first.size, first.root, last.size, last.root, path));
    const [leaf] = await store.hashes(0, 777, 1);
    assert.deepEqual(
      rootByInclusion(leaf ?? Buffer.alloc(0), 777, last.size, await inclusionPath(store, 777, last.size)),
      last.root,
    );
    await sealer.stop();
  });

  test("lets an event wait for the one before it, tells of the gap, and fetches what is still in the outbox", async () => {
    const [one, two, three, four] = chats(4, 1);
    assert.ok(one && two && three && four);
    await insertOutbox(lab.database, [one, two, three, four]);
    await lab.move([one, three]);
    const { sealer, seen } = makeSealer(lab.database, signer, { gapMs: 0 });
    const store = new MysqlArchiveStore(lab.database);
    // Two is in the outbox: fetched without anybody having announced it.
    assert.deepEqual(await sealer.sealNow(), { sealed: 3, end: "done" });
    assert.deepEqual(
      await lab.sealedIds(),
      [one, two, three].map(({ eventId }) => eventId),
    );
    await lab.database.change("DELETE FROM compliance_outbox");
    const [five] = chats(1, 1);
    assert.ok(five);
    await lab.record([five]);
    assert.equal((await sealer.sealNow()).sealed, 0);
    assert.deepEqual(
      seen.gaps.map(({ stream, missing, waiting }) => [stream, missing, waiting]),
      [
        [five.stream, 2, 1],
        [five.stream, 4, 1],
      ],
    );
    assert.deepEqual(
      (await store.gaps(0)).map(({ stream, missing, waiting }) => [stream, missing, waiting]),
      [[five.stream, 4, 1]],
    );
    assert.deepEqual(await store.gaps(60_000), []);
    assert.equal((await sealer.sealNow()).sealed, 0);
    assert.equal(seen.gaps.length, 2, "each told once");
    await lab.record([four]);
    assert.equal((await sealer.sealNow()).sealed, 2);
    assert.deepEqual(seen.closed, [five.stream, five.stream]);
    assert.deepEqual(await store.gaps(0), []);
    await sealer.stop();
  });

  test("passes over what waits, however much of it there is", async () => {
    const late = chats(500, 1);
    await lab.record(late.slice(1));
    const others = Array.from({ length: 50 }, (_, index) => make({ roomId: 100 + index }));
    await lab.record(others);
    const { sealer } = makeSealer(lab.database, signer, { batch: 64 });
    assert.equal((await sealer.sealNow()).sealed, 50);
    await lab.record(late.slice(0, 1));
    assert.equal((await sealer.sealNow()).sealed, 500);
    assert.equal((await lab.verify({ keys: [signer] })).finding, undefined);
    await sealer.stop();
  });

  test("seals an event once however often it comes, and quarantines another one under its number or id", async () => {
    const events = chats(20, 2);
    await lab.record(events);
    const { sealer, seen } = makeSealer(lab.database, signer);
    await sealer.sealNow();
    await lab.record(events.slice(0, 5));
    assert.equal((await sealer.sealNow()).sealed, 0);
    assert.deepEqual([seen.conflicts, await countRows(lab.database, "archive_intake")], [[], 0]);
    const [first, second] = events;
    assert.ok(first && second);
    const number = make({ stream: first.stream, streamSeq: 3 });
    const id = { ...make({ stream: "room:new", streamSeq: 1 }), eventId: second.eventId };
    await lab.database.change("DELETE FROM compliance_handover");
    await lab.record([number, id]);
    await sealer.sealNow();
    await sealer.sealNow();
    assert.deepEqual(seen.conflicts.sort(), [number.eventId, id.eventId].sort());
    assert.equal(await countRows(lab.database, "compliance_quarantine"), 2);
    assert.equal(await countRows(lab.database, "archive_intake"), 0);
    assert.equal(await countRows(lab.database, "archive_leaf"), 20);
    assert.equal((await lab.verify({ keys: [signer] })).finding, undefined);
    await sealer.stop();
  });

  test("keeps every hostile text and every body that is none, byte for byte", async () => {
    const texts = hostileTexts.map((text) =>
      make({ name: text, roomName: text, fact: { kind: "CHAT", number: 1, alert: false, text, rtf: text } }),
    );
    const broken = hostileBodies.map(() => make());
    await insertOutbox(lab.database, [...texts, ...broken]);
    for (const [index, { eventId }] of broken.entries())
      await lab.database.change("UPDATE compliance_outbox SET body = ? WHERE event_id = ?", [
        hostileBodies[index] ?? "",
        Buffer.from(eventId, "hex"),
      ]);
    const odd = make({ stream: "'\\\"%s: {}", streamSeq: 1 });
    await insertOutbox(lab.database, [odd]);
    await lab.database.change(
      "UPDATE compliance_outbox SET at_ms = 18446744073709551615 WHERE event_id = ?",
      [Buffer.from(odd.eventId, "hex")],
    );
    await lab.move([...texts, ...broken, odd]);
    const { sealer, seen } = makeSealer(lab.database, signer, { batch: 10 });
    const total = texts.length + broken.length + 1;
    await until("sealed", async () => {
      await sealer.sealNow();
      return (await countRows(lab.database, "archive_leaf")) === total;
    });
    assert.deepEqual(seen.conflicts, []);
    const verified = await lab.verify({ keys: [signer] });
    assert.deepEqual([verified.finding, verified.size], [undefined, total]);
    const bodies = await lab.database.rows<{ body: Buffer }>("SELECT body FROM archive_content");
    for (const body of hostileBodies) assert.ok(bodies.some((row) => row.body.equals(body)));
    await sealer.stop();
  });

  test("a worker fed with ids that do not exist, twice and out of order moves each event into the intake once", async () => {
    const events = chats(60);
    await insertOutbox(lab.database, events);
    const outbox = new MysqlOutboxStore(lab.database, true);
    const ids = shuffled(
      [...events, ...events].map(({ eventId }) => eventId),
      3,
    );
    const unknown = Array.from({ length: 50 }, (_, index) => index.toString(16).padStart(32, "f"));
    let moved = 0;
    for (let at = 0; at < ids.length; at += 17)
      moved += (await outbox.move([...ids.slice(at, at + 17), ...unknown])).moved;
    assert.equal(moved, 60);
    const { sealer } = makeSealer(lab.database, signer);
    assert.equal((await sealer.sealNow()).sealed, 60);
    assert.equal(await countRows(lab.database, "compliance_outbox"), 0);
    assert.equal(await countRows(lab.database, "compliance_handover"), 60);
    await sealer.stop();
  });

  test("seals what a run has delivered in a stream of its own, and nobody who looks for changed keys or acceptances reads it", async () => {
    await lab.record(chats(10));
    const store = new MysqlHandoverStore(lab.database, true);
    const lease = await store.takeLease("lync-xml", "one", 60_000);
    assert.ok(lease);
    const run = await store.beginRun(lease, { maxEvents: 100, maxBodyBytes: 1 << 20 }, "hash", () => "run-1");
    assert.ok(run);
    const [first = "", last = ""] = [run.eventIds[0], run.eventIds.at(-1)];
    const files = [{ name: "part-0001.xml", bytes: 4_711, sha256: "ab".repeat(32) }];
    const about = { adapter: "lync-xml", runId: "run-1", configHash: "hash", node: "n1", atMs: Date.now() };
    const what = { events: 10, first, last, countsByKind: { CHAT: 10 }, unmapped: 0, files };
    await store.finishRun(lease, run, { ...about, ...what });
    const { sealer } = makeSealer(lab.database, signer);
    assert.deepEqual(await sealer.sealNow(), { sealed: 11, end: "done" });
    await sealer.stop();
    const rows = await lab.database.rows<{ leaf: Buffer; body: Buffer }>(
      "SELECT l.leaf, c.body FROM archive_leaf l JOIN archive_content c ON c.seq = l.seq ORDER BY l.seq DESC LIMIT 1",
    );
    const { kind, stream, streamSeq, detail } = JSON.parse(rows[0]?.body.toString("utf8") ?? "");
    assert.deepEqual(
      { kind, stream, streamSeq, files: detail.files, first: detail.first, last: detail.last },
      { kind: "DELIVERY", stream: "delivery", streamSeq: 1, files, first, last },
    );
    assert.deepEqual(Object.keys(JSON.parse(rows[0]?.leaf.toString("latin1") ?? "").c), [
      "actor",
      "detail",
      "room",
    ]);
    const own = "SELECT id FROM archive_stream WHERE name = 'archive'";
    assert.deepEqual(await lab.database.rows(own), [], "of which whoever opens the log reads every leaf");
    assert.deepEqual(await new MysqlArchiveReader(lab.database).ownEvents(), []);
    const { finding, signed } = await lab.verify({ keys: [signer] });
    assert.deepEqual([finding, signed], [undefined, 11]);
  });

  test("whose lease has a successor writes nothing, and goes on when it has it again", async () => {
    await lab.record(chats(10));
    const store = new MysqlArchiveStore(lab.database);
    const old = await store.takeLease("old", 50);
    assert.ok(old);
    const next = makeSealer(lab.database, signer);
    await until("the lease lapsed", async () => (await next.sealer.sealNow()).end === "done");
    assert.equal(await countRows(lab.database, "archive_leaf"), 10);
    const leaf = {
      seq: 10,
      eventId: "0".repeat(32),
      streamId: 1,
      streamSeq: 1,
      hash: Buffer.alloc(32),
      leaf: "",
      salts: Buffer.alloc(0),
    };
    const checkpoint = { size: 11, atMs: 0, root: Buffer.alloc(32), note: "" };
    for (const write of [
      () => store.seal(old, { leaves: [leaf], nodes: [], heads: [] }, 1_000),
      () => store.saveCheckpoint(old, checkpoint),
      () => store.renewLease(old, 1_000),
      () => store.settleRepeats(old, ["0".repeat(32)]),
    ])
      await assert.rejects(write, { name: "LeaseLost" });
    const second = makeSealer(lab.database, signer);
    await lab.record(chats(10));
    assert.equal((await second.sealer.sealNow()).end, "not-ours");
    assert.equal((await next.sealer.sealNow()).sealed, 10);
    await next.sealer.stop();
    await lab.record(chats(10));
    assert.equal((await second.sealer.sealNow()).sealed, 10, "a sealer that ended lets its lease go");
    await second.sealer.stop();
    assert.equal((await lab.verify({ keys: [signer] })).finding, undefined);
  });

  test("with a stolen lease seals nothing twice: two that take turns at each other's expense", async () => {
    const a = makeSealer(lab.database, signer, { batch: 40 });
    const b = makeSealer(lab.database, signer, { batch: 40 });
    const random = seeded(99);
    const events: ComplianceEvent[] = [];
    for (let round = 0; round < 30; round++) {
      const more = chats(30 + Math.floor(random() * 60));
      events.push(...more);
      await lab.record(more);
      const thief = lab.database.change("UPDATE compliance_lease SET expires_ms = 0");
      await Promise.all([a.sealer.sealNow(), b.sealer.sealNow(), thief]);
    }
    await until("sealed", async () => {
      await a.sealer.sealNow();
      await b.sealer.sealNow();
      return (await countRows(lab.database, "archive_intake")) === 0;
    });
    assert.equal(a.seen.sealed + b.seen.sealed, events.length);
    assert.ok(a.seen.sealed > 0 && b.seen.sealed > 0);
    assert.deepEqual((await lab.sealedIds()).sort(), events.map(({ eventId }) => eventId).sort());
    const verified = await lab.verify({ keys: [signer] });
    assert.equal(verified.finding, undefined);
    await Promise.all([a.sealer.stop(), b.sealer.stop()]);
  });

  test("without a key goes on sealing, and signs when there is one again", async () => {
    let broken = true;
    const flaky = {
      ...signer,
      sign: async (message: Buffer) =>
        broken ? Promise.reject(new Error("no token")) : signer.sign(message),
    };
    const { sealer, seen } = makeSealer(lab.database, flaky);
    await lab.record(chats(5));
    assert.deepEqual(await sealer.sealNow(), { sealed: 5, end: "done" });
    assert.deepEqual([...new Set(seen.troubles)], ["sign: no token"]);
    assert.equal(await countRows(lab.database, "archive_checkpoint"), 0);
    broken = false;
    await sealer.sealNow();
    assert.deepEqual(seen.checkpoints, [5]);
    await sealer.stop();
  });

  test("signs nothing with a key that was changed, and at once with the one in its place", async () => {
    const next = newSigner();
    const old = makeSealer(lab.database, signer);
    await lab.record(chats(5));
    await old.sealer.sealNow();
    const [before] = await lab.database.rows<{ size: number; root: Buffer }>(
      "SELECT size, root FROM archive_checkpoint",
    );
    assert.ok(before);
    const eventId = await recordArchiveEvent(lab.database, {
      kind: KEY_ROTATE,
      detail: { ...(await signRotation(signer, next, before)) },
      actor: { id: 0, uri: "administrator:root", displayName: "root", email: null },
      node: "n1",
      atMs: Date.now(),
    });
    await lab.move([{ eventId }]);
    await lab.record(chats(4));
    assert.deepEqual(await old.sealer.sealNow(), { sealed: 5, end: "done" });
    await old.sealer.stop();
    const late = makeSealer(lab.database, signer);
    await late.sealer.sealNow();
    await late.sealer.stop();
    assert.deepEqual([...old.seen.checkpoints, ...late.seen.checkpoints], [5]);
    assert.match((await lab.verify({ keys: [next] })).open.join(), /event 5 changed the key/);
    // Long before the next checkpoint would be due.
    const { sealer, seen } = makeSealer(lab.database, next, { pollMs: 10 });
    sealer.start();
    await until("it is signed", () => seen.checkpoints.length > 0);
    await sealer.stop();
    const found = await lab.verify({ keys: [next] });
    assert.deepEqual([found.finding, found.open, found.signed], [undefined, [], 10]);
  });

  test("does not go on behind a log that is not the one of its checkpoint", async () => {
    const { sealer } = makeSealer(lab.database, signer);
    await lab.record(chats(50));
    await sealer.sealNow();
    await sealer.stop();
    await lab.record(chats(5));
    await lab.database.change("UPDATE archive_leaf SET leaf_hash = UNHEX(REPEAT('ab', 32)) WHERE seq = 17");
    const { sealer: next, seen } = makeSealer(lab.database, signer);
    assert.deepEqual(await next.sealNow(), { sealed: 0, end: "broken" });
    assert.equal(seen.broken.length, 1);
    await lab.database.change("DELETE FROM archive_leaf WHERE seq >= 40");
    assert.equal((await next.sealNow()).end, "broken");
    assert.match(seen.broken[1] ?? "", /has 40 events, its last checkpoint 50/);
    await next.stop();
  });

  test("that is put right while it is opened builds on nothing that was wrong", async () => {
    const { sealer } = makeSealer(lab.database, signer);
    await lab.record(chats(50));
    await sealer.sealNow();
    await sealer.stop();
    const [leaf] = await lab.database.rows<{ leaf_hash: Buffer }>(
      "SELECT leaf_hash FROM archive_leaf WHERE seq = 17",
    );
    const write = (hash: Uint8Array) =>
      lab.database.change("UPDATE archive_leaf SET leaf_hash = ? WHERE seq = 17", [hash]);
    await write(Buffer.alloc(32));
    const store = new MysqlArchiveStore(lab.database);
    const lastCheckpoint = store.lastCheckpoint.bind(store);
    store.lastCheckpoint = async () => {
      await write(leaf?.leaf_hash ?? Buffer.alloc(0));
      return lastCheckpoint();
    };
    await lab.record(chats(5));
    const { sealer: next, seen } = makeSealer(lab.database, signer, { store });
    assert.deepEqual(await next.sealNow(), { sealed: 0, end: "broken" });
    assert.match(seen.broken[0] ?? "", /^the first 50 events were changed while they were read$/);
    assert.deepEqual(await next.sealNow(), { sealed: 5, end: "done" });
    await next.stop();
    const { finding, signed } = await lab.verify({ keys: [signer] });
    assert.deepEqual([finding, signed], [undefined, 55]);
  });
});

describe("copies of checkpoints", () => {
  test("reach an outlet in order and without a gap, though it fails and though the sealer begins anew", async () => {
    const out: number[] = [];
    let broken = true;
    const outlet = {
      last: async () => out.at(-1) ?? 0,
      publish: async ({ size }: { readonly size: number }) => {
        if (broken) throw new Error("away");
        out.push(size);
      },
    };
    const first = makeSealer(lab.database, signer, { outlets: [outlet] });
    for (let round = 0; round < 3; round++) {
      await lab.record(chats(10));
      await first.sealer.sealNow();
    }
    assert.deepEqual([out, first.seen.troubles], [[], ["publish: away"]]);
    broken = false;
    await first.sealer.stop();
    const next = makeSealer(lab.database, signer, { outlets: [outlet] });
    await lab.record(chats(10));
    await next.sealer.sealNow();
    assert.deepEqual(out, [10, 20, 30, 40]);
    await next.sealer.stop();
  });
});

describe("a database that was set back, its last checkpoints with it", () => {
  for (const [how, sql] of [
    ["its last events are gone", "DELETE FROM archive_leaf WHERE seq >= 10"],
    ["an event was exchanged", "UPDATE archive_leaf SET leaf_hash = REPEAT('x', 32) WHERE seq = 15"],
  ] as const)
    test(`is known by the checkpoint file: nothing more is sealed, and nothing of it signed (${how})`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "parlance-copies-"));
      const outlets = [new CheckpointFile(join(folder, "checkpoints.txt"))];
      try {
        const first = makeSealer(lab.database, signer, { outlets });
        for (let round = 0; round < 3; round++) {
          await lab.record(chats(10));
          await first.sealer.sealNow();
        }
        await first.sealer.stop();
        await lab.database.change("DELETE FROM archive_checkpoint WHERE size > 10");
        await lab.database.change(sql);
        await lab.record(chats(10));
        const next = makeSealer(lab.database, signer, { outlets });
        assert.deepEqual(await next.sealer.sealNow(), { sealed: 0, end: "broken" });
        assert.match(next.seen.broken.join(), /a checkpoint kept outside of the database/);
        await next.sealer.stop();
        const blind = makeSealer(lab.database, newSigner("example.com/another"), { outlets });
        assert.notEqual((await blind.sealer.sealNow()).end, "broken", "a file of another log says nothing");
        await blind.sealer.stop();
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
});

describe("a place for copies that takes none, or takes its time", () => {
  const sizes: number[] = [];
  const good = {
    last: async () => undefined,
    publish: async ({ size }: { size: number }) => void sizes.push(size),
  };
  const rounds = async (sealer: Sealer, count: number) => {
    for (let round = 0; round < count; round++) {
      await lab.record(chats(10));
      assert.equal((await sealer.sealNow()).sealed, 10);
    }
  };

  test("keeps no copy from another place, and no checkpoint from being signed", async () => {
    sizes.length = 0;
    const full = {
      last: async () => 0,
      publish: async () => {
        throw new Error("ENOSPC");
      },
    };
    const { sealer, seen } = makeSealer(lab.database, signer, { outlets: [full, good] });
    await rounds(sealer, 3);
    assert.deepEqual(sizes, [10, 20, 30]);
    assert.ok(seen.troubles.includes("publish: ENOSPC"));
    await sealer.stop();
  });

  test("holds up no sealing: the lease stays with whoever seals", async () => {
    sizes.length = 0;
    let end = () => {};
    const hangs = { last: async () => 0, publish: () => new Promise<void>((resolve) => (end = resolve)) };
    const { sealer } = makeSealer(lab.database, signer, { outlets: [hangs, good], leaseMs: 2_500 });
    await rounds(sealer, 4);
    assert.deepEqual(sizes, [10, 20, 30, 40]);
    end();
    await sealer.stop();
  });
});

describe("the database", () => {
  test("refuses to change or delete what is sealed, once its guards are there", async () => {
    await lab.record(chats(3));
    const { sealer } = makeSealer(lab.database, signer);
    await sealer.sealNow();
    await sealer.stop();
    const url = lab.stack.mysqlUrl;
    assert.equal(await guardArchive(url), undefined);
    assert.equal(await guardArchive(url), undefined, "twice is once");
    for (const sql of [
      "UPDATE archive_leaf SET leaf = '' WHERE seq = 1",
      "DELETE FROM archive_leaf WHERE seq = 2",
      "UPDATE archive_checkpoint SET note = ''",
      "DELETE FROM archive_checkpoint",
    ])
      await assert.rejects(ask(url, sql), /never changed/);
    const again = makeSealer(lab.database, signer);
    await lab.record(chats(3));
    assert.equal((await again.sealer.sealNow()).sealed, 3, "sealing needs no such right");
    await again.sealer.stop();
    for (const { name } of await lab.database.rows<{ name: string }>(
      "SELECT trigger_name AS name FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
    ))
      await lab.database.change(`DROP TRIGGER ${name}`);
  });
});
