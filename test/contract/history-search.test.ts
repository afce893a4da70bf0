import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Room } from "../../src/chat/room.ts";
import { authorTerm, termsOf } from "../../src/chat/search-words.ts";
import { SearchIndexer } from "../../src/store/mysql/search-indexer.ts";
import { SegmentBuilder, writeSegment } from "../../src/store/mysql/search-segment.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { seededRandom } from "../bench/statistics.ts";
import { type MysqlLab, newScene, postEntry, recorder, startMysqlLab } from "../support/mysql.ts";
import { randomCriteria, randomText } from "../support/random-search.ts";
import {
  bruteForce,
  historyQuery,
  type KnownMessage,
  numbersOf,
  putMessages,
} from "../support/search-lab.ts";

let lab: MysqlLab;
before(async () => {
  lab = await startMysqlLab();
});
after(() => lab.stop());

const START_MS = 1_790_000_000_000;
async function scene(stores: Stores, rooms: number) {
  const { alice, bob, rooms: made } = await newScene(stores, rooms);
  const known: KnownMessage[] = [];
  const say = async (random: () => number, count: number, among: readonly Room[] = made) => {
    const last = new Map<number, number>();
    for (const { roomId, number } of known) last.set(roomId, Math.max(number, last.get(roomId) ?? 0));
    const fresh = Array.from({ length: count }, () => {
      const room = among[Math.floor(random() * random() * among.length)] as Room;
      const author = random() < 0.8 ? alice : bob;
      const number = (last.get(room.id) ?? 0) + 1;
      last.set(room.id, number);
      return {
        roomId: room.id,
        number,
        author: author.uri,
        authorId: author.id,
        atMs: START_MS + known.length * 1_000 + Math.floor(random() * 5_000),
        text: randomText(random, known.length + number),
      };
    });
    await putMessages(stores, fresh);
    known.push(...fresh);
  };
  return { alice, bob, rooms: made, known, say };
}

/** Compares random searches with reading everything. @returns how many found something */
async function compare(
  stores: Stores,
  random: () => number,
  { alice, bob, rooms, known }: Awaited<ReturnType<typeof scene>>,
  searches: number,
): Promise<number> {
  let found = 0;
  for (let round = 0; round < searches; round++) {
    const criteria = randomCriteria(random, [alice.uri, bob.uri], known);
    const limit = criteria.limit ?? 1;
    const query = historyQuery(criteria, {
      counted: limit + 1 + Math.floor(random() * 300),
      most: random() < 0.3 ? 1 + Math.floor(random() * 40) : 10_000,
    });
    const among = random() < 0.5 ? rooms : rooms.filter(() => random() < 0.4);
    const ids = among.map(({ id }) => id).sort(() => random() - 0.5);
    const expected = bruteForce(known, criteria, query, ids);
    const got = await stores.search.find(query, ids);
    assert.deepEqual(numbersOf(got), expected, `round ${round}: ${JSON.stringify(criteria)}`);
    for (const { roomId, messages } of got.rooms)
      for (const { number, text, author, atMs } of messages) {
        const same = known.find((one) => one.roomId === roomId && one.number === number);
        assert.deepEqual([text, author, atMs], [same?.text, same?.author, same?.atMs]);
      }
    if (expected.length > 0) found += 1;
  }
  return found;
}

const levels = (stores: Stores) =>
  stores.database.rows<{ level: number; n: number }>(
    "SELECT level, COUNT(*) AS n FROM search_segment GROUP BY level ORDER BY level",
  );

test("a search finds exactly what reading every message finds: nothing indexed, partly, wholly, and merged", async () => {
  const stores = await lab.open();
  const random = seededRandom(3);
  const rooms = await scene(stores, 12);
  const indexer = new SearchIndexer(stores.database, stores.searchTail, 10);
  await rooms.say(random, 400);
  let found = await compare(stores, random, rooms, 60);
  assert.ok((await indexer.step()) !== "nothing");
  found += await compare(stores, random, rooms, 60);
  for (let round = 0; round < 25; round++) {
    await rooms.say(random, round % 2 === 0 ? 100 : 200);
    // Seals of some messages each, and merges that stand still in the middle.
    for (let steps = 0; steps < 7; steps++) await indexer.step();
    found += await compare(stores, random, rooms, 8);
  }
  const isMergedTwice = async () => (await levels(stores)).some(({ level }) => level === 2);
  for (let round = 0; round < 200 && !(await isMergedTwice()); round++) {
    await rooms.say(random, 40);
    while ((await indexer.step()) !== "nothing");
  }
  assert.ok(await isMergedTwice());
  found += await compare(stores, random, rooms, 200);
  assert.ok(found > 300, `${found} searches found something`);
});

