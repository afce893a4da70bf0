import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../ports.ts";

/** Milliseconds. */
const MOST_MS = 2;

/** The pace of one piece of long work that can wait: whatever else the node has to do has its turn every few milliseconds. */
export class Pace {
  private readonly clock: Pick<Clock, "monotonicMs">;
  private turnedMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.clock = clock;
  }

  /** To be awaited between portions of less than a millisecond. */
  async keep(): Promise<void> {
    if (this.clock.monotonicMs() - this.turnedMs >= MOST_MS) await this.turn();
  }

  /** Lets the others go first. */
  async turn(): Promise<void> {
    await turn();
    this.turnedMs = this.clock.monotonicMs();
  }
}
