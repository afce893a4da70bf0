import { setTimeout as pause } from "node:timers/promises";
import { until } from "../support/until.ts";
import type { ChaosPool } from "./chaos-pool.ts";
import type { CrowdMember } from "./crowd-member.ts";
import type { ActRecord, Evidence, Excuses, PostRecord } from "./evidence.ts";
import { type ClientLogs, gather, lastNumbers, untilArchived } from "./gather.ts";
import { startLoad } from "./load.ts";
import { judge, some } from "./referee.ts";
import { actAnswerFaults } from "./referee-acts.ts";
import { type StrikeKind, strike } from "./strikes.ts";

/** Half of them posts; offered whatever is answered. */
export const ACTS_PER_SECOND = 160;
const ROLE_CHANGE_EVERY_MS = 1_500;
/** The last second may come again after a takeover; a busy machine makes a second longer. */
const REPEATS_MS = 2_000;
const LOST_AFTER_MS = 2_500;
const MAX_HEARINGS = 5;
const WHOLE_LIMIT_MS = 90_000;
/** Without Redis posts cross nodes within 2 s; generous, because the machine may be busy. */
const SLOWEST_WITHOUT_REDIS_MS = 6_000;

export interface RoundPlan {
  readonly kind: StrikeKind;
  readonly label: string;
  /** What people do in a second, together. */
  readonly perSecond: number;
  /** Decides when and what is struck; drawn from by nobody else, so that a seed strikes alike whatever the clients do. */
  readonly fate: () => number;
  /** Decides who posts where. */
  readonly random: () => number;
}

export interface RoundReport {
  readonly kind: StrikeKind;
  readonly what: string;
  readonly offered: number;
  readonly acknowledged: number;
  /** By kind: what was done besides posts, and of how much of it somebody was told that it is done. */
  readonly acts: Readonly<Record<string, { readonly asked: number; readonly answered: number }>>;
  /** Recorded while people were at it, in so many milliseconds. */
  readonly events: number;
  readonly loadMs: number;
  readonly refused: number;
  readonly copies: number;
  readonly takeovers: number;
  readonly returns: number;
  /** Longest time in which no post at all was acknowledged, milliseconds. */
  readonly silenceMs: number;
  /** Longest time from a 200 to a copy, milliseconds. */
  readonly slowestCopyMs: number;
  readonly tookMs: number;
  readonly faults: readonly string[];
}

/**
 * People come, talk, something is struck at a moment of the seed's choosing, and they go on talking until it has recovered. Then
 * the witnesses are heard. `earlier` are the posts of earlier rounds on this pool; this round's are added to it.
 */
