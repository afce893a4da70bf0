import { cpSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seeded } from "../support/compliance-events.ts";
import { openChaosPool } from "./chaos-pool.ts";
import type { PostRecord } from "./evidence.ts";
import { lastNumbers } from "./gather.ts";
import { ACTS_PER_SECOND, playRound, type RoundReport } from "./round.ts";
import { needsSmallDisk, STRIKES, type StrikeKind } from "./strikes.ts";

/** One pool that is struck again and again, with half of the clients staying through all of it. */
export interface Campaign {
  /**
   * Rounds 1…`rounds` of one kind. When and what each strikes depends on seed, kind and number only, so one kind alone repeats
   * what it did among others.
   */
  play(kind: StrikeKind, rounds: number): Promise<RoundReport[]>;
  /** Copies all logs to where they outlive the pool. @returns the folder */
  keepLogs(): string;
  close(): Promise<void>;
}

/**
 * For strikes of these kinds. `report` is told one line for each strike and each fault.
 * @param perSecond what people do in a second, together
 */
export async function openCampaign(
  seed: number,
  kinds: readonly StrikeKind[],
  report: (line: string) => void,
  perSecond = ACTS_PER_SECOND,
): Promise<Campaign> {
  const pool = await openChaosPool({
    smallDisks: kinds.some(needsSmallDisk),
    databaseClock: kinds.includes("clock-mariadb"),
    mail: kinds.includes("mail"),
  });
  const posts: PostRecord[] = [];
  const veterans = pool.newMembers("veterans");
  try {
    const begin = await lastNumbers(pool.lab);
    await Promise.all(veterans.map((veteran) => veteran.enter(begin)));
  } catch (error) {
    await pool.close();
    throw error;
  }
  return {
    async play(kind, rounds) {
      const reports: RoundReport[] = [];
      for (let round = 1; round <= rounds; round++) {
        const course = seed * 1_009 + STRIKES.indexOf(kind) * 101 + round;
        const chance = { fate: seeded(course), random: seeded(~course) };
        const label = `${seed}-${kind}-${round}`;
        const done = await playRound(pool, veterans, posts, {
          kind,
          label,
          perSecond,
          ...chance,
        });
        reports.push(done);
        report(describe(round, done));
        for (const fault of done.faults) report(`    ${fault}`);
      }
      return reports;
    },
    keepLogs() {
      const kept = mkdtempSync(join(tmpdir(), "parlance-chaos-"));
      cpSync(join(pool.lab.stack.stateDir, "log"), kept, { recursive: true });
      return kept;
    },
    close: () => pool.close(),
  };
}

function describe(round: number, done: RoundReport): string {
  const {
    kind,
    what,
    offered,
    acknowledged,
    acts,
    events,
    loadMs,
    refused,
    copies,
    takeovers,
    returns,
    silenceMs,
    slowestCopyMs,
    tookMs,
  } = done;
  const others = Object.entries(acts).map(([act, { answered, asked }]) => `${act} ${answered} of ${asked}`);
  return (
    `${done.faults.length === 0 ? "ok  " : "FAIL"} ${kind} ${round}: ${what}; ${acknowledged} of ${offered} posts acknowledged, ` +
    `${others.join(", ")}; ${events} events recorded in ${(loadMs / 1_000).toFixed(1)} s: ${Math.round(events / (loadMs / 1_000))} a second; ` +
    `${refused} refusals, ${copies} copies, ${takeovers} takeovers, ${returns} came back, ` +
    `longest silence ${silenceMs} ms, slowest copy ${slowestCopyMs} ms, ` +
    `${(tookMs / 1_000).toFixed(1)} s`
  );
}
