import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import type { Room } from "../../src/chat/room.ts";
import type { User } from "../../src/chat/user.ts";
import { accept, NotAcceptable } from "../../src/compliance/acceptor.ts";
import type { Difference, Reconciliation } from "../../src/compliance/reconcile/ports.ts";
import { Reconciler } from "../../src/compliance/reconcile/reconciler.ts";
import type { Sealer } from "../../src/compliance/sealer.ts";
import type { Actor } from "../../src/management/actor.ts";
import type { Incarnation } from "../../src/sip/dialog.ts";
import { MysqlAcceptance } from "../../src/store/mysql/acceptance-store.ts";
import { MysqlBooks } from "../../src/store/mysql/books-store.ts";
import { Database } from "../../src/store/mysql/database.ts";
import type { MysqlJournal } from "../../src/store/mysql/journal.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { exportDomain } from "../../src/transfer/export.ts";
import type { Selection } from "../../src/transfer/format.ts";
import { importDomain } from "../../src/transfer/import.ts";
import { makeSealer, newSigner } from "../support/archive-lab.ts";
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
let database: Database;
let outbox: MysqlOutboxStore;
let sealer: Sealer;
let journal: MysqlJournal;
let me: Incarnation;
let room: Room;
let alice: User;
let reconciler: Reconciler;
let told: string[] = [];
let looked: number[] = [];

const root: Actor = { kind: "administrator", name: "root" };
const why = { reason: "asked for" };
const EVERY_TIME = { fromMs: null, untilMs: null, withoutDisabled: false } as const;

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
  database = new Database({ url: lab.url, connections: 4 });
  outbox = new MysqlOutboxStore(database, true);
  sealer = makeSealer(database, newSigner()).sealer;
});
after(async () => {
  await sealer.stop();
  await database.close();
  await lab.stop();
});

let lives = 0;
beforeEach(async () => {
  for (const table of ["compared", "difference", "reconciliation"])
    await database.change(`DELETE FROM compliance_${table}`);
  const scene = await newScene(stores);
  assert.ok(scene.rooms[0]);
  [room, alice] = [scene.rooms[0], scene.alice];
  lives += 1;
  me = await stores.leases.begin(`books${lives}`);
  journal = stores.journal(me);
  told = [];
  looked = [];
  const say =
    (word: string) =>
    ({ what, stream, first, last }: Difference) => {
      if (isMine(stream)) told.push(`${word} ${what} ${first}-${last}`);
    };
  const watch = {
    reconciled: () => {},
    looked: (events: number) => void looked.push(events),
    difference: say("found"),
    settled: say("settled"),
    trouble: () => assert.fail("no trouble"),
  };
  const clock = { monotonicMs: () => performance.now() };
  reconciler = new Reconciler(new MysqlBooks(database), watch, clock, "test", { settleMs: 200 });
});

async function waiting(): Promise<string[]> {
  const rows = await database.rows<{ event_id: Buffer }>(
    "SELECT event_id FROM compliance_outbox ORDER BY event_id",
  );
  return rows.map(({ event_id }) => event_id.toString("hex"));
}

async function sealAll(): Promise<void> {
  const ids = await waiting();
  for (let at = 0; at < ids.length; at += 500) await outbox.move(ids.slice(at, at + 500));
  assert.equal((await sealer.sealNow()).end, "done");
}

async function reconcile(whole = false): Promise<Reconciliation> {
  const result = await reconciler.reconcile(whole);
  assert.ok(result);
  return result;
}

/** Of the room or the node's life that this test is about. */
function isMine(stream: string): boolean {
  return stream === `room:${room.id}` || stream === `read:${me}`;
}

/** What the database now says of this room and this node's own stream. */
async function found(): Promise<string[]> {
  const differences = await new MysqlBooks(database).differences();
  return differences
    .filter(({ stream }) => isMine(stream))
    .map(({ what, stream, first, last }) => `${stream.split(":")[0]} ${what} ${first}-${last}`);
}

async function say(...texts: string[]): Promise<void> {
  const by = recorder(alice);
  for (const text of texts) await journal.post(postEntry(by, room, text));
}

