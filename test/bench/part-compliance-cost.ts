import type { Crowd } from "./crowd.ts";
import { closedLoop, openLoop, type Poster } from "./load.ts";
import type { Part, PartContext, PartResult } from "./part.ts";
import { manyRooms, names, PEOPLE } from "./part-rooms.ts";
import { LONERS } from "./part-store.ts";
import { withProfile } from "./profile.ts";
import { figuresOf, type Round } from "./round.ts";
import { round } from "./statistics.ts";
import { openWorld, type World, type WorldRoom } from "./world.ts";

const WARM_UP_MS = 5_000;
/** Long enough for the archive's rhythm to show: its sweeper looks every five seconds. */
const MEASURED_MS = 20_000;
const LATENCY_MS = 10_000;
const SEED = 95;
/** Copies of one post there. */
const ROOM_SIZE = 25;
const LEAST = { rooms: 0.7, store: 0.5 };
/** A store at its least counts like rooms at theirs. */
const STORE_WEIGHT = LEAST.rooms / LEAST.store;

export const complianceCost: Part = {
  name: "compliance-cost",
  about:
    "rate with every event recorded and moved on, against compliance switched off: smaller of rooms and store × 1.4",
  bar: LEAST.rooms,
  run,
};

interface Side {
  readonly world: World;
  readonly crowd: Crowd;
  readonly small: readonly Poster[];
  readonly alone: readonly Poster[];
}

interface Measured {
  readonly round: Round;
  readonly outbox: { readonly before: number; readonly after: number };
}

async function run(context: PartContext): Promise<PartResult> {
  const sides: Partial<Record<"on" | "off", Side>> = {};
  const worlds: World[] = [];
  try {
    for (const which of ["on", "off"] as const) {
      context.say(`signing in ${PEOPLE} people with compliance ${which}`);
      const world = await openWorld({
        compliance: which === "on",
        worker: which === "on",
        inspectable: context.profileDir !== undefined,
      });
      worlds.push(world);
      sides[which] = await enter(world);
    }
    const { on, off } = sides;
    if (!on || !off) throw new Error("a side is missing");
    const figures: Record<string, number | string> = {};
    const broken: string[] = [];
    const ratios: Record<"rooms" | "store", number> = { rooms: 0, store: 0 };
    let half = 0;
    for (const load of ["rooms", "store"] as const) {
      // One side twice around the other, so that a machine that slows down or speeds up meanwhile is fair to both.
      const first = await measure(context, on, load, "on");
      const without = await measure(context, off, load, "off");
      const second = await measure(context, on, load, "on again");
      const counted = load === "rooms" ? "copies" : "posts";
      const rate = (first.round.perSecond + second.round.perSecond) / 2;
      ratios[load] = rate / without.round.perSecond;
      if (load === "rooms") half = rate / ROOM_SIZE / 2;
      Object.assign(figures, figuresOf(`${load}, on`, counted, [first.round, second.round]));
      Object.assign(figures, figuresOf(`${load}, off`, counted, [without.round]));
      figures[`${load}: on / off`] = round(ratios[load], 3);
      for (const [index, { round: measured, outbox }] of [first, second].entries()) {
        const oneSecond = measured.perSecond / (load === "rooms" ? ROOM_SIZE : 1); // events: one a post
        figures[`${load}, on, ${index + 1} of 2: outbox before / after`] =
          `${outbox.before} / ${outbox.after}`;
        if (outbox.after - outbox.before > oneSecond)
          broken.push(
            `${load}: the outbox grew from ${outbox.before} to ${outbox.after}, more than the ${round(oneSecond)} of one second`,
          );
      }
      if (ratios[load] < LEAST[load])
        broken.push(`${load} at ${round(ratios[load], 3)} of its rate, at least ${LEAST[load]}`);
    }
    context.say(`rooms at half of that rate, on, off, on and off, ${LATENCY_MS / 1_000} s each`);
    const p95: Record<"on" | "off", number[]> = { on: [], off: [] };
    for (const which of ["on", "off", "on", "off"] as const) {
      const { crowd, small } = which === "on" ? on : off;
      const seed = SEED + p95.on.length + p95.off.length;
      const seen = await openLoop({ crowd, posters: small, postsPerSecond: half, ms: LATENCY_MS, seed });
      p95[which].push(round(seen.p95, 1));
    }
    figures["rooms, half rate: posts/s"] = round(half);
    figures["rooms, half rate, on: post to delivery p95, ms"] = p95.on.join(" / ");
    figures["rooms, half rate, off: post to delivery p95, ms"] = p95.off.join(" / ");
    context.say("comparing the books");
    await on.crowd.verify(true);
    await off.crowd.verify(false);
    return { ratio: Math.min(ratios.rooms, ratios.store * STORE_WEIGHT), figures, broken };
  } finally {
    for (const side of [sides.on, sides.off]) side?.crowd.close();
    for (const world of worlds) await world.close();
  }
}

async function enter(world: World): Promise<Side> {
  let solo: readonly WorldRoom[] = [];
  const {
    users,
    posters,
    crowd,
    enter: signIn,
  } = await manyRooms(world, (place) => solo.slice(place, place + 1), names(PEOPLE));
  solo = await world.addRooms(
    "Alone",
    users,
    Array.from({ length: LONERS }, (_, place) => [place]),
  );
  await signIn();
  return { world, crowd, small: posters, alone: solo.map(({ uri }, place) => ({ place, room: uri })) };
}

async function measure(
  context: PartContext,
  { world, crowd, small, alone }: Side,
  load: "rooms" | "store",
  which: string,
): Promise<Measured> {
  context.say(`${load} with compliance ${which}, ${MEASURED_MS / 1_000} s`);
  let after = 0;
  const atEnd = async () => {
    after = await world.outboxRows();
  };
  const loop = (ms: number) =>
    load === "rooms"
      ? closedLoop({ world, crowd, posters: small, ms, untilOwnCopy: true, counted: "copies", atEnd })
      : closedLoop({ world, crowd, posters: alone, ms, untilOwnCopy: false, counted: "posts", atEnd });
  await loop(WARM_UP_MS);
  const before = await world.outboxRows();
  const measured = await withProfile(context, world, `compliance-${load}-${which}`.replaceAll(" ", "-"), () =>
    loop(MEASURED_MS),
  );
  return { round: measured, outbox: { before, after } };
}