export async function playRound(
  pool: ChaosPool,
  veterans: readonly CrowdMember[],
  earlier: PostRecord[],
  plan: RoundPlan,
): Promise<RoundReport> {
  const { lab, supervisor } = pool;
  const { kind, label, perSecond, fate, random } = plan;
  const actsBefore = pool.acts.length;
  const startedAt = performance.now();
  const takeoversBefore = await pool.takeovers();
  const newcomers = pool.newMembers("newcomers");
  const members = [...veterans, ...newcomers];
  const begin = await lastNumbers(lab);
  for (const veteran of veterans) veteran.turnPage(begin);
  await Promise.all(newcomers.map((newcomer) => newcomer.enter(begin)));
  const returnsBefore = sum(members, ({ returns }) => returns);

  const keeping = setInterval(() => {
    for (const member of members) member.keep();
  }, 100);
  const eventsBefore = await pool.recordedEvents();
  const loadStartedAt = performance.now();
  const load = startLoad(members, { perSecond, label, random });
  let changing = Promise.resolve();
  const administering = setInterval(() => {
    changing = changing.then(pool.changeRole);
  }, ROLE_CHANGE_EVERY_MS);
  let what = "";
  let struckAt = 0;
  try {
    await pause(500 + fate() * 1_500);
    struckAt = performance.now();
    what = await strike(kind, pool, fate);
    await until(
      "everything runs again and everybody is back",
      () => supervisor.complete && members.every(({ endpoint }) => endpoint.connected),
      WHOLE_LIMIT_MS,
    );
    await pause(1_000 + fate() * 500); // some normal life after it
  } finally {
    clearInterval(administering);
    // The commands that a dead node had taken are answered by nobody.
    await load.stop((await pool.takeovers()) > takeoversBefore ? LOST_AFTER_MS : WHOLE_LIMIT_MS);
    await changing;
    earlier.push(...load.posts);
  }
  const loadMs = performance.now() - loadStartedAt;
  const events = (await pool.recordedEvents()) - eventsBefore;
  const end = await lastNumbers(lab);
  // Who never gets everything is for the referee to name.
  await until("copies", () => members.every((member) => member.hasAll(end)), WHOLE_LIMIT_MS).catch(
    () => undefined,
  );
  clearInterval(keeping);
  await Promise.all(newcomers.map((newcomer) => newcomer.leave()));

  const seats = members.flatMap((member) => [...member.seats.values()]);
  const takeovers = (await pool.takeovers()) - takeoversBefore;
  const excuses: Excuses = {
    ...(takeovers > 0 ? { takeovers, repeatsFromMs: struckAt - REPEATS_MS } : {}),
    lostConnections: kind === "kamailio",
  };
  const evidence = await quietEvidence(pool, { posts: earlier, acts: pool.acts, seats });
  const acts = pool.acts.slice(actsBefore);
  const violations = members.flatMap(({ user, endpoint }) =>
    endpoint.violations.map((text) => `sent: ${user}: ${text}`),
  );
  const slowestCopyMs = slowestCopy(load.posts, evidence);
  const late = kind === "redis" && slowestCopyMs > SLOWEST_WITHOUT_REDIS_MS;
  return {
    kind,
    what,
    offered: load.posts.length,
    acknowledged: load.posts.filter(({ acknowledgedAt }) => acknowledgedAt !== undefined).length,
    acts: actCounts(acts),
    events,
    loadMs,
    refused: sum(load.posts, ({ answers }) => answers.filter((answer) => answer !== 200).length),
    copies: sum(seats, ({ live }) => live.flat().length),
    takeovers,
    returns: sum(members, ({ returns }) => returns) - returnsBefore,
    silenceMs: longestSilence(load.posts),
    slowestCopyMs,
    tookMs: performance.now() - startedAt,
    faults: [
      ...judge(evidence, excuses),
      ...some("answers", actAnswerFaults(acts, excuses)),
      ...violations,
      ...(late ? [`delivered: a copy came ${slowestCopyMs} ms after its 200`] : []),
    ],
  };
}

/** The witnesses are heard again when something was recorded while they were: a node's own word, or a command that nobody waits for any more. */
async function quietEvidence(pool: ChaosPool, logs: ClientLogs): Promise<Evidence> {
  for (let hearing = 1; ; hearing++) {
    await untilArchived(pool.lab);
    const events = await pool.recordedEvents();
    const evidence = await gather(pool.lab, logs);
    if (hearing === MAX_HEARINGS || (await pool.recordedEvents()) === events) return evidence;
  }
}

function actCounts(acts: readonly ActRecord[]): RoundReport["acts"] {
  const counts: Record<string, { asked: number; answered: number }> = {};
  for (const { kind, answer } of acts) {
    const { asked, answered } = counts[kind] ?? { asked: 0, answered: 0 };
    counts[kind] = { asked: asked + 1, answered: answered + (answer === 200 ? 1 : 0) };
  }
  return counts;
}

function slowestCopy(posts: readonly PostRecord[], { seats }: Evidence): number {
  const acknowledged = new Map(posts.map(({ text, acknowledgedAt }) => [text, acknowledgedAt]));
  let slowest = 0;
  for (const { live } of seats)
    for (const { text, atMs } of live.flat())
      slowest = Math.max(slowest, atMs - (acknowledged.get(text) ?? atMs));
  return Math.round(slowest);
}

function longestSilence(posts: readonly PostRecord[]): number {
  const times = posts.flatMap(({ acknowledgedAt }) => acknowledgedAt ?? []).sort((a, b) => a - b);
  return Math.round(Math.max(0, ...times.map((time, index) => time - (times[index - 1] ?? time))));
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