test("what is as it should be gives no difference: posts of every kind, moderation, comings and goings", async () => {
  const by = recorder(alice);
  await journal.open(dialogRecord(by, me));
  await journal.join(by, [{ room, mask: 1 }]);
  await say("one", "two", "three", "four", "[STORY]five");
  await journal.post(
    postEntry(by, room, "half \ud800 a pair \udfff, nul \u0000, \u{1f600}", { rtf: "{\ud83d}" }),
  );
  await journal.post(postEntry(by, room, "", { alert: true, rtf: "" }));
  const { id } = room;
  const filter = (numbers: number[]) => ({ ...why, filter: { numbers } });
  await stores.management.moderateMessages(root, { id }, { ...filter([2]), replacement: "2" });
  await stores.management.moderateMessages(root, { id }, { ...filter([2]), replacement: "zwei" });
  await stores.management.moderateMessages(root, { id }, { ...filter([3]), replacement: null });
  await journal.read(by, room, { from: 1, to: 2, count: 2, limit: 2 });
  await sealAll();
  const first = await reconcile();
  assert.deepEqual([first.differences, first.postponed, first.pending, await found()], [0, null, 0, []]);
  assert.equal(first.committed, first.sealed);
  assert.ok(first.messages >= 7);
  assert.deepEqual(
    looked,
    [...new Set(looked)].sort((a, b) => a - b),
    "it tells how far it has come",
  );
  assert.ok((looked.at(-1) ?? 0) >= first.messages + 3, "the messages and what became of three of them");
  looked = [];
  const again = await reconcile();
  assert.deepEqual([again.rooms, again.messages, again.differences], [0, 0, 0], "nothing is read twice");
  assert.deepEqual(looked, []);
  await say("later");
  await stores.management.moderateMessages(root, { id }, { ...filter([4]), replacement: "vier" });
  await sealAll();
  const next = await reconcile();
  assert.deepEqual([next.rooms, next.messages, next.differences], [1, 1, 0], "only what is new");
  await stores.management.clearRoom(root, { id }, why);
  await sealAll();
  assert.deepEqual([(await reconcile()).differences, (await reconcile(true)).differences], [0, 0]);
  assert.deepEqual(told, []);
});

test("what is on its way is no difference, wherever it is, and nothing is said of what is not sealed", async () => {
  await say("sealed");
  await sealAll();
  await reconcile();
  await say("in the intake", "in the outbox");
  await outbox.move((await waiting()).slice(0, 1));
  const { pending, differences, postponed } = await reconcile();
  assert.deepEqual([pending >= 2, differences, postponed], [true, 0, null]);
  await stores.management.moderateMessages(
    root,
    { id: room.id },
    { ...why, filter: { numbers: [1] }, replacement: "changed, and not sealed yet" },
  );
  assert.deepEqual([(await reconcile(true)).differences, await found()], [0, []]);
  const late = await reconcile(true);
  assert.match(late.postponed ?? "", /not sealed yet/);
  await sealAll();
  assert.deepEqual([(await reconcile(true)).differences, (await reconcile()).postponed], [0, null]);
});

test("an event that is lost on its way is named with its number, told once, and again when it is found", async () => {
  await say("one", "two", "three", "four", "five");
  await journal.read(recorder(alice), room, { from: 1, to: 1, count: 1, limit: 1 });
  const where = "stream = ? AND stream_seq IN (?)";
  const mine = (await stores.rooms.find(room.domain, room.guid))?.id ?? 0;
  const [count] = await database.rows<{ n: number }>("SELECT last_event AS n FROM room WHERE id = ?", [mine]);
  const last = Number(count?.n);
  const rows = await database.rows<{ event_id: Buffer }>(`SELECT * FROM compliance_outbox WHERE ${where}`, [
    `room:${mine}`,
    [last - 1, last],
  ]);
  assert.equal(rows.length, 2);
  await database.change("CREATE TABLE kept AS SELECT * FROM compliance_outbox WHERE event_id IN (?)", [
    rows.map(({ event_id }) => event_id),
  ]);
  await database.change("DELETE FROM compliance_outbox WHERE event_id IN (SELECT event_id FROM kept)");
  await database.change(`DELETE FROM compliance_outbox WHERE ${where}`, [`read:${me}`, [2]]);
  await sealAll();
  await reconcile();
  await reconcile();
  assert.deepEqual(await found(), ["read missing 2-2", `room missing ${last - 1}-${last}`]);
  assert.deepEqual(told.sort(), ["found missing 2-2", `found missing ${last - 1}-${last}`]);
  await database.change("INSERT INTO compliance_outbox SELECT * FROM kept");
  await database.change("DROP TABLE kept");
  await sealAll();
  await reconcile();
  assert.deepEqual(await found(), ["read missing 2-2"]);
  assert.ok(told.includes(`settled missing ${last - 1}-${last}`));
});

