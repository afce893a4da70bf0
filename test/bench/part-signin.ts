import { setTimeout as pause } from "node:timers/promises";
import { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { Inspector } from "./inspector.ts";
import { dealRooms, roomsByPlace } from "./neighbours.ts";
import type { Part, PartContext, PartResult } from "./part.ts";
import { withProfile } from "./profile.ts";
import { percentile, round } from "./statistics.ts";
import { openWorld, type World, type WorldRoom, type WorldUser } from "./world.ts";

const ENDPOINTS = 2_000;
const ROOMS_EACH = 24;
/** 2,000 rooms: as many as people. */
const SIZE = 24;
/** Sign-ins under way at the same time. */
const PARALLEL = 24;
const SEED = 24;
const BAR_BYTES = 30_000;
/** Joiners of the test with a receiver: all within the second in which notices are gathered. */
const JOINERS = 20;

export const signin: Part = {
  name: "signin",
  about:
    "memory of a signed-in session: 30 kB / (heap + external of 2,000 sessions, each in 24 of 2,000 rooms)",
  bar: 1,
  run,
};

async function run(context: PartContext): Promise<PartResult> {
  const world = await openWorld({ inspectable: true });
  const endpoints: XccosEndpoint[] = [];
  try {
    const users = await world.addUsers(
      Array.from({ length: ENDPOINTS + JOINERS + 1 }, (_, index) => `u${index}`),
    );
    // 2,000 people dealt into rooms of 24 would not come out even: 1,992 are, and the last eight join the first rooms.
    const even = ENDPOINTS - (ENDPOINTS % SIZE);
    const deal = dealRooms(even, ROOMS_EACH, SIZE, SEED);
    while (deal.length < ENDPOINTS) deal.push([]);
    for (let place = even; place < ENDPOINTS; place++)
      for (let room = 0; room < ROOMS_EACH; room++) deal[(place - even) * ROOMS_EACH + room]?.push(place);
    context.say(`making ${ENDPOINTS} rooms with ${ENDPOINTS * ROOMS_EACH} members`);
    const rooms = await world.addRooms("Room", users, deal);
    const byPlace = roomsByPlace(deal, ENDPOINTS);
    const inspector = await Inspector.open(world, "n1");
    // One who comes and goes: what is loaded and compiled once is not a session's.
    await warmUp(world, users, rooms, byPlace);
    const before = await inspector.memoryBytes();
    context.say(`signing in ${ENDPOINTS} endpoints`);
    const signedIn = await withProfile(context, world, "signin", () =>
      signInAll(world, users, endpoints, []),
    );
    context.say(`each joins ${ROOMS_EACH} rooms`);
    const joining = performance.now();
    const joinTimes = await joinAll(endpoints, (place) =>
      (byPlace[place] ?? []).flatMap((index) => rooms[index]?.uri ?? []),
    );
    const joinedMs = performance.now() - joining;
    await pause(3_000); // the last notices
    context.say("measuring memory");
    const after = await inspector.memoryBytes();
    const perSession = (after - before) / ENDPOINTS;
    const [stored] = await world.sql<{ n: number }>("SELECT COUNT(*) AS n FROM dialog_room");
    const due = byPlace.reduce((sum, list) => sum + list.length, 0);
    const violations = endpoints.flatMap((endpoint) => endpoint.violations);
    const notices = await noticesOfOneSecond(world, users.slice(ENDPOINTS));
    inspector.close();
    const broken = [
      ...(Number(stored?.n) === due ? [] : [`${due} joins acknowledged, ${stored?.n} stored`]),
      ...(violations.length === 0
        ? []
        : [`clients were sent what they may not be: ${violations.slice(0, 3).join("; ")}`]),
      ...(notices.infos === 1 && notices.joiners === JOINERS
        ? []
        : [`${JOINERS} joins of one second came as ${notices.infos} notices of ${notices.joiners}`]),
    ];
    return {
      ratio: BAR_BYTES / perSession,
      broken,
      figures: {
        "sign-ins/s (digest, lookup, pool dialog)": round(ENDPOINTS / (signedIn.ms / 1_000)),
        "sign-in p50, ms": round(percentile(signedIn.times, 0.5), 1),
        "sign-in p99, ms": round(percentile(signedIn.times, 0.99), 1),
        "bjoins/s (24 rooms each)": round(ENDPOINTS / (joinedMs / 1_000)),
        "bjoin p50, ms": round(percentile(joinTimes, 0.5), 1),
        "bjoin p99, ms": round(percentile(joinTimes, 0.99), 1),
        "heap + external without sessions, kB": round(before / 1_000),
        "heap + external with 2,000 sessions, kB": round(after / 1_000),
        "memory per session, bytes": round(perSession),
        [`notices for ${JOINERS} joins of one second`]: notices.infos,
        "joins acknowledged and stored": due,
      },
    };
  } finally {
    for (const endpoint of endpoints) endpoint.crash();
    await world.close();
  }
}

function endpointOf(world: World, user: WorldUser): XccosEndpoint {
  return new XccosEndpoint({
    host: "127.0.0.1",
    port: world.stack.ports.sip,
    address: user.address,
    password: user.password,
    timeoutMs: 30_000,
    keep: 100,
    bodies: "scan",
  });
}

async function warmUp(
  world: World,
  users: readonly WorldUser[],
  rooms: readonly WorldRoom[],
  byPlace: readonly number[][],
): Promise<void> {
  const endpoints: XccosEndpoint[] = [];
  await signInAll(world, users.slice(0, 100), endpoints, []);
  await joinAll(endpoints, (place) => (byPlace[place] ?? []).flatMap((index) => rooms[index]?.uri ?? []));
  await Promise.all(endpoints.map((endpoint) => endpoint.signOff()));
  const left = async () => Number((await world.sql<{ n: number }>("SELECT COUNT(*) AS n FROM dialog"))[0]?.n);
  for (let wait = 0; wait < 100 && (await left()) > 0; wait++) await pause(100);
  await pause(2_000);
}

async function signInAll(
  world: World,
  users: readonly WorldUser[],
  endpoints: XccosEndpoint[],
  times: number[],
) {
  const startedAt = performance.now();
  const count = Math.min(users.length, ENDPOINTS);
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const user = users[next];
      const place = next++;
      if (!user) return;
      const endpoint = endpointOf(world, user);
      endpoints[place] = endpoint;
      const from = performance.now();
      await endpoint.signIn();
      times.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return { ms: performance.now() - startedAt, times };
}

async function joinAll(
  endpoints: readonly XccosEndpoint[],
  roomsOf: (place: number) => readonly string[],
): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < endpoints.length) {
      const place = next++;
      const from = performance.now();
      const reply = await endpoints[place]?.bjoin(roomsOf(place));
      if (reply?.code !== 200 || reply.failed.length > 0)
        throw new Error(`a bjoin was answered ${reply?.code}, ${reply?.failed.length} refused`);
      times.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return times;
}

/** Somebody is in a room that nobody else is in; then twenty join it together. How many notices does that one get? */
async function noticesOfOneSecond(
  world: World,
  users: readonly WorldUser[],
): Promise<{ infos: number; joiners: number }> {
  const [room] = await world.addRooms("Meeting", users, [users.map((_, place) => place)]);
  const [receiver, ...joiners] = users.map((user) => endpointOf(world, user));
  if (!room || !receiver) throw new Error("the meeting was not made");
  try {
    for (const endpoint of [receiver, ...joiners]) await endpoint.signIn();
    await receiver.join(room.uri);
    await pause(2_500);
    const before = receiver.counts.infos;
    await Promise.all(joiners.map((endpoint) => endpoint.join(room.uri)));
    await pause(3_500);
    const seen = new Set(
      receiver.notices
        .filter((notice) => notice.room === room.uri)
        .flatMap(({ users: who }) => who.map(({ address }) => address)),
    );
    return { infos: receiver.counts.infos - before, joiners: seen.size };
  } finally {
    for (const endpoint of [receiver, ...joiners]) endpoint.crash();
  }
}
