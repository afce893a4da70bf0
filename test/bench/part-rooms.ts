import { Crowd } from "./crowd.ts";
import { closedLoop, openLoop, type Poster } from "./load.ts";
import { dealRooms, roomsByPlace } from "./neighbours.ts";
import type { Part, PartContext, PartResult } from "./part.ts";
import { FANOUT_OUTSTANDING, FANOUT_POSTERS } from "./part-fanout.ts";
import { withProfile } from "./profile.ts";
import { figuresOf, type Round } from "./round.ts";
import { median, round } from "./statistics.ts";
import { openWorld, type World } from "./world.ts";

export const PEOPLE = 500;
export const ROOMS = 200;
const ROOMS_EACH = 10;
const SIZE = 25;
const ROUNDS = 5;
const ROUND_MS = 5_000;
const WARM_UP_MS = 2_000;
const LATENCY_MS = 20_000;
const SEED = 25;

export const rooms: Part = {
  name: "rooms",
  about: "copies/s in 200 rooms of 25 on 500 connections, against one room of all 500 (as in fanout)",
  bar: 0.6,
  run,
};

/** 500 people, each in ten small rooms (and whatever `more` gives them); one member of each small room posts. */
export async function manyRooms(
  world: World,
  more: (place: number) => readonly { id: number; uri: string }[],
  names: readonly string[],
) {
  const users = await world.addUsers(names);
  const deal = dealRooms(PEOPLE, ROOMS_EACH, SIZE, SEED);
  const small = await world.addRooms("Small", users, deal);
  const byPlace = roomsByPlace(deal, PEOPLE);
  const posters: Poster[] = small.map(({ uri }, index) => ({ place: deal[index]?.[0] ?? 0, room: uri }));
  const crowd = new Crowd(world);
  const roomsOf = (place: number) => [
    ...(byPlace[place] ?? []).flatMap((index) => small[index] ?? []),
    ...more(place),
  ];
  return { users, posters, crowd, enter: () => crowd.open({ world, users, roomsOf }) };
}

export function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `u${index}`);
}

async function run(context: PartContext): Promise<PartResult> {
  const world = await openWorld({ inspectable: context.profileDir !== undefined });
  let leave = () => {};
  try {
    let big = { id: 0, uri: "" };
    const { users, posters, crowd, enter } = await manyRooms(world, () => [big], names(PEOPLE));
    leave = () => crowd.close();
    [big = big] = await world.addRooms("Big", users, [users.map((_, place) => place)]);
    context.say(`signing in ${PEOPLE} people, each into ${ROOMS_EACH} small rooms and the big one`);
    await enter();
    const loop = (by: readonly Poster[], ms: number, outstanding = 1) =>
      closedLoop({ world, crowd, posters: by, outstanding, ms, untilOwnCopy: true, counted: "copies" });
    const bigPosters = FANOUT_POSTERS.map((place) => ({ place, room: big.uri }));
    const asInFanout = (ms: number) => loop(bigPosters, ms, FANOUT_OUTSTANDING);
    await asInFanout(WARM_UP_MS);
    await loop(posters, WARM_UP_MS);
    const one: Round[] = [];
    const many: Round[] = [];
    for (let index = 0; index < ROUNDS; index++) {
      context.say(`round ${index + 1} of ${ROUNDS}`);
      const turns = [
        async () => one.push(await asInFanout(ROUND_MS)),
        async () =>
          many.push(await withProfile(context, world, `rooms-${index}`, () => loop(posters, ROUND_MS))),
      ];
      for (const turn of index % 2 === 0 ? turns : turns.reverse()) await turn();
    }
    const rate = median(many.map(({ perSecond }) => perSecond));
    const half = { crowd, posters, postsPerSecond: rate / SIZE / 2, ms: LATENCY_MS };
    context.say(`half that rate for ${LATENCY_MS / 1_000} s`);
    const alone = await openLoop({ ...half, seed: SEED + 1 });
    context.say("the same beside a room of 500 with a post each second");
    const beside = await openLoop({ ...half, seed: SEED + 2, beside: { place: 0, room: big.uri } });
    context.say("comparing the books");
    await crowd.verify(true);
    return {
      ratio: rate / median(one.map(({ perSecond }) => perSecond)),
      figures: {
        ...figuresOf("200 rooms of 25", "copies", many),
        ...figuresOf("one room of 500", "copies", one),
        "half rate: posts/s": round(alone.postsPerSecond, 1),
        "half rate: post to delivery p50, ms": round(alone.p50, 1),
        "half rate: post to delivery p99, ms": round(alone.p99, 1),
        "half rate, large room beside: p50, ms": round(beside.p50, 1),
        "half rate, large room beside: p99, ms": round(beside.p99, 1),
        "posts acknowledged, stored, recorded and delivered": crowd.posts,
      },
    };
  } finally {
    leave();
    await world.close();
  }
}
