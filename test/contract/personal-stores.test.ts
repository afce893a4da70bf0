import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatError } from "../../src/chat/errors.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { type MysqlLab, newScene, startMysqlLab } from "../support/mysql.ts";

let lab: MysqlLab;
let stores: Stores;

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
});
after(() => lab?.stop());

const LIMIT = 50_000;
const change = (instance: number, version: number, content: string | null = "<a/>") => ({
  category: "roomSetting",
  instance,
  container: 1,
  version,
  expireType: "static",
  content,
});

test("a read mark never goes back, whoever writes it last", async () => {
  const { alice, bob, rooms } = await newScene(stores, 2);
  const [first, second] = rooms.map(({ id }) => id);
  assert.ok(first && second);
  const mark = (userId: number, roomId: number, number: number) => ({ userId, roomId, number });
  await stores.readMarks.save([mark(alice.id, first, 5), mark(alice.id, second, 1), mark(bob.id, first, 2)]);
  await Promise.all([
    stores.readMarks.save([mark(alice.id, first, 3)]),
    stores.readMarks.save([mark(alice.id, first, 9)]),
    stores.readMarks.save([mark(alice.id, first, 7)]),
  ]);
  const read = await stores.readMarks.read(alice.id, [first, second, 4_000_000]);
  assert.deepEqual(
    [...read],
    [
      [first, { last: 0, read: 9, removed: 0 }],
      [second, { last: 0, read: 1, removed: 0 }],
    ],
  );
});

test("what was changed after a revision is told with what was removed, from the beginning only what stands", async () => {
  const { alice } = await newScene(stores);
  const { publications } = stores;
  assert.deepEqual(await publications.find(alice.id, 0), { revision: 0, publications: [] });
  await publications.publish(alice.id, [change(1, 0), change(2, 0)], LIMIT);
  await publications.publish(alice.id, [change(1, 1, null), change(3, 0)], LIMIT);
  const told = async (after: number) => {
    const found = await publications.find(alice.id, after);
    return [
      found.revision,
      ...found.publications.map(({ instance, version, content }) => `${instance} v${version} ${content}`),
    ];
  };
  assert.deepEqual(await told(0), [2, "2 v1 <a/>", "3 v1 <a/>"]);
  assert.deepEqual(await told(1), [2, "1 v2 null", "3 v1 <a/>"]);
  assert.deepEqual(await told(2), [2]);
  assert.deepEqual([...(await publications.revisions([alice.id, 4_000_000]))], [[alice.id, 2]]);
});

test("changes are made together or not at all", async () => {
  const { alice } = await newScene(stores);
  const { publications } = stores;
  await publications.publish(alice.id, [change(1, 0)], LIMIT);
  const late = await publications.publish(alice.id, [change(2, 0), change(1, 7), change(3, 1)], LIMIT);
  assert.deepEqual(late, {
    done: false,
    conflicts: [
      { index: 1, current: 1 },
      { index: 2, current: 0 },
    ],
  });
  const tooLarge = publications.publish(alice.id, [change(2, 0, `<a>${"x".repeat(LIMIT)}</a>`)], LIMIT);
  await assert.rejects(tooLarge, (error) => error instanceof ChatError && error.code === "LIMIT_EXCEEDED");
  const { revision, publications: standing } = await publications.find(alice.id, 0);
  assert.deepEqual([revision, standing.map(({ instance }) => instance)], [1, [1]]);
  // Twice the same in one document: the second replaces what the first has made.
  assert.equal(
    (await publications.publish(alice.id, [change(1, 1), change(1, 2, "<b/>")], LIMIT)).done,
    true,
  );
  assert.equal((await publications.find(alice.id, 0)).publications[0]?.content, "<b/>");
});

test("what was removed long ago is forgotten, so that nobody fills the table", async () => {
  const { alice } = await newScene(stores);
  const { publications } = stores;
  const instances = Array.from({ length: 150 }, (_, instance) => instance);
  for (let round = 0; round < 5; round++) {
    const made = instances.map((instance) => change(instance + round * 150, 0));
    assert.equal((await publications.publish(alice.id, made, LIMIT)).done, true);
    const gone = made.map(({ instance }) => change(instance, 1, null));
    assert.equal((await publications.publish(alice.id, gone, LIMIT)).done, true);
  }
  const [counted] = await stores.database.rows<{ rows: number; lowest: number }>(
    "SELECT COUNT(*) AS `rows`, MIN(instance) AS lowest FROM publication WHERE user_id = ?",
    [alice.id],
  );
  assert.equal(counted?.rows, 500);
  assert.ok((counted?.lowest ?? 0) >= 150, "the oldest went first");
});
