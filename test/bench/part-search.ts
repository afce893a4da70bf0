import { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { cpuBetween, cpuMicroseconds } from "./cpu.ts";
import type { Part, PartContext, PartResult } from "./part.ts";
import { withProfile } from "./profile.ts";
import { type Answered, checkAll } from "./search-check.ts";
import { loadSearchData, type Segment } from "./search-load.ts";
import { type Kind, question } from "./search-questions.ts";
import { percentile, round, seededRandom } from "./statistics.ts";
import { openWorld, type World, type WorldRoom } from "./world.ts";

const ROOMS = 5_000;
const EACH = 1_000;
/** What indexing message after message leaves of five millions; the rest is for the node to index. */
const SEGMENTS: readonly Segment[] = [
  { level: 2, from: 1, to: 800 },
  { level: 1, from: 801, to: 850 },
  { level: 1, from: 851, to: 900 },
  { level: 1, from: 901, to: 948 },
];
const PEOPLE = 4;
/** One search outstanding each. */
const READERS = 2;
const WARM_UP_REQUESTS = 150;
const REQUESTS: Readonly<Record<Kind, number>> = { "one room": 2_000, "20 rooms": 500, "all rooms": 1_000 };
const KINDS = ["one room", "20 rooms", "all rooms"] as const;
const BAR_MS = 200;
const SEED = 11;

export const search: Part = {
  name: "search",
  about:
    "200 ms / p95 of searching in history through SIP at 5,000,000 messages in 5,000 rooms: of one room, of 20 and of all",
  bar: 1,
  run,
};

async function run(context: PartContext): Promise<PartResult> {
  const world = await openWorld({
    inspectable: context.profileDir !== undefined,
    mariadb: { "innodb-buffer-pool-size": "1G", "innodb-log-file-size": "1G", "local-infile": "1" },
  });
  const readers: XccosEndpoint[] = [];
  try {
    const users = await world.addUsers(Array.from({ length: PEOPLE }, (_, index) => `u${index}`));
    context.say(`making ${ROOMS} rooms`);
    const everybody = users.map((_, place) => place);
    const rooms = await world.addRooms(
      "Search",
      users,
      Array.from({ length: ROOMS }, () => everybody),
    );
    const people = await world.sql<{ id: number }>("SELECT id FROM principal WHERE uri IN (?) ORDER BY uri", [
      users.map(({ address }) => address),
    ]);
    context.say(`loading ${(ROOMS * EACH).toLocaleString("en-US")} messages and their index`);
    const loading = await loadSearchData(
      world,
      rooms,
      people.map(({ id }) => id),
      EACH,
      SEGMENTS,
    );
    context.say("indexing the last of them");
    const indexing = await indexRest(world, rooms);
    for (const { address, password } of users.slice(0, READERS)) {
      const options = { host: "127.0.0.1", port: world.stack.ports.sip, address, password };
      const reader = new XccosEndpoint({ ...options, timeoutMs: 30_000, keep: 0 });
      readers.push(reader);
      await reader.signIn();
    }
    const answered = new Map<Kind, Answered[]>();
    const cpu: Record<string, number> = {};
    for (const kind of KINDS) {
      context.say(`${REQUESTS[kind]} searches in ${kind}`);
      await ask(kind, readers, rooms, WARM_UP_REQUESTS, SEED);
      const before = cpuMicroseconds(world.pids());
      const all = await withProfile(context, world, `search-${kind.replace(" ", "-")}`, () =>
        ask(kind, readers, rooms, REQUESTS[kind], SEED + 1),
      );
      answered.set(kind, all);
      for (const [name, used] of Object.entries(cpuBetween(before, cpuMicroseconds(world.pids()))))
        cpu[`${kind}: ${name}, CPU ms per search`] = round(used / 1_000 / all.length, 2);
    }
    context.say("comparing what was found with reading everything");
    for (const [kind, all] of answered)
      checkAll(kind, all, { rooms, each: EACH, people: PEOPLE, messagesWith: loading.messagesWith });
    const worst = Math.max(...KINDS.map((kind) => percentile(timesOf(answered.get(kind)), 0.95)));
    return {
      ratio: BAR_MS / worst,
      figures: {
        ...Object.fromEntries(KINDS.flatMap((kind) => figuresOf(kind, answered.get(kind) ?? []))),
        ...cpu,
        "searches outstanding": READERS,
        ...(await sizes(world)),
        "loading messages, s": round(loading.messagesS),
        "loading the index, s": round(loading.indexS),
        ...indexing,
      },
    };
  } finally {
    for (const reader of readers) reader.crash();
    await world.close();
  }
}

function timesOf(answered: readonly Answered[] = []): number[] {
  return answered.map(({ ms }) => ms);
}

function figuresOf(kind: Kind, answered: readonly Answered[]): (readonly [string, number])[] {
  const names = [...new Set(answered.map(({ name }) => name))].sort();
  const figure = (name: string, rank: number, some: readonly Answered[]) =>
    [`${kind}${name}: p${rank}, ms`, round(percentile(timesOf(some), rank / 100), 1)] as const;
  return [
    ...[50, 95, 99].map((rank) => figure("", rank, answered)),
    [`${kind}: not all rooms told, %`, round(100 * share(answered, ({ reply }) => reply.unfinished), 1)],
    ...names.map((name) =>
      figure(
        `, ${name}`,
        95,
        answered.filter((one) => one.name === name),
      ),
    ),
  ];
}

function share<T>(list: readonly T[], which: (one: T) => boolean): number {
  return list.filter(which).length / list.length;
}

/** The node's own indexing, while nothing else goes on: what it costs a message is what it will cost every post. */
async function indexRest(world: World, rooms: readonly WorldRoom[]): Promise<Record<string, number>> {
  const waiting = async () => {
    const [row] = await world.sql<{ n: number }>(
      "SELECT CAST(SUM(r.last_number - p.number) AS UNSIGNED) AS n FROM room r JOIN search_progress p ON p.room_id = r.id",
    );
    return Number(row?.n ?? 0);
  };
  const before = cpuMicroseconds(world.pids());
  const from = performance.now();
  let asked = 0;
  // As posts come in, but faster: so that the segments are as small as they are then.
  for (let number = (SEGMENTS.at(-1)?.to ?? 0) + 1; number <= EACH; number++) {
    await world.sql("UPDATE room SET last_number = ?", [number]);
    asked += rooms.length;
    while ((await waiting()) >= 16_000) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const seconds = (performance.now() - from) / 1_000;
  const used = cpuBetween(before, cpuMicroseconds(world.pids()));
  return {
    "indexed by the node: messages": asked,
    "indexed by the node: messages/s": round(asked / seconds),
    "indexing, CPU µs of n1 per message": round((used.n1 ?? 0) / asked, 1),
    "indexing, CPU µs of mariadb per message": round((used.mariadb ?? 0) / asked, 1),
  };
}

async function sizes(world: World): Promise<Record<string, number>> {
  await world.sql("ANALYZE TABLE search_posting, message");
  const rows = await world.sql<{ name: string; bytes: number }>(
    "SELECT table_name AS name, data_length + index_length AS bytes FROM information_schema.tables " +
      "WHERE table_schema = DATABASE() AND table_name IN ('search_posting', 'message')",
  );
  return Object.fromEntries(rows.map(({ name, bytes }) => [`${name}, MB`, round(Number(bytes) / 1e6)]));
}

/** Asks them all. @returns what was answered, with milliseconds from the command to its reply */
async function ask(
  kind: Kind,
  readers: readonly XccosEndpoint[],
  rooms: readonly WorldRoom[],
  requests: number,
  seed: number,
): Promise<Answered[]> {
  const random = seededRandom(seed);
  const answered: Answered[] = [];
  let left = requests;
  const work = async (reader: XccosEndpoint): Promise<void> => {
    while (left-- > 0) {
      const asked = question(kind, rooms, random, { each: EACH, people: PEOPLE });
      const from = performance.now();
      const reply = await reader.searchHistory(asked.options);
      answered.push({ ...asked, reply, ms: performance.now() - from });
    }
  };
  await Promise.all(readers.map(work));
  return answered;
}
