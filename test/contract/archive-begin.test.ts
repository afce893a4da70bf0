import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Room } from "../../src/chat/room.ts";
import type { User } from "../../src/chat/user.ts";
import { Reconciler } from "../../src/compliance/reconcile/reconciler.ts";
import { verifyLog } from "../../src/compliance/verify/verify.ts";
import type { Incarnation } from "../../src/sip/dialog.ts";
import { beginArchive } from "../../src/store/mysql/archive-begin.ts";
import { MysqlArchiveReader } from "../../src/store/mysql/archive-reader.ts";
import { MysqlBooks } from "../../src/store/mysql/books-store.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { SchemaError } from "../../src/store/mysql/migrate.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { makeSealer, newSigner } from "../support/archive-lab.ts";
import { type MysqlLab, newScene, postEntry, recorder, startMysqlLab } from "../support/mysql.ts";

let lab: MysqlLab;
let stores: Stores;
let database: Database;

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
  database = new Database({ url: lab.url, connections: 4 });
});
after(async () => {
  await database.close();
  await lab.stop();
});

async function waiting(): Promise<string[]> {
  const rows = await database.rows<{ event_id: Buffer }>(
    "SELECT event_id FROM compliance_outbox ORDER BY event_id",
  );
  return rows.map(({ event_id }) => event_id.toString("hex"));
}

async function count(table: string): Promise<number> {
  const [row] = await database.rows<{ n: number }>(`SELECT COUNT(*) AS n FROM ${table}`);
  return Number(row?.n);
}

async function say(life: Incarnation, alice: User, room: Room, ...texts: string[]): Promise<void> {
  for (const text of texts) await stores.journal(life).post(postEntry(recorder(alice), room, text));
}

test("a new domain needs no beginning: its first events wait under number 1", async () => {
  await newScene(stores);
  assert.equal(await beginArchive(lab.url), false);
  assert.notDeepEqual(await waiting(), []);
});

test("a domain that recorded events before it had the archive gets one, without a gap and without what was said before", async () => {
  const { rooms, alice } = await newScene(stores, 2);
  const [busy, quiet] = rooms;
  assert.ok(busy && quiet);
  const earlier = await stores.leases.begin("earlier");
  await say(earlier, alice, busy, "one", "two", "three");
  await say(earlier, alice, quiet, "uno");
  await new MysqlOutboxStore(database, false).move(await waiting());
  await say(earlier, alice, busy, "four");
  const [late, handedOver] = [await waiting(), await count("compliance_handover")];

  await assert.rejects(beginArchive(lab.url), (error) => {
    assert.ok(error instanceof SchemaError);
    assert.match(error.message, /stop the nodes, run "parlance migrate" and start them again/);
    return true;
  });
  assert.deepEqual(await waiting(), late, "nothing was touched");

  await stores.leases.release(earlier);
  assert.equal(await beginArchive(lab.url), true);
  assert.deepEqual(await waiting(), []);
  // The last post and the node's end, beside what had gone the old way already.
  assert.equal(await count("compliance_handover"), handedOver + late.length + 1);
  assert.equal(await beginArchive(lab.url), false, "it has begun");

  const later = await stores.leases.begin("later");
  await say(later, alice, busy, "five", "six");
  await stores.management.moderateMessages(
    { kind: "administrator", name: "root" },
    { id: busy.id },
    { reason: "asked for", filter: { numbers: [2] }, replacement: null },
  );
  await stores.leases.release(later);
  const events = await waiting();
  await new MysqlOutboxStore(database, true).move(events);
  const signer = newSigner();
  const { sealer, seen } = makeSealer(database, signer);
  assert.equal((await sealer.sealNow()).end, "done");
  await sealer.stop();
  assert.deepEqual([seen.sealed >= events.length, seen.gaps, await count("archive_intake")], [true, [], 0]);
  const firsts = await database.rows<{ name: Buffer; first: number }>(
    "SELECT s.name, MIN(l.stream_seq) AS first FROM archive_stream s JOIN archive_leaf l ON l.stream_id = s.id GROUP BY s.id",
  );
  assert.deepEqual(
    firsts.filter(({ first }) => Number(first) !== 1),
    [],
  );
  assert.ok(firsts.some(({ name }) => name.toString() === `room:${busy.id}`));

  const differences: unknown[] = [];
  const watch = {
    reconciled: () => {},
    difference: (difference: unknown) => differences.push(difference),
    settled: () => {},
    trouble: (error: unknown) => differences.push(error),
  };
  const clock = { monotonicMs: () => performance.now() };
  const reconciler = new Reconciler(new MysqlBooks(database), watch, clock, "test", { settleMs: 200 });
  for (const whole of [false, true]) {
    const result = await reconciler.reconcile(whole);
    assert.deepEqual([result?.differences, result?.postponed, result?.pending], [0, null, 0]);
  }
  assert.deepEqual(differences, []);
  const verified = await verifyLog(new MysqlArchiveReader(database), { keys: [signer] });
  assert.deepEqual([verified.finding, verified.size], [undefined, seen.sealed]);

  // What is said behind the archive's back is still found.
  await database.change("UPDATE room SET last_number = last_number + 1 WHERE id = ?", [busy.id]);
  const result = await reconciler.reconcile(true);
  assert.deepEqual([result?.differences, differences.length], [1, 1]);
});

test("once the archive holds something a hole is a hole, and nothing is counted anew", async () => {
  const { rooms, alice } = await newScene(stores);
  assert.ok(rooms[0]);
  const life = await stores.leases.begin("third");
  await say(life, alice, rooms[0], "lost", "kept");
  await stores.leases.release(life);
  await database.change("DELETE FROM compliance_outbox WHERE stream = ? AND stream_seq = 1", [
    `room:${rooms[0].id}`,
  ]);
  assert.equal(await beginArchive(lab.url), false);
  const [row] = await database.rows<{ last_event: number }>("SELECT last_event FROM room WHERE id = ?", [
    rooms[0].id,
  ]);
  assert.ok(Number(row?.last_event) > 1);
});
