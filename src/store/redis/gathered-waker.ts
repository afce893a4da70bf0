import type { ComplianceWaker } from "../../ports.ts";
import { maxIdsPerJob } from "./job-queue.ts";

/** Ids wait for others at most this long: nothing to an archive, much to Redis and the worker. */
const GATHER_MS = 100;

/**
 * The ids of many commits in one announcement. A job costs the same whether it carries one id or 256, and at a hundred posts a second
 * the jobs would cost more than the posts. What is not announced when the process ends is found by the sweeper.
 */
export class GatheredWaker implements ComplianceWaker {
  readonly #waker: ComplianceWaker;
  #ids: string[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(waker: ComplianceWaker) {
    this.#waker = waker;
  }

  announce(eventIds: readonly string[]): void {
    this.#ids.push(...eventIds);
    if (this.#ids.length >= maxIdsPerJob) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  /** Announces what waits, now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const ids = this.#ids;
    this.#ids = [];
    if (ids.length > 0) this.#waker.announce(ids);
  }
}
