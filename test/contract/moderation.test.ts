import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatError, type ChatErrorCode } from "../../src/chat/errors.ts";
import type { Room } from "../../src/chat/room.ts";
import type { User } from "../../src/chat/user.ts";
import type { Actor } from "../../src/management/actor.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { type MysqlLab, newScene, newUser, postEntry, recorder, startMysqlLab } from "../support/mysql.ts";

let lab: MysqlLab;
let one: Stores;

before(async () => {
  lab = await startMysqlLab();
  one = await lab.open();
});
after(() => lab.stop());

const root: Actor = { kind: "administrator", name: "root" };
const why = { reason: "asked for by legal" };
const refusedWith = (code: ChatErrorCode) => (error: unknown) =>
  error instanceof ChatError && error.code === code;

async function spoken(
  texts: readonly (readonly [by: "alice" | "bob", text: string])[],
): Promise<{ room: Room; alice: User; bob: User }> {
  const { alice, bob, rooms } = await newScene(one);
  const [room] = rooms;
  assert.ok(room);
  const journal = one.journal(await newLife());
  const by = { alice: recorder(alice), bob: recorder(bob) };
  for (const [who, text] of texts)
    assert.notEqual(await journal.post(postEntry(by[who], room, text, { rtf: `{${text}}` })), "stale");
  await journal.close();
  return { room, alice, bob };
}

let lives = 0;
async function newLife() {
  lives += 1;
  return one.leases.begin(`moderation${lives}`);
}

const texts = async ({ id }: Room) =>
  (await one.messages.latest(id, 100, 1_000)).map(({ number, text }) => `${number} ${text}`);

interface Recorded {
  readonly kind: string;
  readonly streamSeq: number;
  readonly at: number;
  readonly detail: Readonly<Record<string, unknown>>;
}

async function recorded({ id }: Room): Promise<Recorded[]> {
  const rows = await one.database.rows<{ body: Buffer }>(
    "SELECT body FROM compliance_outbox WHERE stream = ? ORDER BY stream_seq",
    [`room:${id}`],
  );
  return rows.map(({ body }) => JSON.parse(body.toString("utf8")));
}

test("a removed message is gone from the store, keeps its number, and its text stands in the record only", async () => {
  const { room, bob } = await spoken([
    ["alice", "one"],
    ["bob", "the secret"],
    ["alice", "three"],
  ]);
  const filter = { numbers: [2] };
  const dry = await one.management.moderateMessages(
    root,
    { id: room.id },
    { ...why, filter, replacement: null, dryRun: true },
  );
  assert.deepEqual([dry.messages, (await texts(room)).length], [1, 3]);
  const done = await one.management.moderateMessages(
    root,
    { id: room.id },
    { ...why, filter, replacement: null },
  );
  assert.equal(done.messages, 1);
  assert.deepEqual(await texts(room), ["1 one", "3 three"]);
  assert.deepEqual(await one.messages.removed(room.id, 1, 3), [2]);
  assert.equal((await one.rooms.lastNumbers([room.id])).get(room.id), 3);
  const last = (await recorded(room)).at(-1);
  const [said] = (await recorded(room)).filter(({ kind, streamSeq }) => kind === "CHAT" && streamSeq === 2);
  assert.deepEqual(
    [last?.kind, last?.streamSeq, last?.detail],
    [
      "MESSAGE_REMOVED",
      4,
      {
        reason: why.reason,
        old: { atMs: said?.at, author: bob.uri, number: 2, rtf: "{the secret}", text: "the secret" },
      },
    ],
  );
  const again = await one.management.moderateMessages(
    root,
    { id: room.id },
    { ...why, filter, replacement: null },
  );
  assert.equal(again.messages, 0);
  assert.equal((await recorded(room)).length, 4);
});