test("a message is found as soon as it is stored, and not lost while the index is worked on", async () => {
  const stores = await lab.open();
  const other = await lab.open();
  const { alice, rooms } = await newScene(stores, 3);
  const me = await stores.leases.begin("searcher");
  const journal = stores.journal(me);
  const by = recorder(alice);
  let over = false;
  const indexing = [stores, other].map(async ({ database, searchTail }) => {
    const indexer = new SearchIndexer(database, searchTail, 5);
    while (!over) await indexer.step();
  });
  const stored: { roomId: number; number: number }[] = [];
  try {
    for (let round = 0; round < 150; round++) {
      const room = rooms[round % rooms.length] as Room;
      const message = await journal.post(postEntry(by, room, `word${round} 中${round % 10} stays`));
      assert.ok(message !== "stale");
      stored.push({ roomId: room.id, number: message.number });
      const earlier = Math.floor(round / 2);
      for (const one of [round, earlier]) {
        const { rooms: hits } = await stores.search.find(
          historyQuery({ text: `word${one}` }),
          rooms.map(({ id }) => id),
        );
        assert.deepEqual(
          hits.map(({ roomId, messages }) => ({ roomId, number: messages[0]?.number })),
          [stored[one]],
        );
      }
    }
  } finally {
    over = true;
    await Promise.all(indexing);
  }
  const { rooms: all } = await stores.search.find(
    historyQuery({ text: "stays", limit: 1_000 }),
    rooms.map(({ id }) => id),
  );
  assert.equal(
    all.reduce((sum, { messages }) => sum + messages.length, 0),
    150,
  );
});

test("a text that was changed is found when its message is indexed again, and one that is gone is not found any more", async () => {
  const stores = await lab.open();
  const { known, rooms, say, alice } = await scene(stores, 1);
  await say(seededRandom(4), 60);
  const indexer = new SearchIndexer(stores.database, stores.searchTail, 10);
  while ((await indexer.step()) !== "nothing");
  const room = rooms[0] as Room;
  const changed = { roomId: room.id, number: 5, authorId: alice.id, text: "entirely rewritten" };
  const builder = new SegmentBuilder();
  builder.add(room.id, 5, termsOf(changed.text).add(authorTerm(alice.id)));
  await stores.database.transaction(async (queries) => {
    await queries.change("UPDATE message SET text = ?, author_id = ? WHERE room_id = ? AND number = ?", [
      changed.text,
      alice.id,
      room.id,
      5,
    ]);
    await queries.change("DELETE FROM message WHERE room_id = ? AND number = ?", [room.id, 6]);
    await writeSegment(queries, builder);
  });
  const now = known
    .filter(({ number }) => number !== 6)
    .map((one) => (one.number === 5 ? { ...one, text: changed.text, author: alice.uri } : one));
  for (const text of ["rewritten", "the", known[4]?.text ?? "", known[5]?.text ?? ""]) {
    for (const authors of [[], [alice.uri]]) {
      const criteria = { text, match: "any", authors } as const;
      const query = historyQuery(criteria);
      assert.deepEqual(
        numbersOf(await stores.search.find(query, [room.id])),
        bruteForce(now, criteria, query, [room.id]),
      );
    }
  }
});

test("a search that runs out of time says of which rooms it does not know everything", async () => {
  const stores = await lab.open();
  const { rooms, say } = await scene(stores, 4);
  await say(seededRandom(5), 1_000);
  const ids = rooms.map(({ id }) => id);
  const query = historyQuery({ limit: 1_000 }, { deadlineMs: performance.now() + 500 });
  const slow = () => {
    while (performance.now() <= query.deadlineMs);
    return true;
  };
  const found = await stores.search.find({ ...query, matcher: { groups: [], matches: slow } }, ids);
  assert.equal(found.lastRoom, ids.at(-1));
  assert.equal(found.rooms[0]?.messages.length, 256, "what was read until then is shown");
  assert.ok(found.rooms.every(({ exceeded }) => exceeded));
});

test("so many searches wait that one more is refused, and every other is answered", async () => {
  const stores = await lab.open();
  const { rooms, say } = await scene(stores, 2);
  await say(seededRandom(6), 50);
  const ids = rooms.map(({ id }) => id);
  const all = await Promise.allSettled(
    Array.from({ length: 60 }, () => stores.search.find(historyQuery({ text: "the" }), ids)),
  );
  const refused = all.filter((one) => one.status === "rejected");
  assert.equal(refused.length, 60 - 34);
  for (const one of refused) assert.match(String(one.status === "rejected" && one.reason), /Busy/);
});
