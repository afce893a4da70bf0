import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createConnection } from "mysql2/promise";
import { ChatError } from "../../src/chat/errors.ts";
import type { Room } from "../../src/chat/room.ts";
import { STALE } from "../../src/ports.ts";
import { type Incarnation, newToken } from "../../src/sip/dialog.ts";
import type { MysqlJournal } from "../../src/store/mysql/journal.ts";
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
let me: Incarnation;
let journal: MysqlJournal;

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
  me = await stores.leases.begin("n1");
  journal = stores.journal(me);
});
after(() => lab.stop());

const mask = 3984;
const entering = (rooms: readonly Room[]) => rooms.map((room) => ({ room, mask }));
const ids = (rooms: readonly Room[]) => rooms.map(({ id }) => id);

/** Kinds recorded of a room, in stream order, with the reason of a PART. */
async function factsOf(room: Room): Promise<string[]> {
  const rows = await stores.database.rows<{ body: Buffer }>(
    "SELECT body FROM compliance_outbox WHERE stream = ? AND kind <> 'ROLE_CHANGED' ORDER BY stream_seq",
    [`room:${room.id}`],
  );
  return rows.map(({ body }) => {
    const { kind, detail, session } = JSON.parse(body.toString("utf8"));
    assert.match(session, /^[0-9a-f]{16}$/);
    return detail.reason ? `${kind} ${detail.reason}` : kind;
  });
}

test("a dialog comes back for a new home exactly as it was opened, with its rooms", async () => {
  const { alice, rooms } = await newScene(stores, 2);
  const by = recorder(alice);
  const home = await stores.leases.begin("n7");
  const record = dialogRecord(by, home, { epoch: 12, isSipe: true });
  await journal.open(record);
  await journal.join(by, entering(rooms));
  assert.equal(await stores.dialogs.home(by.token), home);
  const [found, ...others] = await stores.dialogs.ofHome(home);
  assert.deepEqual(others, []);
  assert.deepEqual(found, {
    dialog: record,
    rooms: ids(rooms).map((roomId) => ({ roomId, mask, since: 0 })),
  });
  assert.equal(await stores.dialogs.home(newToken()), undefined);
});

test("joining says the last message number of the moment, and joining again records nothing", async () => {
  const { alice, rooms } = await newScene(stores, 2);
  const [room, other] = rooms;
  assert.ok(room && other);
  const by = recorder(alice);
  await journal.open(dialogRecord(by, me));
  const [, joined] = await Promise.all([
    journal.post(postEntry(by, room, "one")),
    journal.join(by, entering(rooms)),
  ]);
  assert.deepEqual(joined, [1, 0]);
  await journal.post(postEntry(by, room, "two"));
  assert.deepEqual(await journal.join(by, entering([room])), [2]);
  assert.deepEqual(await factsOf(room), ["CHAT", "JOIN", "CHAT"]);
  assert.deepEqual(await factsOf(other), ["JOIN"]);
});

test("of several rooms only those that changed are stale", async () => {
  const { alice, bob, rooms } = await newScene(stores, 2);
  const [changed, same] = rooms;
  assert.ok(changed && same);
  const by = recorder(alice);
  await journal.open(dialogRecord(by, me));
  await stores.administration.addRole(changed.id, bob.uri, "manager");
  assert.deepEqual(await journal.join(by, entering(rooms)), [STALE, 0]);
  assert.deepEqual(await factsOf(changed), []);
});

test("a dialog that is not there any more enters nothing", async () => {
  const { alice, rooms } = await newScene(stores);
  const by = recorder(alice);
  await assert.rejects(
    journal.join(by, entering(rooms)),
    (error) => error instanceof ChatError && error.code === "NOT_JOINED",
  );
  const [room] = rooms;
  assert.ok(room);
  assert.deepEqual(await factsOf(room), []);
});

test("leaving is recorded for rooms the dialog was in, and for no other", async () => {
  const { alice, rooms } = await newScene(stores, 2);
  const [room, never] = rooms;
  assert.ok(room && never);
  const by = recorder(alice);
  await journal.open(dialogRecord(by, me));
  await journal.join(by, entering([room]));
  await journal.part(by, rooms, "left");
  await journal.part(by, rooms, "left");
  assert.deepEqual(await factsOf(room), ["JOIN", "PART left"]);
  assert.deepEqual(await factsOf(never), []);
});

