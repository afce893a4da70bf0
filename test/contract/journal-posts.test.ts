import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatError } from "../../src/chat/errors.ts";
import type { StoredMessage } from "../../src/chat/message.ts";
import type { Room } from "../../src/chat/room.ts";
import { STALE } from "../../src/ports.ts";
import type { MysqlJournal } from "../../src/store/mysql/journal.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { ask, type MysqlLab, newScene, postEntry, recorder, startMysqlLab } from "../support/mysql.ts";

let lab: MysqlLab;
let one: Stores;
let two: Stores;
let first: MysqlJournal;
let second: MysqlJournal;

before(async () => {
  lab = await startMysqlLab();
  one = await lab.open();
  two = await lab.open();
  first = one.journal(await one.leases.begin("n1"));
  second = two.journal(await two.leases.begin("n2"));
});
after(() => lab.stop());

const hasCode = (code: string) => (error: unknown) => error instanceof ChatError && error.code === code;

async function stored(
  outcome: ReturnType<MysqlJournal["post"]>,
): Promise<StoredMessage & { repeated: boolean }> {
  const message = await outcome;
  assert.notEqual(message, STALE);
  return message as StoredMessage & { repeated: boolean }; // STALE is ruled out above
}

/** Rows of the outbox in stream order, with their bodies. */
async function recordedOf(room: Room): Promise<{ seq: number; id: string; body: Record<string, unknown> }[]> {
  const rows = await one.database.rows<{ stream_seq: number; id: string; body: Buffer }>(
    "SELECT stream_seq, LOWER(HEX(event_id)) AS id, body FROM compliance_outbox WHERE stream = ? AND kind <> 'ROLE_CHANGED' ORDER BY stream_seq",
    [`room:${room.id}`],
  );
  return rows.map(({ stream_seq, id, body }) => ({
    seq: stream_seq,
    id,
    body: JSON.parse(body.toString("utf8")),
  }));
}

test("two nodes posting into the same rooms give every message one number, none twice and none left out", async () => {
  const { alice, bob, rooms } = await newScene(one, 5);
  const posts = Array.from({ length: 600 }, (_, index) => {
    const room = rooms[index % rooms.length];
    assert.ok(room);
    const [journal, user] = index % 2 === 0 ? [first, alice] : [second, bob];
    return stored(journal.post(postEntry(recorder(user), room, `message ${index}`)));
  });
  const messages = await Promise.all(posts);
  for (const room of rooms) {
    const numbers = messages.filter(({ roomId }) => roomId === room.id).map(({ number }) => number);
    const dense = Array.from({ length: 120 }, (_, index) => index + 1);
    assert.deepEqual(
      numbers.sort((a, b) => a - b),
      dense,
    );
    const kept = await one.messages.range(room.id, 1, 1_000);
    assert.deepEqual(
      kept.map(({ number }) => number),
      dense,
    );
    const recorded = await recordedOf(room);
    assert.deepEqual(
      recorded.map(({ seq }) => seq),
      dense,
    );
    for (const [index, { body, id }] of recorded.entries()) {
      assert.equal(body.eventId, id);
      assert.deepEqual(body.detail, { alert: false, number: index + 1, rtf: null, text: kept[index]?.text });
    }
  }
});

test("posts of one room are numbered in the order in which they were handed in", async () => {
  const { alice, rooms } = await newScene(one);
  const [room] = rooms;
  assert.ok(room);
  const by = recorder(alice);
  const posts = await Promise.all(
    Array.from({ length: 300 }, (_, n) => stored(first.post(postEntry(by, room, `${n}`)))),
  );
  assert.deepEqual(
    posts.map(({ number, text }) => number - Number(text)),
    posts.map(() => 1),
  );
});

test("a repeated post gives the stored message again, in the same flush, later, and on another node, and stores nothing", async () => {
  const { alice, rooms } = await newScene(one);
  const [room] = rooms;
  assert.ok(room);
  const entry = postEntry(recorder(alice), room, "once", {
    envid: "18446744073709551615",
    seqid: "4294967295",
  });
  const [a, b] = await Promise.all([
    stored(first.post(entry)),
    stored(first.post({ ...entry, text: "changed" })),
  ]);
  assert.equal(a.repeated, false);
  const { repeated: _, ...message } = a;
  for (const again of [
    b,
    await stored(first.post({ ...entry, text: "changed too", envid: `00${entry.envid}` })),
    await stored(second.post(entry)),
  ])
    assert.deepEqual(again, { ...message, repeated: true });
  const others = await Promise.all([
    stored(second.post(postEntry(recorder(alice), room, "next"))),
    stored(second.post(entry)),
  ]);
  assert.deepEqual(
    others.map(({ number, repeated }) => [number, repeated]),
    [
      [2, false],
      [1, true],
    ],
  );
  assert.deepEqual(
    (await one.messages.latest(room.id, 10, 10)).map(({ text }) => text),
    ["once", "next"],
  );
  assert.equal((await recordedOf(room)).length, 2);
});

test("two nodes that get the same post at once store it once", async () => {
  const { alice, rooms } = await newScene(one);
  const [room] = rooms;
  assert.ok(room);
  for (let round = 1; round <= 20; round++) {
    const entry = postEntry(recorder(alice), room, `round ${round}`);
    const answers = await Promise.all([stored(first.post(entry)), stored(second.post(entry))]);
    assert.deepEqual(
      answers.map(({ number }) => number),
      [round, round],
    );
    assert.equal(answers.filter(({ repeated }) => repeated).length, 1);
  }
});

