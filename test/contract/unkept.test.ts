import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Room } from "../../src/chat/room.ts";
import type { User } from "../../src/chat/user.ts";
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
let one: Stores;
let journal: MysqlJournal;
/** Removes what has had its time so much later. */
let sweepIn: (ms: number) => Promise<number>;

before(async () => {
  lab = await startMysqlLab();
  one = await lab.open();
  let aheadMs = 0;
  const later = await lab.open({ nowMs: () => Date.now() + aheadMs });
  sweepIn = (ms) => {
    aheadMs = ms;
    return later.sweep();
  };
  journal = one.journal(await one.leases.begin("n1"));
});
after(() => lab.stop());

interface Scene {
  readonly alice: User;
  readonly bob: User;
  /** As it is now. */
  room(): Promise<Room>;
  keep(history: boolean): Promise<void>;
  say(...texts: string[]): Promise<number[]>;
}

/** A room whose category keeps no history. */
async function unkept(): Promise<Scene> {
  const { alice, bob, rooms } = await newScene(one);
  const [{ id = 0, categoryId = 0 } = {}] = rooms;
  const category = (await one.administration.listCategories()).find((known) => known.id === categoryId);
  const keep = async (chatHistory: boolean) =>
    void (await one.administration.changeCategory(category?.name ?? "", { chatHistory }));
  await keep(false);
  const room = async () => {
    const [found] = await one.rooms.byIds([id]);
    assert.ok(found);
    return found;
  };
  const say = async (...texts: string[]) => {
    const now = await room();
    const posts = texts.map((text) => journal.post(postEntry(recorder(alice), now, text)));
    return (await Promise.all(posts)).map((post) => (post === "stale" ? 0 : post.number));
  };
  return { alice, bob, room, keep, say };
}

const kept = async ({ id }: Room) => (await one.messages.latest(id, 100, 1_000)).map(({ text }) => text);
const delivered = async ({ id }: Room) => (await one.messages.range(id, 1, 1_000)).map(({ text }) => text);

test("what is not kept has its number, is there for delivery, is recorded, and is no message to read", async () => {
  const { room, keep, say } = await unkept();
  assert.deepEqual(await say("one", "two", "three"), [1, 2, 3]);
  const now = await room();
  assert.deepEqual([await delivered(now), await kept(now)], [["one", "two", "three"], []]);
  const [found] = await one.messages.range(now.id, 2, 2);
  assert.deepEqual([found?.number, found?.text, found?.alert], [2, "two", false]);
  const recorded = await one.database.rows<{ body: Buffer }>(
    "SELECT body FROM compliance_outbox WHERE room_id = ? AND kind = 'CHAT' ORDER BY stream_seq",
    [now.id],
  );
  assert.deepEqual(
    recorded.map(({ body }) => JSON.parse(body.toString("utf8")).detail.text),
    ["one", "two", "three"],
  );
  await keep(true);
  assert.deepEqual(await say("four"), [4]);
  assert.deepEqual([await kept(now), await delivered(now)], [["four"], ["one", "two", "three", "four"]]);
  assert.deepEqual(await one.database.rows("SELECT number FROM message WHERE room_id = ?", [now.id]), [
    { number: 4 },
  ]);
});

test("a post decided before the switch is decided again: nothing is kept by an old right to keep it", async () => {
  const { alice, room, keep } = await unkept();
  const before = await room();
  await keep(true);
  assert.equal(await journal.post(postEntry(recorder(alice), before, "old")), "stale");
  const kept = await room();
  await keep(false);
  assert.equal(await journal.post(postEntry(recorder(alice), kept, "old")), "stale");
});

