import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { Publication } from "../../../src/chat/publication.ts";
import { NO_ACCESS } from "../../../src/chat/role.ts";
import { Envids } from "../../../src/delivery/envids.ts";
import { KeywordFilters } from "../../../src/delivery/keyword-filters.ts";
import type { Session } from "../../../src/session.ts";
import { encodeGrpchat } from "../../../src/xccos/grpchat.ts";
import { parseRoomUri } from "../../../src/xccos/uri.ts";
import { aRoom, aSession } from "../../support/sessions.ts";

const roomUri = (id: number) => `ma-chan://example.com/00000000-0000-4000-8000-00000000000${id}`;
const rooms = [1, 2].map((id) =>
  aRoom(id, { uri: roomUri(id), guid: parseRoomUri(roomUri(id))?.value ?? "" }),
);
const [hall, other] = [roomUri(1), roomUri(2)];

const properties = (given: Record<string, string>) =>
  Object.entries(given)
    .map(([name, value]) => `<property name="${name}">${value}</property>`)
    .join("");
const publication = (category: string, instance: number, given: Record<string, string>): Publication => ({
  category,
  instance,
  container: 0,
  version: 1,
  expireType: "static",
  publishedMs: 0,
  content: `<x><propertyList>${properties(given)}</propertyList></x>`,
});
const follows = (url: string) => publication("roomSetting", 1, { url });
const awaits = (instance: number, keywords: string, url?: string) =>
  publication("keywordFilter", instance, { name: `filter ${instance}`, keywords, ...(url ? { url } : {}) });

/** Filters of users in memory; `told` has what the notices say, `turns` how often others had a chance. */
function makeFilters(mostWords?: number) {
  const kept = new Map<number, { revision: number; publications: Publication[] }>();
  const here = new Map<number, Session>();
  const told: string[] = [];
  const errors: string[] = [];
  let nowMs = 0;
  const filters = new KeywordFilters(
    {
      publications: {
        revisions: async (users) =>
          new Map(users.flatMap((id) => (kept.has(id) ? [[id, kept.get(id)?.revision ?? 0] as const] : []))),
        find: async (id) => kept.get(id) ?? { revision: 0, publications: [] },
      },
      rooms: {
        find: async (_domain, guid) => rooms.find((room) => room.guid === guid),
        byIds: async (ids) => rooms.filter(({ id }) => ids.includes(id)),
        access: async (some) => some.map(() => ({ ...NO_ACCESS, inScope: true, member: true })),
      },
      users: { find: async (uri) => [...here.values()].find(({ user }) => user.uri === uri)?.user },
      sessions: {
        users: () => [...here.keys()],
        ofUser: (id) => [...here].filter(([userId]) => userId === id).map(([, session]) => session),
      },
      sender: {
        send: (body, dialogs) => {
          for (const [id, session] of here)
            if ([...dialogs].includes(session))
              for (const [, name, chatId] of body.matchAll(/<feed [^>]*name="([^"]+)" chatId="([0-9]+)"/g))
                told.push(`${id}: ${name} in ${chatId}`);
        },
      },
      envids: new Envids(),
      // Whatever is done takes a millisecond.
      clock: { monotonicMs: () => ++nowMs },
      onError: (error) => errors.push(String(error)),
    },
    mostWords,
  );
  let chatId = 0;
  return {
    filters,
    told,
    errors,
    /** The user is here, and this is what he keeps. */
    has: (id: number, ...publications: Publication[]) => {
      here.set(id, here.get(id) ?? aSession(`user${id}`, id));
      kept.set(id, { revision: (kept.get(id)?.revision ?? 0) + 1, publications });
    },
    leaves: (id: number) => here.delete(id),
    say: (roomId: 1 | 2, author: number, chat: string) => {
      chatId += 1;
      const sip = `sip:user${author}@example.com`;
      filters.overhear(
        roomId,
        encodeGrpchat({ chanUri: roomUri(roomId), author: sip, chatId, ts: 0, chat }, "grpchat"),
      );
      return chatId;
    },
    settled: async () => {
      let before = -1;
      for (let quiet = 0; quiet < 20; quiet = told.length === before ? quiet + 1 : 0) {
        before = told.length;
        await turn();
      }
      return told.splice(0);
    },
  };
}

