/**
 * What history costs in rooms of strict and of buffered categories, side by side: each reader asks for one after the other, in random
 * order. Run: npm run build && node --import tsx test/bench/reading.ts [requests of each] [posts per second beside it] [readers]
 * Prints one JSON line. What was recorded in the end is compared with what was read.
 */
import { performance } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { fillRooms } from "./bulk-messages.ts";
import { percentile, round, seededRandom } from "./statistics.ts";
import { openWorld, type WorldUser } from "./world.ts";

const [requests = 4_000, postsPerSecond = 0, readerCount = 4] = process.argv.slice(2).map(Number);
const ROOMS = 200;
const MESSAGES = 100;
const ASKED = 25;
const WARM_UP = 500;
const KINDS = ["strict", "buffered"] as const;

const world = await openWorld({ mariadb: { "local-infile": "1" } });
const endpoints: XccosEndpoint[] = [];
try {
  const users = await world.addUsers(Array.from({ length: readerCount + 1 }, (_, index) => `u${index}`));
  const signedIn = async ({ address, password }: WorldUser) => {
    const server = { host: "127.0.0.1", port: world.stack.ports.sip };
    const endpoint = new XccosEndpoint({ ...server, address, password, timeoutMs: 30_000, keep: 0 });
    endpoints.push(endpoint);
    await endpoint.signIn();
    return endpoint;
  };
  const everybody = users.map((_, place) => place);
  const make = (name: string, count: number) =>
    world.addRooms(
      name,
      users,
      Array.from({ length: count }, () => everybody),
    );
  const rooms = { strict: await make("strict", ROOMS), buffered: await make("buffered", ROOMS) };
  await world.administration.addCategory({
    name: "Buffered",
    allowed: [world.stack.domain],
    reading: "buffered",
  });
  for (const { uri } of rooms.buffered) await world.administration.changeRoom(uri, { category: "Buffered" });
  const [author] = await world.sql<{ id: number }>("SELECT id FROM principal WHERE uri = ?", [
    users[0]?.address ?? "",
  ]);
  await fillRooms(world, [...rooms.strict, ...rooms.buffered], 0, MESSAGES, author?.id ?? 0);
  const [noise] = await make("Noise", 1);
  const readers = await Promise.all(users.slice(0, readerCount).map(signedIn));
  const poster = await signedIn(users[readerCount] as WorldUser); // one more than there are readers
  await poster.join(noise?.uri ?? "");

  let posted = 0;
  let isOver = false;
  const post = async () => {
    const began = performance.now();
    const under = new Set<Promise<void>>();
    for (let number = 0; postsPerSecond > 0 && !isOver; number++) {
      const one = poster.post(noise?.uri ?? "", `post ${number}`).then((status) => {
        if (status === 200) posted += 1;
        under.delete(one);
      });
      under.add(one);
      await pause(Math.max(0, began + ((number + 1) * 1_000) / postsPerSecond - performance.now()));
    }
    await Promise.all(under);
  };
  const read = async (each: number, seed: number) => {
    const random = seededRandom(seed);
    const times = { strict: [] as number[], buffered: [] as number[] };
    let left = each * KINDS.length;
    const work = async (reader: XccosEndpoint) => {
      while (left-- > 0) {
        const kind = KINDS[Math.floor(random() * KINDS.length)] ?? "strict";
        const room = rooms[kind][Math.floor(random() * ROOMS)]?.uri ?? "";
        const from = performance.now();
        const { code, messages } = await reader.history(room, ASKED);
        times[kind].push(performance.now() - from);
        if (code !== 200 || messages.length !== ASKED)
          throw new Error(`${code} with ${messages.length} messages`);
      }
    };
    await Promise.all(readers.map(work));
    return times;
  };

  await read(WARM_UP, 1);
  const posting = post();
  const from = performance.now();
  const times = await read(requests, 2);
  const seconds = (performance.now() - from) / 1_000;
  isOver = true;
  await posting;
  const recordedReadings = async () => {
    const [row] = await world.sql<{ n: number }>(
      "SELECT COUNT(*) AS n FROM (SELECT event_id FROM compliance_outbox WHERE kind = 'BACKCHAT' UNION SELECT event_id FROM compliance_handover WHERE kind = 'BACKCHAT') AS recorded",
    );
    return Number(row?.n);
  };
  const wanted = (requests + WARM_UP) * KINDS.length;
  for (let look = 0; look < 100 && (await recordedReadings()) < wanted; look++) await pause(100);
  const figures = Object.fromEntries(
    KINDS.flatMap((kind) =>
      [0.5, 0.95, 0.99].map((share) => [
        `${kind} p${share * 100}, ms`,
        round(percentile(times[kind], share), 2),
      ]),
    ),
  );
  const readRate = round((requests * KINDS.length) / seconds);
  const recorded = await recordedReadings();
  const more = { readRate, postRate: round(posted / seconds), recorded, wanted };
  process.stdout.write(`${JSON.stringify({ ...figures, ...more })}\n`);
  if (recorded !== wanted) throw new Error(`${wanted} histories were answered, ${recorded} are on record`);
} finally {
  for (const endpoint of endpoints) endpoint.crash();
  await world.close();
}