test("a minute later its text is gone, its number is told as one that is gone, and a repeated post is still single", async () => {
  const { alice, room, say } = await unkept();
  const now = await room();
  const entry = postEntry(recorder(alice), now, "said twice");
  await journal.post(entry);
  await say("two");
  await sweepIn(50_000);
  assert.deepEqual(await delivered(now), ["said twice", "two"]);
  assert.deepEqual(await one.messages.removed(now.id, 1, 10), []);
  await sweepIn(61_000);
  await say("three");
  assert.deepEqual(await delivered(now), ["three"]);
  assert.deepEqual(await one.messages.removed(now.id, 1, 10), [1, 2]);
  const again = await journal.post(entry);
  assert.deepEqual(again === "stale" ? again : [again.number, again.repeated], [1, true]);
  assert.deepEqual(await say("four"), [4]);
});

test("dialogs of a node that died wait for it; once they are taken over it goes, and in a day in any case", async () => {
  const { alice, bob, room, say } = await unkept();
  const life = await one.leases.begin("n2");
  const dying = one.journal(life);
  const by = recorder(bob);
  await dying.open(dialogRecord(by, life));
  const now = await room();
  await dying.join(by, [{ room: now, mask: 3_984 }]);
  await journal.post(postEntry(recorder(alice), now, "for bob"));
  await one.database.change(
    "UPDATE node_lease SET expires_at = NOW(3) - INTERVAL 1 SECOND WHERE incarnation = ?",
    [life],
  );
  await sweepIn(23 * 3_600_000);
  assert.deepEqual(await delivered(now), ["for bob"]);
  await sweepIn(25 * 3_600_000);
  assert.deepEqual(await delivered(now), []);
  await say("for bob too");
  await sweepIn(61_000);
  assert.deepEqual(await delivered(now), ["for bob too"]);
  await dying.end(by, life, "left", false);
  await sweepIn(61_000);
  assert.deepEqual(await delivered(now), []);
  await dying.close();
});

test("unread counts only what is there to read, however often the switch was used", async () => {
  const { bob, room, keep, say } = await unkept();
  await say("1", "2");
  await say("3");
  await keep(true);
  await say("4", "5");
  await keep(false);
  await say("6");
  await say("7");
  await keep(true);
  await say("8");
  const { id } = await room();
  const spans = await one.database.rows<{ from_number: number; to_number: number }>(
    "SELECT from_number, to_number FROM unkept_span WHERE room_id = ? ORDER BY from_number",
    [id],
  );
  assert.deepEqual(
    spans.map(({ from_number, to_number }) => [from_number, to_number]),
    [
      [1, 3],
      [6, 7],
    ],
  );
  const unread = async () => {
    const { last = 0, read = 0, removed = 0 } = (await one.readMarks.read(bob.id, [id])).get(id) ?? {};
    return last - read - removed;
  };
  assert.equal(await unread(), 3);
  for (const [mark, left] of [
    [2, 3],
    [4, 2],
    [6, 1],
    [8, 0],
  ] as const) {
    await one.readMarks.save([{ userId: bob.id, roomId: id, number: mark }]);
    assert.equal(await unread(), left, `read up to ${mark}`);
  }
  assert.equal(await one.readMarks.removedAbove(id, 2), 3);
});

test("a room that is deleted leaves nothing of it, and one that keeps nothing is not inactive", async () => {
  const { room, say } = await unkept();
  const day = 86_400_000;
  const inactive = async () => {
    const now = Date.now();
    const report = await one.administration.report({
      fromMs: now - day,
      toMs: now + day,
      inactiveSinceMs: now - day,
    });
    return report.inactive.map(({ uri }) => uri);
  };
  const { uri, id } = await room();
  assert.ok((await inactive()).includes(uri));
  await say("alive");
  assert.ok(!(await inactive()).includes(uri));
  await one.administration.removeRoom(id);
  await sweepIn(0);
  for (const table of ["passing_message", "unkept_span", "room_audit"])
    assert.deepEqual(
      await one.database.rows(`SELECT room_id FROM ${table} WHERE room_id = ?`, [id]),
      [],
      table,
    );
});