test("messages are chosen by author, words, phrase, case and dates, and replaced without their rich text", async () => {
  const { room, alice } = await spoken([
    ["alice", "Buy cheap watches"],
    ["bob", "cheap Watches, buy them"],
    ["alice", "watches are cheap"],
    ["alice", "watchesare cheap-ish"],
  ]);
  const count = async (filter: object) =>
    (
      await one.management.moderateMessages(
        root,
        { id: room.id },
        { ...why, filter, replacement: "x", dryRun: true },
      )
    ).messages;
  assert.equal(await count({ words: "cheap WATCHES" }), 3);
  assert.equal(await count({ words: "buy are", match: "any" }), 3);
  assert.equal(await count({ words: "cheap watches", match: "exact" }), 2);
  assert.equal(await count({ words: "cheap watches", match: "exact", caseSensitive: true }), 1);
  assert.equal(await count({ author: alice.uri }), 3);
  assert.equal(await count({ author: alice.uri, words: "watches" }), 2);
  assert.equal(await count({ author: "sip:nobody@example.com" }), 0);
  const [, second] = await one.messages.range(room.id, 1, 4);
  assert.equal(await count({ untilMs: (second?.atMs ?? 0) - 1_000 }), 0);
  assert.equal(await count({ fromMs: 0, untilMs: Date.now() + 1_000 }), 4);
  const filter = { author: alice.uri, words: "watches" };
  const replacement = "This message was replaced by the Persistent Chat administrator.";
  await one.management.moderateMessages(root, { id: room.id }, { ...why, filter, replacement });
  assert.deepEqual(
    (await one.messages.range(room.id, 1, 4)).map(({ text, rtf }) => [text, rtf]),
    [
      [replacement, null],
      ["cheap Watches, buy them", "{cheap Watches, buy them}"],
      [replacement, null],
      ["watchesare cheap-ish", "{watchesare cheap-ish}"],
    ],
  );
  const events = (await recorded(room)).filter(({ kind }) => kind === "MESSAGE_REPLACED");
  assert.deepEqual(
    events.map(({ detail }) => [(detail.old as { text: string }).text, detail.text]),
    [
      ["Buy cheap watches", replacement],
      ["watches are cheap", replacement],
    ],
  );
});

test("a room is cleared before a moment or wholly, in steps that others get in between, and stays usable", async () => {
  const { room, alice } = await spoken([["alice", "first"]]);
  const rows = (from: number, count: number, at: number) =>
    Array.from({ length: count }, (_, n) => [room.id, from + n, alice.id, at, 0, `old ${from + n}`]);
  for (let from = 2; from <= 1_802; from += 600)
    await one.database.change(
      "INSERT INTO message (room_id, number, author_id, at_ms, alert, text) VALUES ?",
      [rows(from, 600, from === 1_802 ? Date.now() + 3_600_000 : 1_000)],
    );
  await one.database.change("UPDATE room SET last_number = 2401 WHERE id = ?", [room.id]);
  await one.database.change("UPDATE message SET at_ms = 1 WHERE room_id = ? AND number = 1", [room.id]);
  await one.management.moderateMessages(
    root,
    { id: room.id },
    { ...why, filter: { numbers: [7, 2000] }, replacement: null },
  );
  const journal = one.journal(await newLife());
  const by = recorder(alice);
  const posting: Promise<unknown>[] = [];
  const beforeMs = Date.now() + 1_000_000;
  const told: (number | undefined)[][] = [];
  const watched = { ...why, dryRun: true, onProgress: (...far: (number | undefined)[]) => told.push(far) };
  const dry = await one.management.clearRoom(root, { id: room.id }, { ...watched, beforeMs });
  assert.equal(dry.messages, 1_800);
  const absent = { filter: { words: "is nowhere" }, replacement: null };
  await one.management.moderateMessages(root, { id: room.id }, { ...watched, ...absent });
  assert.deepEqual(
    told,
    [1_000, 2_000].map((looked) => [looked, undefined]).concat([1_000, 2_000, 2_401].map((n) => [n, 2_401])),
    "how far it is, though nothing is found",
  );
  let steps = 0;
  const onProgress = () => {
    steps += 1;
    posting.push(journal.post(postEntry(by, room, `between ${steps}`)));
  };
  const done = await one.management.clearRoom(root, { id: room.id }, { ...why, beforeMs, onProgress });
  assert.equal(done.messages, 1_800);
  assert.ok(steps >= 4);
  for (const post of await Promise.all(posting)) assert.notEqual(post, "stale", "rights did not change");
  assert.equal(await one.messages.clearedTo(room.id), 1_801);
  assert.deepEqual((await one.messages.latest(room.id, 1, 2401))[0]?.number, 2401);
  assert.deepEqual(await one.messages.removed(room.id, 1_799, 2_100), [1_799, 1_800, 1_801, 2_000]);
  const cleared = (await recorded(room)).filter(({ kind }) => kind === "ROOM_CLEARED");
  const old = cleared.flatMap(({ detail }) => detail.old as { number: number; text: string }[]);
  assert.deepEqual(
    [old.length, old[0]?.text, old.at(-1)?.text, cleared.at(-1)?.detail.beforeMs],
    [1_800, "first", "old 1801", beforeMs],
  );
  const [left] = await one.database.rows<{ n: number }>(
    "SELECT COUNT(*) AS n FROM moderated_message WHERE room_id = ?",
    [room.id],
  );
  assert.equal(Number(left?.n), 1, "of what was cleared no row is kept");
  await one.management.clearRoom(root, { id: room.id }, why);
  assert.deepEqual(await texts(room), []);
  const next = await journal.post(postEntry(by, room, "a new beginning"));
  assert.equal(next === "stale" ? 0 : next.number, 2_402 + steps);
  await journal.close();
});

