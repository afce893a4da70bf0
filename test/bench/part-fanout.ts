import { Crowd } from "./crowd.ts";
import { startImc } from "./imc.ts";
import { closedLoop, TEXT_LENGTH } from "./load.ts";
import type { Part, PartContext, PartResult } from "./part.ts";
import { withProfile } from "./profile.ts";
import { figuresOf, type Round } from "./round.ts";
import { median, round } from "./statistics.ts";
import { openWorld, type World, type WorldRoom, type WorldUser } from "./world.ts";

const MEMBERS = 500;
/** Spread over the members. */
export const FANOUT_POSTERS = [0, 125, 250, 375] as const;
/**
 * Posts of each that are under way. imc's members post again when they are answered, whatever is still to be sent. Ours wait for their
 * own copies: four each keep them from falling into step, so that there is something to send while a post is being committed.
 */
export const FANOUT_OUTSTANDING = 4;
const ROUNDS = 5;
const ROUND_MS = 5_000;
const WARM_UP_MS = 2_000;
/** What the copies' bodies have in common with ours: the size. The envelope takes about this much. */
const ENVELOPE_LENGTH = 320;

export const fanout: Part = {
  name: "fanout",
  about:
    "copies/s of the whole loop to 500 TCP members, store and compliance on, against Kamailio's imc to 500 UDP members",
  bar: 0.8,
  run,
};

async function run(context: PartContext): Promise<PartResult> {
  const imc = await startImc(MEMBERS);
  const world = await openWorld({ inspectable: context.profileDir !== undefined }).catch(
    async (error: unknown) => {
      await imc.stop();
      throw error;
    },
  );
  const crowd = new Crowd(world);
  const secure = new Crowd(world);
  try {
    const users = await world.addUsers(Array.from({ length: 2 * MEMBERS }, (_, index) => `u${index}`));
    const everybody = Array.from({ length: MEMBERS }, (_, index) => index);
    const [open, closed] = await world.addRooms("Fan-out", users, [
      everybody,
      everybody.map((place) => place + MEMBERS),
    ]);
    if (!open || !closed) throw new Error("the rooms were not made");
    context.say(`signing in ${MEMBERS} members over TCP`);
    await enter(crowd, world, users.slice(0, MEMBERS), open, false);
    const ours = (ms: number) => loop(world, crowd, open, ms);
    const body = "x".repeat(TEXT_LENGTH + ENVELOPE_LENGTH);
    const theirs = (ms: number) => imc.run(FANOUT_POSTERS.length, body, ms);
    await ours(WARM_UP_MS);
    await theirs(WARM_UP_MS);
    const rounds: { ours: Round[]; theirs: Round[] } = { ours: [], theirs: [] };
    for (let index = 0; index < ROUNDS; index++) {
      context.say(`round ${index + 1} of ${ROUNDS}`);
      for (const which of index % 2 === 0 ? (["ours", "theirs"] as const) : (["theirs", "ours"] as const))
        rounds[which].push(
          which === "ours"
            ? await withProfile(context, world, `fanout-${index}`, () => ours(ROUND_MS))
            : await theirs(ROUND_MS),
        );
    }
    context.say(`signing in ${MEMBERS} members over TLS`);
    await enter(secure, world, users.slice(MEMBERS), closed, true);
    await loop(world, secure, closed, WARM_UP_MS);
    const tls: Round[] = [];
    for (let index = 0; index < 2; index++) tls.push(await loop(world, secure, closed, ROUND_MS));
    await crowd.verify(true);
    await secure.verify(true);
    const rate = (some: readonly Round[]) => median(some.map(({ perSecond }) => perSecond));
    return {
      ratio: rate(rounds.ours) / rate(rounds.theirs),
      figures: {
        ...figuresOf("Parlance", "copies", rounds.ours),
        ...figuresOf("imc", "copies", rounds.theirs),
        "imc: copies sent again": imc.sink.repeats,
        ...figuresOf("Parlance over TLS", "copies", tls),
        "TLS to TCP": round(rate(tls) / rate(rounds.ours), 3),
        "posts acknowledged, stored, recorded and delivered": crowd.posts + secure.posts,
      },
    };
  } finally {
    crowd.close();
    secure.close();
    await world.close();
    await imc.stop();
  }
}

async function enter(
  crowd: Crowd,
  world: World,
  users: readonly WorldUser[],
  room: WorldRoom,
  tls: boolean,
): Promise<void> {
  await crowd.open({ world, users, roomsOf: () => [room], tls });
}

function loop(world: World, crowd: Crowd, room: WorldRoom, ms: number): Promise<Round> {
  const posters = FANOUT_POSTERS.map((place) => ({ place, room: room.uri }));
  return closedLoop({
    world,
    crowd,
    posters,
    outstanding: FANOUT_OUTSTANDING,
    ms,
    untilOwnCopy: true,
    counted: "copies",
  });
}
