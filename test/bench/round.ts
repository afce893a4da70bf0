import { median, round, spread } from "./statistics.ts";

/** One stretch of load: how many copies came, and what each process spent. */
export interface Round {
  readonly copies: number;
  readonly ms: number;
  readonly perSecond: number;
  /** CPU microseconds by process. */
  readonly cpu: Readonly<Record<string, number>>;
}

export function roundOf(copies: number, ms: number, cpu: Readonly<Record<string, number>>): Round {
  return { copies, ms, perSecond: (copies / ms) * 1_000, cpu };
}

/** Several rounds of the same thing as figures: median rate, spread, CPU per copy (or whatever was counted). */
export function figuresOf(name: string, unit: string, rounds: readonly Round[]): Record<string, number> {
  const figures: Record<string, number> = {
    [`${name}: ${unit}/s, median`]: round(median(rounds.map(({ perSecond }) => perSecond))),
    [`${name}: lowest`]: round(Math.min(...rounds.map(({ perSecond }) => perSecond))),
    [`${name}: highest`]: round(Math.max(...rounds.map(({ perSecond }) => perSecond))),
    [`${name}: spread, %`]: round(spread(rounds.map(({ perSecond }) => perSecond)) * 100, 1),
  };
  for (const process of Object.keys(rounds[0]?.cpu ?? {})) {
    const used = rounds.reduce((sum, { cpu }) => sum + (cpu[process] ?? 0), 0);
    const count = rounds.reduce((sum, { copies }) => sum + copies, 0);
    figures[`${name}: ${process}, CPU µs per ${unit.replace(/s$/, "").replace(/ie$/, "y")}`] = round(
      used / count,
      2,
    );
  }
  return figures;
}