test("a chat that was changed behind everybody's back is found: texts, authors, messages gone and messages nobody posted", async () => {
  await say("one", "two", "three", "four", "five", "six");
  await sealAll();
  const change = (sql: string) => database.change(sql.replace("ROOM", String(room.id)));
  await change("UPDATE message SET text = 'zwei' WHERE room_id = ROOM AND number = 2");
  await change("UPDATE message SET author_id = author_id + 1 WHERE room_id = ROOM AND number = 3");
  await change("DELETE FROM message WHERE room_id = ROOM AND number IN (5, 6)");
  await change(
    "INSERT INTO message (room_id, number, author_id, at_ms, alert, text) VALUES (ROOM, 7, 1, 1, 0, 'forged')",
  );
  await change("UPDATE room SET last_number = 7 WHERE id = ROOM");
  await reconcile();
  const wrong = ["room altered 2-3", "room unrecorded 7-7", "room vanished 5-6"];
  assert.deepEqual((await found()).sort(), wrong);
  await reconcile();
  assert.deepEqual((await found()).sort(), wrong, "it is looked at until it is mended");
  assert.equal(told.length, 3);
  await change("UPDATE message SET text = 'two' WHERE room_id = ROOM AND number = 2");
  await change("UPDATE message SET author_id = author_id - 1 WHERE room_id = ROOM AND number = 3");
  await reconcile();
  assert.deepEqual((await found()).sort(), wrong.slice(1));
  assert.ok(told.includes("settled altered 2-3"));
});

test("messages of a room that keeps no history are in the archive only, as they must be; clearing the room changes nothing", async () => {
  const [category] = await database.rows<{ name: string }>(
    "SELECT c.name FROM category c JOIN room r ON r.category_id = c.id WHERE r.id = ?",
    [room.id],
  );
  await say("kept");
  await stores.administration.changeCategory(category?.name ?? "", { chatHistory: false });
  const [now] = await stores.rooms.byIds([room.id]);
  assert.equal(now?.keepsHistory, false);
  room = now;
  await say("said once", "and again");
  await sealAll();
  await reconcile();
  await database.change("DELETE FROM passing_message WHERE room_id = ?", [room.id]);
  await reconcile(true);
  assert.deepEqual(await found(), []);
  await stores.management.clearRoom(root, { id: room.id }, why);
  await sealAll();
  await reconcile(true);
  assert.deepEqual(await found(), []);
});

test("messages that an import brings are on record by its one event; while it goes on, nothing is said of them", async () => {
  const { id } = room;
  await sealAll();
  for (const number of [1, 2, 3])
    await database.change(
      "INSERT INTO message (room_id, number, author_id, at_ms, alert, text) VALUES (?, ?, ?, 1, 0, 'from elsewhere')",
      [id, number, alice.id],
    );
  await database.change("UPDATE room SET last_number = 3 WHERE id = ?", [id]);
  await database.change(
    "INSERT INTO import_item (run_id, kind, name, target_id) VALUES (1, 'room', 'elsewhere', ?)",
    [id],
  );
  await say("four");
  await reconcile(true);
  assert.deepEqual(await found(), []);
  await database.change("DELETE FROM import_item");
  const after = { clearedTo: 0, lastNumber: 3, messages: 3, sha256: "", source: "", uri: "" };
  await database.change("DELETE FROM compliance_outbox WHERE kind = 'CHAT' AND room_id = ?", [id]);
  await database.change("DELETE FROM message WHERE room_id = ? AND number = 4", [id]);
  await database.change("UPDATE room SET last_number = 3, last_event = last_event - 1 WHERE id = ?", [id]);
  await stores.changes.change(root, async (unit) => {
    const locked = await unit.room({ id });
    assert.ok(locked && locked !== "several");
    unit.record({ kind: "ROOM_IMPORTED", subject: "", before: null, after }, locked);
  });
  await say("four again");
  await sealAll();
  await reconcile(true);
  assert.deepEqual(await found(), []);
});

test("what was compared once is compared again when everything is asked for", async () => {
  await say("one", "two");
  await sealAll();
  await reconcile();
  await database.change("UPDATE message SET text = 'uno' WHERE room_id = ? AND number = 1", [room.id]);
  await reconcile();
  assert.deepEqual(await found(), []);
  await reconcile(true);
  assert.deepEqual(await found(), ["room altered 1-1"]);
});