test("what was removed or cleared is not counted as unread", async () => {
  const { room, bob } = await spoken(
    Array.from({ length: 10 }, (_, n) => ["alice", `text ${n + 1}`] as const),
  );
  const read = async () => (await one.readMarks.read(bob.id, [room.id])).get(room.id);
  await one.readMarks.save([{ userId: bob.id, roomId: room.id, number: 2 }]);
  await one.management.moderateMessages(
    root,
    { id: room.id },
    { ...why, filter: { numbers: [1, 3, 8] }, replacement: null },
  );
  await one.management.moderateMessages(
    root,
    { id: room.id },
    { ...why, filter: { numbers: [4] }, replacement: "x" },
  );
  assert.deepEqual(await read(), { last: 10, read: 2, removed: 2 });
  assert.equal(await one.readMarks.removedAbove(room.id, 5), 1);
  await one.management.clearRoom(root, { id: room.id }, { ...why, beforeMs: 1 });
  assert.deepEqual(await read(), { last: 10, read: 2, removed: 2 });
  await one.management.clearRoom(root, { id: room.id }, why);
  assert.deepEqual(await read(), { last: 10, read: 10, removed: 0 });
});

test("a post that is repeated after its message was removed is answered, and not stored again", async () => {
  const { alice, rooms } = await newScene(one);
  const [room] = rooms;
  assert.ok(room);
  const journal = one.journal(await newLife());
  const entry = postEntry(recorder(alice), room, "said twice");
  await journal.post(entry);
  await one.management.moderateMessages(
    root,
    { id: room.id },
    { ...why, filter: { numbers: [1] }, replacement: null },
  );
  const again = await journal.post(entry);
  assert.ok(again !== "stale" && again.repeated && again.number === 1);
  assert.deepEqual([await texts(room), (await one.rooms.lastNumbers([room.id])).get(room.id)], [[], 1]);
  await journal.close();
});

test("managers and administrators moderate; members do not, and outsiders of a secret room learn nothing", async () => {
  const { room, alice } = await spoken([["alice", "said"]]);
  const [manager, outsider] = [await newUser(one, "moderator"), await newUser(one, "moderation-outsider")];
  await one.administration.addRole(room.id, alice.uri, "member");
  await one.administration.addRole(room.id, manager.uri, "manager");
  const { domain, guid } = await one.administration.changeRoom(room.id, { privacy: "secret" });
  const name = { domain, guid };
  const as = (user: User): Actor => ({ kind: "user", user, token: recorder(user).token });
  const wanted = { ...why, filter: { numbers: [1] }, replacement: null };
  for (const dryRun of [true, false]) {
    await assert.rejects(
      one.management.moderateMessages(as(alice), name, { ...wanted, dryRun }),
      refusedWith("NOT_PERMITTED"),
    );
    await assert.rejects(
      one.management.clearRoom(as(alice), name, { ...why, dryRun }),
      refusedWith("NOT_PERMITTED"),
    );
    await assert.rejects(
      one.management.moderateMessages(as(outsider), name, { ...wanted, dryRun }),
      refusedWith("ROOM_NOT_FOUND"),
    );
    await assert.rejects(
      one.management.clearRoom(as(outsider), name, { ...why, dryRun }),
      refusedWith("ROOM_NOT_FOUND"),
    );
  }
  assert.equal((await one.management.moderateMessages(as(manager), name, wanted)).messages, 1);
  assert.equal((await recorded(room)).at(-1)?.kind, "MESSAGE_REMOVED");
});

test("what cannot be meant is refused before anything is done", async () => {
  const { room } = await spoken([["alice", "said"]]);
  const name = { id: room.id };
  const remove = (filter: object, more: object = why) =>
    one.management.moderateMessages(root, name, { reason: "", filter, replacement: null, ...more });
  for (const filter of [
    {},
    { numbers: [] },
    { numbers: [0] },
    { numbers: [1.5] },
    { words: " " },
    { match: "all" },
    { fromMs: 2, untilMs: 1 },
    { author: "alice" },
  ])
    await assert.rejects(remove(filter), refusedWith("BAD_REQUEST"), JSON.stringify(filter));
  await assert.rejects(remove({ numbers: [1] }, {}), refusedWith("BAD_REQUEST"));
  await assert.rejects(remove({ numbers: [1] }, { ...why, replacement: "" }), refusedWith("BAD_REQUEST"));
  await assert.rejects(one.management.clearRoom(root, name, { reason: " " }), refusedWith("BAD_REQUEST"));
  await assert.rejects(
    one.management.clearRoom(root, { name: "No such room" }, why),
    refusedWith("ROOM_NOT_FOUND"),
  );
  assert.deepEqual(await texts(room), ["1 said"]);
});
