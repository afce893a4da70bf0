import { Crowd } from "./crowd.ts";
import { openInserters } from "./insert-baseline.ts";
import { closedLoop, type Poster } from "./load.ts";
import type { Part, PartContext, PartResult } from "./part.ts";
import { withProfile } from "./profile.ts";
import { figuresOf, type Round } from "./round.ts";
import { median } from "./statistics.ts";
import { openWorld } from "./world.ts";

export const LONERS = 128;
const ROUNDS = 5;
const ROUND_MS = 5_000;
const WARM_UP_MS = 2_000;

export const store: Part = {
  name: "store",
  about:
    "posts/s of 128 people alone in their rooms, whole loop, against 128 connections doing one-row autocommit INSERTs",
  bar: 0.7,
  run,
};

async function run(context: PartContext): Promise<PartResult> {
  const world = await openWorld({ inspectable: context.profileDir !== undefined });
  const crowd = new Crowd(world);
  const inserters = await openInserters(world, LONERS);
  try {
    const users = await world.addUsers(Array.from({ length: LONERS }, (_, index) => `u${index}`));
    const rooms = await world.addRooms(
      "Alone",
      users,
      users.map((_, place) => [place]),
    );
    context.say(`signing in ${LONERS} people`);
    await crowd.open({ world, users, roomsOf: (place) => rooms.slice(place, place + 1) });
    const posters: Poster[] = rooms.map(({ uri }, place) => ({ place, room: uri }));
    const post = (ms: number) =>
      closedLoop({ world, crowd, posters, ms, untilOwnCopy: false, counted: "posts" });
    await post(WARM_UP_MS);
    await inserters.run(WARM_UP_MS);
    const posted: Round[] = [];
    const inserted: Round[] = [];
    for (let index = 0; index < ROUNDS; index++) {
      context.say(`round ${index + 1} of ${ROUNDS}`);
      const turns = [
        async () => posted.push(await withProfile(context, world, `store-${index}`, () => post(ROUND_MS))),
        async () => inserted.push(await inserters.run(ROUND_MS)),
      ];
      for (const turn of index % 2 === 0 ? turns : turns.reverse()) await turn();
    }
    await crowd.verify(true);
    const rate = (some: readonly Round[]) => median(some.map(({ perSecond }) => perSecond));
    return {
      ratio: rate(posted) / rate(inserted),
      figures: {
        ...figuresOf("Parlance", "posts", posted),
        ...figuresOf("INSERT", "rows", inserted),
        "posts acknowledged, stored, recorded and delivered": crowd.posts,
      },
    };
  } finally {
    crowd.close();
    await inserters.close();
    await world.close();
  }
}
