import type { Clock } from "../ports.ts";
import type { Mover } from "./mover.ts";
import type { ComplianceWatch, OutboxStore } from "./ports.ts";

export interface SweeperOptions {
  readonly intervalMs?: number;
  /** Younger rows are left to their jobs. */
  readonly minAgeMs?: number;
}

const pageSize = 500;
/** 1,000,000 rows; then the timer begins from the oldest again. */
const maxPages = 2_000;

/**
 * Finds what no job announced. Each sweep begins at the oldest row there is: a mark kept between sweeps would step over
 * a row that commits late under a smaller id.
 */
export class Sweeper {
  readonly #store: OutboxStore;
  readonly #mover: Mover;
  readonly #watch: ComplianceWatch;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #intervalMs: number;
  readonly #minAgeMs: number;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<number> | undefined;
  #stopped = false;

  constructor(
    store: OutboxStore,
    mover: Mover,
    watch: ComplianceWatch,
    clock: Pick<Clock, "nowMs">,
    options: SweeperOptions = {},
  ) {
    this.#store = store;
    this.#mover = mover;
    this.#watch = watch;
    this.#clock = clock;
    this.#intervalMs = options.intervalMs ?? 5_000;
    this.#minAgeMs = options.minAgeMs ?? 10_000;
  }

  start(): void {
    this.#timer = setInterval(() => void this.sweep(), this.#intervalMs);
    this.#timer.unref();
  }

  /** One sweep, or the one under way. Never throws. @returns rows moved. */
  sweep(): Promise<number> {
    this.#sweeping ??= this.#sweepOnce().finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#sweeping;
  }

  async #sweepOnce(): Promise<number> {
    const beforeMs = this.#clock.nowMs() - this.#minAgeMs;
    let moved = 0;
    let after: string | null = null;
    try {
      for (let page = 0; page < maxPages && !this.#stopped; page++) {
        const ids: string[] = await this.#store.overdue(beforeMs, after, pageSize);
        if (ids.length > 0) moved += await this.#mover.move(ids);
        if (ids.length < pageSize) break;
        after = ids.at(-1) ?? null;
      }
    } catch (error) {
      this.#watch.trouble("sweep", error);
    }
    return moved;
  }
}
