/** Tells how much of the work is done; without `all` nobody knows yet how much there is. */
export type ShowProgress = (what: string, done: number, all?: number) => void;

interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Nobody wants a bar for what is done before he has read it. */
const QUIET_MS = 2_000;
const REDRAW_MS = 100;
const WIDTH = 30;

/** A bar on a terminal, for what takes longer than two seconds; elsewhere nothing, so that logs and pipes stay clean. */
export function progressOn(
  terminal: Terminal,
  nowMs: () => number = () => performance.now(),
): { readonly show: ShowProgress; readonly clear: () => void } {
  const began = nowMs();
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    show: (what, done, all) => {
      const now = nowMs();
      if (terminal.isTTY !== true || now - began < QUIET_MS || now - drawn < REDRAW_MS) return;
      drawn = now;
      const line = all === undefined ? `${done} ${what}` : barOf(what, done, all);
      terminal.write(`\r\u001b[K${line.slice(0, Math.max(1, (terminal.columns ?? 80) - 1))}`);
    },
    clear: () => {
      if (drawn > Number.NEGATIVE_INFINITY) terminal.write("\r\u001b[K");
      drawn = Number.NEGATIVE_INFINITY;
    },
  };
}

function barOf(what: string, done: number, all: number): string {
  const share = all > 0 ? Math.min(1, done / all) : 1;
  const bar = "#".repeat(Math.round(share * WIDTH)).padEnd(WIDTH, ".");
  return `${what} [${bar}] ${String(Math.floor(share * 100)).padStart(3)}% (${done} of ${all})`;
}