test("everything one dialog does in one go is recorded in that order", async () => {
  const { alice, rooms } = await newScene(stores);
  const [room] = rooms;
  assert.ok(room);
  const by = recorder(alice);
  const outcomes = await Promise.all([
    journal.open(dialogRecord(by, me)),
    journal.join(by, entering([room])),
    journal.post(postEntry(by, room, "hello")),
    journal.part(by, [room], "expelled"),
    journal.join(by, entering([room])),
    journal.end(by, me, "signed-off", false),
  ]);
  assert.deepEqual(outcomes[1], [0]);
  assert.deepEqual(outcomes[4], [1]);
  assert.equal(outcomes[5], true);
  assert.deepEqual(await factsOf(room), ["JOIN", "CHAT", "PART expelled", "JOIN", "PART signed-off"]);
  assert.equal(await stores.dialogs.home(by.token), undefined);
});

test("a lost endpoint's rooms are remembered, one that signed off is forgotten", async () => {
  const { alice, bob, rooms } = await newScene(stores, 3);
  for (const [user, remember] of [
    [alice, true],
    [bob, false],
  ] as const) {
    const by = recorder(user);
    await journal.open(dialogRecord(by, me));
    await journal.join(by, entering(rooms));
    assert.equal(await journal.end(by, me, remember ? "connection-lost" : "signed-off", remember), true);
  }
  assert.deepEqual((await stores.dialogs.remembered(alice.id, "epid01")).sort(), ids(rooms));
  assert.deepEqual(await stores.dialogs.remembered(alice.id, "another"), []);
  assert.deepEqual(await stores.dialogs.remembered(bob.id, "epid01"), []);
  const again = recorder(alice);
  await journal.open(dialogRecord(again, me));
  await journal.end(again, me, "signed-off", false);
  assert.deepEqual(await stores.dialogs.remembered(alice.id, "epid01"), []);
});

test("only its home ends a dialog, and only once", async () => {
  const { alice, rooms } = await newScene(stores);
  const [room] = rooms;
  assert.ok(room);
  const by = recorder(alice);
  await journal.open(dialogRecord(by, me));
  await journal.join(by, entering(rooms));
  assert.equal(await journal.end(by, "n9-9" as Incarnation, "connection-lost", true), false);
  assert.equal(await stores.dialogs.home(by.token), me);
  assert.equal(await journal.end(by, me, "connection-lost", true), true);
  assert.equal(await journal.end(by, me, "connection-lost", true), false);
  assert.deepEqual(await factsOf(room), ["JOIN", "PART connection-lost"]);
});

test("a new dialog of the same endpoint takes over the rooms of one that is away, without a PART and without a JOIN", async () => {
  const { alice, rooms } = await newScene(stores, 2);
  const [room, other] = rooms;
  assert.ok(room && other);
  const old = recorder(alice);
  const fresh = recorder(alice);
  const record = dialogRecord(old, me);
  const isAway = (awaySinceMs: number | null) => journal.flow(old.token, { ...record, awaySinceMs });
  const adopted = async () => {
    await journal.adopt(fresh, old.token);
    return (await stores.dialogs.rooms(fresh.token)).sort((a, b) => a.roomId - b.roomId);
  };
  await journal.open(record);
  await journal.open(dialogRecord(fresh, me));
  await journal.join(old, entering(rooms));
  await journal.post(postEntry(old, room, "hello"));
  assert.deepEqual(await adopted(), [], "it is not away");
  await isAway(Date.now());
  assert.deepEqual(await stores.dialogs.away(alice.id, "epid01"), [old.token]);
  await isAway(null);
  assert.deepEqual(await adopted(), [], "it came back");
  await isAway(Date.now());
  const theirs = [
    { roomId: room.id, mask, since: 1 },
    { roomId: other.id, mask, since: 0 },
  ];
  assert.deepEqual(await adopted(), theirs);
  assert.deepEqual(await adopted(), theirs, "it is gone");
  assert.equal(await journal.end(old, me, "connection-lost", true), false);
  assert.deepEqual(await stores.dialogs.away(alice.id, "epid01"), []);
  await journal.end(fresh, me, "session-expired", true);
  assert.deepEqual(await factsOf(room), ["JOIN", "CHAT", "PART session-expired"]);
  assert.deepEqual(await factsOf(other), ["JOIN", "PART session-expired"]);
});

test("a room that both dialogs of an endpoint are in when one adopts the other: each entry on record has its end", async () => {
  const { alice, rooms } = await newScene(stores, 2);
  const [both, one] = rooms;
  assert.ok(both && one);
  const [old, fresh] = [recorder(alice), recorder(alice)];
  await journal.open(dialogRecord(old, me, { awaySinceMs: Date.now() }));
  await journal.join(old, entering(rooms));
  await journal.open(dialogRecord(fresh, me));
  await journal.join(fresh, entering([both]));
  await journal.adopt(fresh, old.token);
  await journal.end(fresh, me, "signed-off", false);
  assert.deepEqual(await factsOf(both), ["JOIN", "JOIN", "PART connection-lost", "PART signed-off"]);
  assert.deepEqual(await factsOf(one), ["JOIN", "PART signed-off"]);
});

