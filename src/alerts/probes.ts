import type { StatsFs } from "node:fs";
import { statfs } from "node:fs/promises";
import type { AlertName, Finding } from "./alert.ts";
import { Lasting } from "./lasting.ts";
import type { Probe } from "./ports.ts";
import { DATABASE_AWAY_MS, REFUSED_MS } from "./times.ts";

/** A clock that is off by less is the time service's business. */
const CLOCK_OFF_MS = 30_000;
/** After a jump the clock is right again, as far as anybody here can tell: told for so long. */
const JUMP_TOLD_MS = 600_000;
const LEAST_SHARE = 0.05;
const LEAST_BYTES = 500e6;

/** The matter as soon as something has been away for so long. */
export function awayProbe(
  name: AlertName,
  subject: string,
  isThere: () => boolean,
  forMs: number,
  monotonicMs: () => number,
): Probe {
  const away = new Lasting(forMs, monotonicMs);
  return () =>
    away.see(!isThere()) ? [{ name, subject, detail: `for ${Math.round(away.lastedMs / 1_000)} s` }] : [];
}

/**
 * On a full disk the database answers, and changes what is there; what needs room is refused. The matter once that has been so for a while.
 * @param refused the first and the last refusal with nothing taken in between or since
 */
export function refusedProbe(
  subject: string,
  refused: () => { readonly firstMs: number; readonly lastMs: number } | undefined,
  monotonicMs: () => number,
): Probe {
  return () => {
    const { firstMs = 0, lastMs = 0 } = refused() ?? {};
    if (lastMs - firstMs < DATABASE_AWAY_MS || monotonicMs() - lastMs > REFUSED_MS) return [];
    const detail = `all refused for ${Math.round((lastMs - firstMs) / 1_000)} s`;
    return [{ name: "database-away", subject, detail }];
  };
}

/** How often something is tried, when that has failed for long enough, and when an attempt under way counts as a failure. */
export interface Attempts {
  readonly everyMs: number;
  readonly forMs: number;
  readonly lateMs: number;
}

/** Tries something by itself now and then, one attempt at a time: the matter is that it fails, or hangs. @param attempt throws why it failed */
export function triedProbe(
  { name, subject }: Pick<Finding, "name" | "subject">,
  attempt: () => Promise<void>,
  { everyMs, forMs, lateMs }: Attempts,
  monotonicMs: () => number,
): Probe {
  const failing = new Lasting(forMs, monotonicMs);
  let nextMs = monotonicMs();
  let begunMs: number | undefined;
  let why: string | undefined;
  return () => {
    const nowMs = monotonicMs();
    if (begunMs === undefined && nowMs >= nextMs) {
      begunMs = nowMs;
      nextMs = nowMs + everyMs;
      void attempt()
        .then(
          () => undefined,
          (error: unknown) => (error instanceof Error ? error.message : String(error)),
        )
        .then((outcome) => {
          begunMs = undefined;
          why = outcome;
        });
    }
    const hangsMs = begunMs === undefined ? 0 : nowMs - begunMs;
    const detail = hangsMs > lateMs ? `no answer for ${Math.round(hangsMs / 1_000)} s` : why;
    return failing.see(detail !== undefined) && detail !== undefined ? [{ name, subject, detail }] : [];
  };
}

/** What has happened and is over at once is told for a minute. */
const EVENT_TOLD_MS = 60_000;

/** @param happened since it was asked last */
export function eventProbe(
  finding: Finding,
  happened: () => Promise<boolean>,
  monotonicMs: () => number,
): Probe {
  let toldUntilMs: number | undefined;
  return async () => {
    if (await happened()) toldUntilMs = monotonicMs() + EVENT_TOLD_MS;
    return toldUntilMs !== undefined && monotonicMs() < toldUntilMs ? [finding] : [];
  };
}

/** Wall clock against monotonic clock: whoever sets it is found, in both directions. */
export function clockProbe(process: string, clock: { nowMs(): number; monotonicMs(): number }): Probe {
  const offset = () => clock.nowMs() - clock.monotonicMs();
  let believed = offset();
  let jumpedMs: number | undefined;
  return (): Finding[] => {
    const jump = offset() - believed;
    if (Math.abs(jump) <= CLOCK_OFF_MS) {
      believed += jump; // slewed: nobody's trouble
      jumpedMs = undefined;
      return [];
    }
    jumpedMs ??= clock.monotonicMs();
    if (clock.monotonicMs() - jumpedMs > JUMP_TOLD_MS) believed = offset();
    return [{ name: "clock-jumped", subject: process, detail: `set by ${Math.round(jump / 1_000)} s` }];
  };
}

/** This machine's clock against the database's. @param aheadMs undefined while it is not known */
export function clockFinding(process: string, aheadMs: number | undefined): Finding[] {
  if (aheadMs === undefined || Math.abs(aheadMs) <= CLOCK_OFF_MS) return [];
  const detail = `${Math.round(aheadMs / 1_000)} s ahead of the database's clock`;
  return [{ name: "clock-jumped", subject: `${process} and the database`, detail }];
}

/** Room for the archive's files. A folder that is not there is the adapter's trouble. */
export function diskProbe(folder: string): Probe {
  let asked: Promise<StatsFs | undefined> | undefined;
  return async () => {
    // One question at a time: each that gets no answer, from a lost network share for instance, keeps a thread of the process.
    asked ??= statfs(folder)
      .catch(() => undefined)
      .finally(() => {
        asked = undefined;
      });
    const known = await asked;
    if (!known) return [];
    const { bavail, blocks, bsize } = known;
    const free = bavail * bsize;
    if (free >= LEAST_BYTES && bavail >= LEAST_SHARE * blocks) return [];
    const share = ((100 * bavail) / Math.max(1, blocks)).toFixed(1);
    return [
      { name: "disk-nearly-full", subject: folder, detail: `${Math.round(free / 1e6)} MB (${share} %) left` },
    ];
  };
}
