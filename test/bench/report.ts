import type { PartReport } from "./part.ts";

/** One part as a table. */
export function tableOf({ part, ratio, bar, pass, figures, broken = [] }: PartReport, about: string): string {
  const width = Math.max(...Object.keys(figures).map((name) => name.length), 24);
  const lines = Object.entries(figures).map(([name, value]) => {
    const shown =
      typeof value === "number" ? value.toLocaleString("en-US", { maximumFractionDigits: 3 }) : value;
    return `  ${name.padEnd(width)}  ${shown.padStart(12)}`;
  });
  const verdict = `  ${"ratio (bar)".padEnd(width)}  ${`${ratio.toFixed(3)} (${bar})`.padStart(12)}  ${pass ? "passed" : "MISSED"}`;
  const rule = "-".repeat(width + 16);
  return [
    `${part}: ${about}`,
    rule,
    ...lines,
    rule,
    verdict,
    ...broken.map((what) => `  NOT KEPT: ${what}`),
    "",
  ].join("\n");
}

/** `{ part, ratio, bar, pass, figures }` on one line; a ratio that could not be measured is null. */
export function jsonLineOf({ part, ratio, bar, pass, figures, broken = [] }: PartReport): string {
  const line = {
    part,
    ratio: Number.isFinite(ratio) ? Math.round(ratio * 1_000) / 1_000 : null,
    bar,
    pass,
    figures: broken.length > 0 ? { ...figures, broken } : figures,
  };
  return `${JSON.stringify(line)}\n`;
}
