import type { ArchiveWatch, IntakeRow } from "./archive-ports.ts";

interface Missing {
  readonly stream: string;
  readonly streamSeq: number;
}

interface Open {
  missing: number;
  waiting: number;
  waitedMs: number;
  told: boolean;
}

const maxStreams = 10_000;

/** Knows which streams wait for a number, tells when that takes too long, and when it is over. */
export class GapWatch {
  readonly #watch: Pick<ArchiveWatch, "gap" | "gapClosed">;
  readonly #gapMs: number;
  readonly #open = new Map<string, Open>();

  constructor(watch: Pick<ArchiveWatch, "gap" | "gapClosed">, gapMs: number) {
    this.#watch = watch;
    this.#gapMs = gapMs;
  }

  /** A turn begins: what waits now is told anew. */
  begin(): void {
    for (const open of this.#open.values()) open.waiting = 0;
  }

  waits({ row, missing }: { readonly row: IntakeRow; readonly missing: number }): void {
    const open = this.#open.get(row.stream) ?? { missing, waiting: 0, waitedMs: 0, told: false };
    if (!this.#open.has(row.stream) && this.#open.size >= maxStreams) return;
    open.missing = missing;
    open.waitedMs = open.waiting === 0 ? row.waitedMs : Math.max(open.waitedMs, row.waitedMs);
    open.waiting += 1;
    this.#open.set(row.stream, open);
  }

  /** The turn has seen all that waits. @returns the numbers that are waited for */
  end(isSealed: (stream: string, streamSeq: number) => boolean): Missing[] {
    const missing: Missing[] = [];
    for (const [stream, open] of this.#open) {
      if (open.waiting === 0 || isSealed(stream, open.missing)) {
        this.#open.delete(stream);
        if (open.told) this.#watch.gapClosed(stream);
        continue;
      }
      missing.push({ stream, streamSeq: open.missing });
      if (open.told || open.waitedMs < this.#gapMs) continue;
      open.told = true;
      this.#watch.gap({ stream, missing: open.missing, waiting: open.waiting, waitedMs: open.waitedMs });
    }
    return missing;
  }
}