/** How often others had their turn meanwhile. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const others = (async () => {
    for (; !isOver; turns++) await turn();
  })();
  try {
    await work();
  } finally {
    isOver = true;
  }
  await others;
  return turns;
}

test("filters that fit are told in one notice, in their order, to those who look in that room and did not write it", async () => {
  const { filters, has, say, settled, errors } = makeFilters();
  has(
    1,
    follows(hall),
    awaits(3, "valve pump"),
    awaits(5, "steht", other),
    awaits(8, "停 e-mail"),
    awaits(9, "no"),
  );
  has(2, follows(other), awaits(3, "pump"));
  has(3, awaits(4, "pump"));
  has(4, follows(hall));
  await filters.look();
  say(1, 9, "停电: the pump, 'steht'; e-mail me, pump");
  assert.deepEqual(await settled(), ["1: filter 3 in 1", "1: filter 8 in 1"]);
  say(1, 1, "the pump");
  assert.deepEqual(await settled(), []);
  say(2, 1, "pump steht");
  assert.deepEqual(await settled(), ["2: filter 3 in 3"]);
  say(2, 2, "pump steht");
  assert.deepEqual(await settled(), ["1: filter 3 in 4", "1: filter 5 in 4"]);
  assert.deepEqual(errors, []);
});

test("words that were changed are waited for no longer, nor those of who left", async () => {
  const { filters, has, leaves, say, settled } = makeFilters();
  for (const id of [1, 2, 3]) has(id, follows(hall), awaits(1, "pump c++"));
  await filters.look();
  has(1, follows(hall), awaits(1, "valve"));
  leaves(2);
  await filters.look();
  say(1, 9, "pump, c++ and valve");
  assert.deepEqual((await settled()).sort(), ["1: filter 1 in 1", "3: filter 1 in 1"]);
  say(1, 9, "pump, c++");
  assert.deepEqual(await settled(), ["3: filter 1 in 2"]);
});

test("many words of many users are read in portions, and looked for in portions after everybody has the message", async () => {
  const { filters, has, say, told, settled } = makeFilters();
  const users = Array.from({ length: 30 }, (_, at) => at + 1);
  const words = (user: number, filter: number) =>
    Array.from({ length: 20 }, (_, word) => `${word % 2 ? "@" : ""}u${user}f${filter}w${word}`).join(" ");
  for (const user of users)
    has(user, follows(hall), ...Array.from({ length: 50 }, (_, at) => awaits(at, words(user, at))));
  const reading = await turnsDuring(() => filters.look());
  assert.ok(reading > 500, `${reading} turns while 1,500 filters were read`);

  const looking = await turnsDuring(async () => {
    say(1, 99, `${"word @u9f0w1x ".repeat(2_000)} u7f3w2, @U8F49W19`);
    assert.deepEqual(told, [], "nothing is done before the message is on its way");
    for (let turns = 0; told.length < 2 && turns < 10_000; turns++) await turn();
  });
  assert.deepEqual((await settled()).sort(), ["7: filter 3 in 1", "8: filter 49 in 1"]);
  assert.ok(looking > 20, `${looking} turns while 26,000 characters were looked through`);
});

test("users beyond the words that a node has room for wait until there is room, and that is said once", async () => {
  const { filters, has, leaves, say, settled, errors } = makeFilters(10);
  for (let id = 1; id <= 16; id++) has(id, follows(hall), awaits(1, "pump valve"));
  await filters.look();
  say(1, 99, "pump");
  assert.equal((await settled()).length, 8, "as many as are read at once");
  await filters.look();
  assert.deepEqual(errors, ["Error: 8 users beyond 10 words are left out"]);
  for (let id = 1; id <= 8; id++) leaves(id);
  await filters.look();
  say(1, 99, "pump");
  assert.deepEqual((await settled()).length, 8);
  assert.equal(errors.length, 1);
});
