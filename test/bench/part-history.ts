import { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { fillRooms } from "./bulk-messages.ts";
import type { Part, PartContext, PartResult } from "./part.ts";
import { withProfile } from "./profile.ts";
import { percentile, round, seededRandom } from "./statistics.ts";
import { openWorld, type WorldRoom } from "./world.ts";

const ROOMS = 2_000;
/** Messages in each room: 50,000 and 5,000,000 in all. */
const FEW = 25;
const MANY = 2_500;
const ASKED = 25;
const READERS = 4;
const WARM_UP_REQUESTS = 1_000;
const REQUESTS = 4_000;
const SEED = 5;

export const history: Part = {
  name: "history",
  about:
    "p95 of reading the last 25 messages of random rooms through SIP: at 50,000 stored messages / at 5,000,000",
  bar: 0.67,
  run,
};

async function run(context: PartContext): Promise<PartResult> {
  const world = await openWorld({
    inspectable: context.profileDir !== undefined,
    mariadb: { "innodb-buffer-pool-size": "1G", "innodb-log-file-size": "1G", "local-infile": "1" },
  });
  const readers: XccosEndpoint[] = [];
  try {
    const users = await world.addUsers(Array.from({ length: READERS }, (_, index) => `u${index}`));
    const everybody = users.map((_, place) => place);
    context.say(`making ${ROOMS} rooms`);
    const rooms = await world.addRooms(
      "History",
      users,
      Array.from({ length: ROOMS }, () => everybody),
    );
    const [author] = await world.sql<{ id: number }>("SELECT id FROM principal WHERE uri = ?", [
      users[0]?.address ?? "",
    ]);
    for (const { address, password } of users) {
      const port = world.stack.ports.sip;
      const reader = new XccosEndpoint({
        host: "127.0.0.1",
        port,
        address,
        password,
        timeoutMs: 30_000,
        keep: 0,
      });
      readers.push(reader);
      await reader.signIn();
    }
    const fill = async (have: number, each: number) => {
      const from = performance.now();
      await fillRooms(world, rooms, have, each, author?.id ?? 0);
      return (performance.now() - from) / 1_000;
    };
    const stage = async (have: number, each: number) => {
      context.say(`loading ${((each - have) * ROOMS).toLocaleString("en-US")} messages`);
      const seconds = await fill(have, each);
      const [count] = await world.sql<{ n: number }>("SELECT SUM(last_number) AS n FROM room");
      if (Number(count?.n) !== each * ROOMS)
        throw new Error(`${count?.n} messages instead of ${each * ROOMS}`);
      // Millions at once would be indexed for minutes beside the reading; part `search` measures that index.
      await world.sql(
        "INSERT INTO search_progress (room_id, number) SELECT id, last_number FROM room " +
          "ON DUPLICATE KEY UPDATE number = VALUES(number)",
      );
      context.say(`${WARM_UP_REQUESTS} requests to warm up, ${REQUESTS} that count`);
      await read(readers, rooms, WARM_UP_REQUESTS, SEED, each);
      const times = await withProfile(context, world, `history-${each}`, () =>
        read(readers, rooms, REQUESTS, SEED + 1, each),
      );
      return { seconds, times };
    };
    const few = await stage(0, FEW);
    const many = await stage(FEW, MANY);
    const p95 = (times: readonly number[]) => percentile(times, 0.95);
    return {
      ratio: p95(few.times) / p95(many.times),
      figures: {
        "50,000: p50, ms": round(percentile(few.times, 0.5), 2),
        "50,000: p95, ms": round(p95(few.times), 2),
        "50,000: p99, ms": round(percentile(few.times, 0.99), 2),
        "5,000,000: p50, ms": round(percentile(many.times, 0.5), 2),
        "5,000,000: p95, ms": round(p95(many.times), 2),
        "5,000,000: p99, ms": round(percentile(many.times, 0.99), 2),
        "readers, one request outstanding each": READERS,
        "loading 4,950,000 messages, s": round(many.seconds, 1),
      },
    };
  } finally {
    for (const reader of readers) reader.crash();
    await world.close();
  }
}

/** @returns milliseconds from the command to its reply, each @throws Error when a reply does not hold exactly the last 25 messages, in order */
async function read(
  readers: readonly XccosEndpoint[],
  rooms: readonly WorldRoom[],
  requests: number,
  seed: number,
  last: number,
): Promise<number[]> {
  const random = seededRandom(seed);
  const times: number[] = [];
  let left = requests;
  const work = async (reader: XccosEndpoint): Promise<void> => {
    while (left-- > 0) {
      const room = rooms[Math.floor(random() * rooms.length)]?.uri ?? "";
      const from = performance.now();
      const { code, messages } = await reader.history(room, ASKED);
      times.push(performance.now() - from);
      const numbers = messages.map(({ chatId }) => chatId);
      const right =
        numbers.length === ASKED && numbers.every((number, index) => number === last - ASKED + 1 + index);
      if (code !== 200 || !right || messages.some((message) => message.room !== room))
        throw new Error(
          `bccontext: ${code} with ${numbers.length} messages, ${numbers[0]} to ${numbers.at(-1)}`,
        );
    }
  };
  await Promise.all(readers.map(work));
  return times;
}