test("a dialog of somebody else, or of another endpoint, is never adopted", async () => {
  const { alice, bob, rooms } = await newScene(stores);
  const old = recorder(alice);
  await journal.open(dialogRecord(old, me, { awaySinceMs: Date.now() }));
  await journal.join(old, entering(rooms));
  for (const stranger of [recorder(bob), recorder(alice, "epid02")]) {
    await journal.open(dialogRecord(stranger, me));
    await journal.adopt(stranger, old.token);
    assert.deepEqual(await stores.dialogs.rooms(stranger.token), []);
  }
  assert.equal(await stores.dialogs.home(old.token), me);
});

test("reading is recorded in the node's own stream, densely, whatever else is refused", async () => {
  const own = await lab.open();
  const node = await own.leases.begin("reader");
  const reading = own.journal(node);
  const { alice, rooms } = await newScene(own);
  const [room] = rooms;
  assert.ok(room);
  const by = recorder(alice);
  const poison = recorder({ ...alice, id: 2 ** 40 });
  const span = { from: 1, to: 25, count: 25, limit: 50 };
  const all = Array.from({ length: 40 }, (_, n) =>
    n % 10 === 3 ? reading.post(postEntry(poison, room, "refused")) : reading.read(by, room, span),
  );
  assert.equal((await Promise.allSettled(all)).filter(({ status }) => status === "rejected").length, 4);
  const rows = await own.database.rows<{ stream_seq: number; body: Buffer }>(
    "SELECT stream_seq, body FROM compliance_outbox WHERE stream = ? ORDER BY stream_seq",
    [`read:${node}`],
  );
  assert.deepEqual(
    rows.map(({ stream_seq }) => stream_seq),
    Array.from({ length: 37 }, (_, index) => index + 1),
  );
  const body = JSON.parse(rows[1]?.body.toString("utf8") ?? "");
  assert.deepEqual([body.kind, body.detail, body.node], ["BACKCHAT", span, "reader"]);
});

test("post keys stay a day beyond their dialog and go with the sweep after that", async () => {
  let nowMs = Date.now();
  const own = await lab.open({ nowMs: () => nowMs });
  const node = await own.leases.begin("sweeper");
  const sweeping = own.journal(node);
  const { alice, rooms } = await newScene(own);
  const [room] = rooms;
  assert.ok(room);
  const by = recorder(alice);
  await sweeping.open(dialogRecord(by, node));
  const entry = postEntry(by, room, "once", { startBeforeMs: nowMs + 7 * 86_400_000 });
  await sweeping.post(entry);
  await sweeping.end(by, node, "connection-lost", true);
  const keys = () =>
    own.database.rows("SELECT number FROM post_key WHERE token = ?", [Buffer.from(by.token, "hex")]);
  nowMs += 86_400_000 - 1_000;
  await own.sweep();
  assert.equal((await keys()).length, 1);
  assert.deepEqual(await sweeping.post(entry).then((message) => message !== STALE && message.repeated), true);
  nowMs += 2_000;
  await own.sweep();
  assert.equal((await keys()).length, 0);
  assert.equal((await own.messages.latest(room.id, 10, 10)).length, 1, "messages stay");
});

test("entering very many rooms at once waits for none that is not among them", async () => {
  const { alice, rooms } = await newScene(stores, 2_000);
  const by = recorder(alice);
  await journal.open(dialogRecord(by, me));
  const entered = rooms.filter((_, index) => index % 2 === 0 || index < 400);
  const others = ids(rooms.filter((room) => !entered.includes(room)));
  const waits = async () => {
    const [row] = await stores.database.rows<{ Value: string }>(
      "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'",
    );
    return Number(row?.Value);
  };
  const holder = await createConnection({ uri: lab.url });
  try {
    await holder.beginTransaction();
    await holder.query("SELECT id FROM room FORCE INDEX (PRIMARY) WHERE id IN (?) FOR UPDATE", [others]);
    const before = await waits();
    const answers = await journal.join(by, entering(entered));
    assert.deepEqual([entered.length, new Set(answers)], [1_200, new Set([0])]);
    assert.equal((await waits()) - before, 0);
  } finally {
    holder.destroy();
  }
});