test("a post decided before the room's roles changed is stale and not stored; others of its flush are", async () => {
  const { alice, bob, rooms } = await newScene(one, 3);
  const [changed, same, gone] = rooms;
  assert.ok(changed && same && gone);
  const now = await one.administration.addRole(changed.id, bob.uri, "member");
  await one.administration.removeRoom(gone.id);
  const [stale, fine, missing] = await Promise.all(
    [changed, same, gone].map((room) => first.post(postEntry(recorder(alice), room, "decided long ago"))),
  );
  assert.equal(stale, STALE);
  assert.equal(missing, STALE);
  assert.equal((fine as StoredMessage).number, 1);
  assert.deepEqual(await one.messages.latest(changed.id, 10, 10), []);
  assert.deepEqual(await recordedOf(changed), []);
  assert.equal((await stored(first.post(postEntry(recorder(alice), now, "decided again")))).number, 1);
});

test("a post whose time is over is refused and not stored", async () => {
  const { alice, rooms } = await newScene(one);
  const [room] = rooms;
  assert.ok(room);
  const late = first.post(postEntry(recorder(alice), room, "late", { startBeforeMs: Date.now() - 1 }));
  const fine = first.post(postEntry(recorder(alice), room, "in time"));
  await assert.rejects(late, hasCode("TOO_LATE"));
  assert.equal((await stored(fine)).number, 1);
  assert.deepEqual(
    (await one.messages.latest(room.id, 10, 10)).map(({ text }) => text),
    ["in time"],
  );
});

test("a post that the database refuses is taken out, and all others of its flush are stored in order", async () => {
  const { alice, rooms } = await newScene(one);
  const [room] = rooms;
  assert.ok(room);
  const nobody = { ...alice, id: 2 ** 33 }; // fits no principal's id
  const nothing = { ...alice, id: Number.NaN };
  const outcomes = await Promise.allSettled(
    Array.from({ length: 100 }, (_, n) =>
      first.post(postEntry(recorder(n === 41 ? nobody : n === 77 ? nothing : alice), room, `${n}`)),
    ),
  );
  const refused = outcomes.flatMap((outcome, n) =>
    outcome.status === "rejected" ? [[n, outcome.reason.code]] : [],
  );
  assert.deepEqual(refused, [
    [41, "BAD_REQUEST"],
    [77, "BAD_REQUEST"],
  ]);
  const kept = await one.messages.range(room.id, 1, 1_000);
  assert.deepEqual(
    kept.map(({ text }) => Number(text)),
    Array.from({ length: 100 }, (_, n) => n).filter((n) => n !== 41 && n !== 77),
  );
  assert.equal((await recordedOf(room)).length, 98);
});

test("numbers that are none are refused before anything is asked of the database", async () => {
  const { alice, rooms } = await newScene(one);
  const [room] = rooms;
  assert.ok(room);
  for (const wrong of ["", "x", "-1", "1.5", "1e3", "18446744073709551616", "1 OR 1=1"]) {
    await assert.rejects(
      first.post(postEntry(recorder(alice), room, "x", { envid: wrong })),
      hasCode("BAD_REQUEST"),
    );
    await assert.rejects(
      first.post(postEntry(recorder(alice), room, "x", { seqid: wrong })),
      hasCode("BAD_REQUEST"),
    );
  }
  assert.deepEqual(await one.messages.latest(room.id, 10, 10), []);
});

test("with compliance off no event is recorded and no stream counts", async () => {
  const silent = await lab.open({ compliance: false });
  const journal = silent.journal(await silent.leases.begin("n3"));
  const { alice, rooms } = await newScene(silent);
  const [room] = rooms;
  assert.ok(room);
  const before = await ask<{ count: number }>(lab.url, "SELECT COUNT(*) AS count FROM compliance_outbox");
  await journal.post(postEntry(recorder(alice), room, "not recorded"));
  await journal.read(recorder(alice), room, { from: 1, to: 1, count: 1, limit: 50 });
  assert.deepEqual(await ask(lab.url, "SELECT COUNT(*) AS count FROM compliance_outbox"), before);
  assert.deepEqual(await ask(lab.url, `SELECT last_number, last_event FROM room WHERE id = ${room.id}`), [
    { last_number: 1, last_event: 0 },
  ]);
});

test("the waker hears of exactly the events that were committed, after they were", async () => {
  const announced: string[] = [];
  const stores = await lab.open({ waker: { announce: (ids) => announced.push(...ids) } });
  const me = await stores.leases.begin("n4");
  const journal = stores.journal(me);
  const { alice, rooms } = await newScene(stores);
  announced.length = 0; // what was administered for it
  const [room] = rooms;
  assert.ok(room);
  await Promise.allSettled([
    journal.post(postEntry(recorder(alice), room, "a")),
    journal.post(postEntry(recorder({ ...alice, id: -1 }), room, "refused")),
    journal.read(recorder(alice), room, { from: 1, to: 1, count: 1, limit: 50 }),
    journal.read(recorder(alice), room, { from: 1, to: 1, count: 1, limit: 50 }),
  ]);
  const rows = await ask<{ id: string; stream: string; stream_seq: number }>(
    lab.url,
    `SELECT LOWER(HEX(event_id)) AS id, stream, stream_seq FROM compliance_outbox WHERE room_id = ${room.id} ORDER BY event_id`,
  );
  assert.deepEqual(
    rows.map(({ id }) => id),
    [...announced].sort(),
  );
  assert.deepEqual(
    rows.filter(({ stream }) => stream === `read:${me}`).map(({ stream_seq }) => stream_seq),
    [2, 3],
  );
});