test("messages stored while recording was off are named", async () => {
  await say("one");
  const silent = await lab.open({ compliance: false });
  const quiet = silent.journal(await silent.leases.begin("silent"));
  await quiet.post(postEntry(recorder(alice), room, "off the record"));
  await quiet.post(postEntry(recorder(alice), room, "this too"));
  await say("four");
  await sealAll();
  await reconcile();
  assert.deepEqual(await found(), ["room unrecorded 2-3"]);
});

/** As the command does it. */
async function acceptDifferences(stream: string, reason: string): Promise<string> {
  const parts = {
    books: new MysqlBooks(database),
    store: new MysqlAcceptance(database),
    move: (eventIds: readonly string[]) => outbox.move(eventIds),
    onProgress: () => {},
  };
  const actor = { id: 0, uri: "administrator:root", displayName: "root", email: null };
  const eventId = await accept(parts, stream, { actor, node: "n1", atMs: Date.now(), reason }, "test");
  assert.ok(eventId, "nobody compares");
  return eventId;
}

async function sealedBodies(stream: string): Promise<{ kind: string; streamSeq: number; detail: unknown }[]> {
  const rows = await database.rows<{ body: Buffer }>(
    "SELECT c.body FROM archive_leaf l JOIN archive_stream s ON s.id = l.stream_id JOIN archive_content c ON c.seq = l.seq " +
      "WHERE s.name = ? ORDER BY l.stream_seq",
    [stream],
  );
  return rows.map(({ body }) => JSON.parse(body.toString("utf8")));
}

test("what is lost for good is accepted: its numbers say so in the archive, those behind it are sealed, and nothing is missing any more", async () => {
  const stream = `room:${room.id}`;
  await say("one");
  await sealAll();
  await say("two", "three", "four", "five");
  const [count] = await database.rows<{ n: number }>("SELECT last_event AS n FROM room WHERE id = ?", [
    room.id,
  ]);
  const last = Number(count?.n);
  await database.change("DELETE FROM compliance_outbox WHERE stream = ? AND stream_seq IN (?)", [
    stream,
    [last - 3, last - 1],
  ]);
  await sealAll();
  await reconcile();
  const before = await sealedBodies(stream);
  assert.equal(before.at(-1)?.streamSeq, last - 4, "nothing behind the gap is sealed");
  await acceptDifferences(stream, "disk of 3 November");
  await sealAll();
  await reconcile();
  assert.deepEqual(
    await found(),
    ["room unrecorded 2-2", "room unrecorded 4-4"],
    "whose messages are in the room",
  );
  const after = (await sealedBodies(stream)).slice(before.length);
  assert.deepEqual(
    after.map(({ kind, streamSeq }) => [kind, streamSeq]),
    [
      ["EVENT_MISSING", last - 3],
      ["CHAT", last - 2],
      ["EVENT_MISSING", last - 1],
      ["CHAT", last],
    ],
  );
  assert.deepEqual(after[0]?.detail, { reason: "disk of 3 November" });
  await acceptDifferences(stream, "the same disk");
  await sealAll();
  await reconcile();
  assert.deepEqual(await found(), []);
  await reconcile(true);
  assert.deepEqual(await found(), [], "also when all is compared");
  const accepted = (await sealedBodies("archive")).filter(({ kind }) => kind === "GAP_ACCEPTED").slice(-2);
  assert.deepEqual(
    accepted.map(({ detail }) => detail),
    [
      {
        ...{
          altered: [],
          reason: "disk of 3 November",
          stream,
          unreadable: [],
          unrecorded: [],
          vanished: [],
        },
        missing: [
          [last - 3, last - 3],
          [last - 1, last - 1],
        ],
      },
      {
        ...{ altered: [], missing: [], reason: "the same disk", stream, unreadable: [], vanished: [] },
        unrecorded: [
          [2, 2],
          [4, 4],
        ],
      },
    ],
  );
});

test("a message that was accepted as it is now is found when it is changed again; nothing else of the room is accepted with it", async () => {
  await say("one", "two", "three", "four");
  await sealAll();
  const write = (number: number, text: string) =>
    database.change("UPDATE message SET text = ? WHERE room_id = ? AND number = ?", [text, room.id, number]);
  await write(2, "zwei");
  await database.change("DELETE FROM message WHERE room_id = ? AND number = 3", [room.id]);
  await reconcile();
  assert.deepEqual(await found(), ["room altered 2-2", "room vanished 3-3"]);
  await acceptDifferences(`room:${room.id}`, "mended by hand, ticket 12");
  await sealAll();
  await reconcile();
  assert.deepEqual(await found(), []);
  await write(1, "uno");
  await write(2, "due");
  await reconcile(true);
  assert.deepEqual(await found(), ["room altered 1-2"]);
});

