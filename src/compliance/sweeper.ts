import { ChatError } from "../chat/errors.ts";
import type { Clock } from "../ports.ts";
import type { Mover } from "./mover.ts";
import type { ComplianceWatch, OutboxStore } from "./ports.ts";

export interface SweeperOptions {
  readonly intervalMs?: number;
  /** Younger rows are left to their jobs; what comes from the future is not young, its node's clock is wrong. */
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
    const nowMs = this.#clock.nowMs();
    const young = { fromMs: nowMs - this.#minAgeMs, toMs: nowMs + this.#minAgeMs };
    let moved = 0;
    let after: string | null = null;
    try {
      for (let page = 0; page < maxPages && !this.#stopped; page++) {
        const ids: string[] = await this.#store.overdue(young, after, pageSize);
        if (ids.length > 0) moved += await this.#move(ids);
        if (ids.length < pageSize) break;
        after = ids.at(-1) ?? null;
      }
    } catch (error) {
      this.#watch.trouble("sweep", error);
    }
    return moved;
  }

  /** A row that cannot be moved does not keep those behind it: it is found by halving and passed over until the next sweep. */
  async #move(ids: readonly string[]): Promise<number> {
    try {
      return await this.#mover.move(ids);
    } catch (error) {
      if (error instanceof ChatError) throw error; // the database is away: for all of them
      this.#watch.trouble("sweep", error);
      if (ids.length === 1) return 0;
      const half = Math.ceil(ids.length / 2);
      return (await this.#move(ids.slice(0, half))) + (await this.#move(ids.slice(half)));
    }
  }
}
