import { setTimeout as pause } from "node:timers/promises";
import { cpuBetween, cpuMicroseconds } from "./cpu.ts";
import type { Crowd } from "./crowd.ts";
import { type Round, roundOf } from "./round.ts";
import { percentile, seededRandom } from "./statistics.ts";
import type { World } from "./world.ts";

export interface Poster {
  readonly place: number;
  readonly room: string;
}

/** Characters of a post: makes a copy's body about 600 bytes. */
export const TEXT_LENGTH = 290;

interface ClosedLoop {
  readonly world: World;
  readonly crowd: Crowd;
  readonly posters: readonly Poster[];
  /** Posts that each has outstanding; one unless given. */
  readonly outstanding?: number;
  readonly ms: number;
  /** The next post when the own copy has come, else when the post is acknowledged. */
  readonly untilOwnCopy: boolean;
  readonly counted: "copies" | "posts";
  /** Called when the time is over, while posts are still under way. */
  readonly atEnd?: () => Promise<void>;
}

/** Posts for `ms` and waits until the last copy has come. What comes after the time is not counted. */
export async function closedLoop(load: ClosedLoop): Promise<Round> {
  const { world, crowd, posters, outstanding = 1, ms, untilOwnCopy, counted } = load;
  const pids = world.pids();
  const before = { cpu: cpuMicroseconds(pids), at: performance.now(), count: crowd[counted] };
  const until = before.at + ms;
  const work = async ({ place, room }: Poster): Promise<void> => {
    while (performance.now() < until) await crowd.post(place, room, TEXT_LENGTH, untilOwnCopy);
  };
  const strands = posters.flatMap((poster) => Array.from({ length: outstanding }, () => poster));
  const posting = Promise.all(strands.map(work));
  await Promise.race([posting, pause(ms)]);
  await pause(Math.max(0, until - performance.now()));
  const count = crowd[counted] - before.count;
  const round = roundOf(count, performance.now() - before.at, cpuBetween(before.cpu, cpuMicroseconds(pids)));
  await load.atEnd?.();
  await posting;
  await crowd.settle();
  return round;
}

interface OpenLoop {
  readonly crowd: Crowd;
  /** Chosen from at random. */
  readonly posters: readonly Poster[];
  readonly postsPerSecond: number;
  readonly ms: number;
  readonly seed: number;
  /** Posts once a second beside them; its copies are not timed. */
  readonly beside?: Poster;
}

/** From the time a post was due to the arrival of each of its copies, milliseconds. */
export interface Latencies {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly copies: number;
  /** Acknowledged posts per second. */
  readonly postsPerSecond: number;
}

/** Posts at a fixed rate, whether or not the earlier ones have been answered: a slow server is not asked less. */
export async function openLoop({
  crowd,
  posters,
  postsPerSecond,
  ms,
  seed,
  beside,
}: OpenLoop): Promise<Latencies> {
  const random = seededRandom(seed);
  const latencies: number[] = [];
  crowd.watch = (_place, room, sentAtMs) => {
    if (room !== beside?.room) latencies.push(performance.now() - sentAtMs);
  };
  const before = crowd.posts;
  const startedAt = performance.now();
  const posts: Promise<void>[] = [];
  let failure: unknown;
  const send = (poster: Poster, dueAt: number) =>
    posts.push(
      crowd.post(poster.place, poster.room, TEXT_LENGTH, false, dueAt).catch((error: unknown) => {
        failure ??= error;
      }),
    );
  let due = 0;
  let seconds = 0;
  for (let now = startedAt; now - startedAt < ms && failure === undefined; now = performance.now()) {
    for (; (due / postsPerSecond) * 1_000 <= now - startedAt; due++) {
      const poster = posters[Math.floor(random() * posters.length)];
      if (poster) send(poster, startedAt + (due / postsPerSecond) * 1_000);
    }
    if (beside && now - startedAt >= seconds * 1_000) {
      seconds += 1;
      send(beside, now);
    }
    await pause(1);
  }
  const took = performance.now() - startedAt;
  await Promise.all(posts);
  if (failure !== undefined) throw failure;
  await crowd.settle();
  crowd.watch = undefined;
  return {
    p50: percentile(latencies, 0.5),
    p95: percentile(latencies, 0.95),
    p99: percentile(latencies, 0.99),
    copies: latencies.length,
    postsPerSecond: ((crowd.posts - before) / took) * 1_000,
  };
}