test("an event that turns up after its loss was accepted changes nothing in the archive, and is kept aside as evidence", async () => {
  const stream = `room:${room.id}`;
  await say("one", "two");
  await database.change(
    "CREATE TABLE kept AS SELECT * FROM compliance_outbox WHERE stream = ? ORDER BY stream_seq",
    [stream],
  );
  await database.change("DELETE FROM compliance_outbox WHERE stream = ? AND kind = 'CHAT'", [stream]);
  await sealAll();
  await reconcile();
  await acceptDifferences(stream, "lost");
  await sealAll();
  const sealed = await sealedBodies(stream);
  await database.change("INSERT INTO compliance_outbox SELECT * FROM kept WHERE kind = 'CHAT'");
  await database.change("DROP TABLE kept");
  await sealAll();
  assert.deepEqual(await sealedBodies(stream), sealed);
  const [row] = await database.rows<{ n: number }>(
    "SELECT COUNT(*) AS n FROM compliance_quarantine WHERE stream = ?",
    [stream],
  );
  assert.equal(Number(row?.n), 2);
});

test("an event that is only on its way is not put down as missing; what fits, or what nobody recorded, cannot be accepted", async () => {
  const stream = `room:${room.id}`;
  await say("one", "two", "three");
  await database.change(
    "CREATE TABLE kept AS SELECT * FROM compliance_outbox WHERE stream = ? AND kind = 'CHAT'",
    [stream],
  );
  await database.change("DELETE FROM compliance_outbox WHERE stream = ? AND kind = 'CHAT'", [stream]);
  await sealAll();
  await reconcile();
  assert.match((await found()).join(), /^room missing/);
  await database.change("INSERT INTO compliance_outbox SELECT * FROM kept");
  await database.change("DROP TABLE kept");
  await acceptDifferences(stream, "too early");
  await sealAll();
  assert.deepEqual(
    (await sealedBodies(stream)).filter(({ kind }) => kind === "EVENT_MISSING"),
    [],
  );
  await reconcile();
  assert.deepEqual(await found(), []);
  await assert.rejects(acceptDifferences(stream, "nothing is wrong"), NotAcceptable);
  await database.change("UPDATE room SET last_event = last_event - 1 WHERE id = ?", [room.id]);
  await reconcile();
  await assert.rejects(acceptDifferences(stream, "surplus"), /never recorded/);
});

test("an event that is none of ours is sealed and named, and everything else is compared all the same", async () => {
  const stream = `room:${room.id}`;
  await say("one");
  const strange = [
    "xx",
    '{"kind":"CHAT"}',
    '{"actor":{"id":1},"at":1,"detail":{"number":"9"},"kind":"CHAT"}',
    "null",
  ];
  for (const [place, body] of strange.entries()) {
    await database.change("UPDATE room SET last_event = LAST_INSERT_ID(last_event + 1) WHERE id = ?", [
      room.id,
    ]);
    await database.change(
      "INSERT INTO compliance_outbox (event_id, stream, stream_seq, kind, at_ms, room_id, body) " +
        "SELECT ?, ?, last_event, 'CHAT', 1, id, ? FROM room WHERE id = ?",
      [Buffer.from(`${lives}0${place}`.padStart(32, "f"), "hex"), stream, body, room.id],
    );
  }
  await say("two", "three");
  await sealAll();
  await database.change("UPDATE message SET text = 'zwei' WHERE room_id = ? AND number = 2", [room.id]);
  await reconcile();
  const [count] = await database.rows<{ n: number }>("SELECT last_event AS n FROM room WHERE id = ?", [
    room.id,
  ]);
  const last = Number(count?.n);
  assert.deepEqual(await found(), ["room altered 2-2", `room unreadable ${last - 5}-${last - 2}`]);
  await acceptDifferences(stream, "looked into, ticket 5");
  await sealAll();
  await reconcile(true);
  assert.deepEqual(await found(), []);
});

test("an archive that has more than the chat ever recorded is found", async () => {
  await say("one", "two", "three");
  await sealAll();
  await reconcile();
  await database.change("UPDATE room SET last_event = last_event - 2 WHERE id = ?", [room.id]);
  const [row] = await database.rows<{ n: number }>("SELECT last_event AS n FROM room WHERE id = ?", [
    room.id,
  ]);
  await reconcile();
  const n = Number(row?.n);
  assert.deepEqual(await found(), [`room surplus ${n + 1}-${n + 2}`]);
});

test("a deleted room's record ends with its deletion; when that is missing, it is found", async () => {
  await say("one");
  await stores.management.deleteRoom(root, { id: room.id });
  const [end] = (await waiting()).slice(-1);
  assert.ok(end);
  await database.change("CREATE TABLE kept AS SELECT * FROM compliance_outbox WHERE event_id = ?", [
    Buffer.from(end, "hex"),
  ]);
  await database.change("DELETE FROM compliance_outbox WHERE event_id = ?", [Buffer.from(end, "hex")]);
  await sealAll();
  await reconcile();
  assert.match((await found()).join(), /^room missing (\d+)-\1$/);
  await database.change("INSERT INTO compliance_outbox SELECT * FROM kept");
  await database.change("DROP TABLE kept");
  await sealAll();
  await reconcile();
  assert.deepEqual(await found(), []);
});

test("the stream of a node that ended is closed once its end is sealed; one that ended without its last events is found", async () => {
  await journal.read(recorder(alice), room, { from: 1, to: 1, count: 1, limit: 1 });
  await stores.leases.release(me);
  await database.change("DELETE FROM compliance_outbox WHERE stream = ? AND kind = 'NODE_STOP'", [
    `read:${me}`,
  ]);
  await sealAll();
  await reconcile();
  assert.deepEqual(await found(), ["read missing 3-3"]);
  const other = await stores.leases.begin("tidy");
  await stores.leases.release(other);
  await sealAll();
  await reconcile();
  const [row] = await database.rows<{ closed: number }>(
    "SELECT closed FROM compliance_compared WHERE stream = ?",
    [`read:${other}`],
  );
  assert.equal(row?.closed, 1);
});

test("one at a time: a second worker leaves it to the first, and finds when the last one was", async () => {
  const books = new MysqlBooks(database);
  const lease = await books.takeLease("somebody", 60_000);
  assert.ok(lease);
  assert.equal(await reconciler.reconcile(), undefined);
  await books.releaseLease(lease);
  assert.equal(await books.sinceLast(), undefined);
  await reconcile();
  const since = await books.sinceLast();
  assert.ok(since !== undefined && since >= 0 && since < 60_000);
});

test("an imported room is on record as a whole, and no difference while it is being filled", async () => {
  await say("one", "two", "three", "four", "five", "six");
  const folder = join(mkdtempSync(join(tmpdir(), "parlance-books-")), "out");
  const [category] = await database.rows<{ name: string }>(
    "SELECT c.name FROM category c JOIN room r ON r.category_id = c.id WHERE r.id = ?",
    [room.id],
  );
  const selection: Selection = { level: "content", categories: [category?.name ?? ""], ...EVERY_TIME };
  await exportDomain(stores.exported, { folder, domain: "example.com", actor: root, selection });
  const stop = new Error("in the middle");
  const take = (onProgress: (what: string, done: number) => void) =>
    importDomain(stores.imports, { folder, actor: root, onConflict: "rename", portion: 3, onProgress });
  await assert.rejects(
    take((what, done) => {
      if (what === "lines" && done === 7) throw stop;
    }),
    stop,
  );
  const [copy] = await database.rows<{ id: number; last_number: number }>(
    "SELECT id, last_number FROM room WHERE name = ?",
    [`${room.name} (2)`],
  );
  assert.ok(copy && copy.last_number > 0 && copy.last_number < 6, "it is half full");
  const wrong = async () => {
    await sealAll();
    await reconcile(true);
    const differences = await new MysqlBooks(database).differences();
    return differences.filter(({ stream }) => stream === `room:${copy.id}`);
  };
  assert.deepEqual(await wrong(), []);
  await take(() => {});
  assert.deepEqual(await wrong(), []);
  const there = await stores.administration.findRoom(copy.id);
  await journal.post(postEntry(recorder(alice), there, "seven"));
  assert.deepEqual(await wrong(), []);
  await database.change(
    "INSERT INTO message (room_id, number, author_id, at_ms, alert, text) VALUES (?, 8, ?, 1, 0, 'nobody posted it')",
    [copy.id, alice.id],
  );
  await database.change("UPDATE room SET last_number = 8 WHERE id = ?", [copy.id]);
  assert.deepEqual(
    (await wrong()).map(({ what, first, last }) => [what, first, last]),
    [["unrecorded", 8, 8]],
  );
  rmSync(dirname(folder), { recursive: true });
});
