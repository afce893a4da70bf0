import { Queue } from "bullmq";
import type { ComplianceWaker } from "../../ports.ts";
import { RedisConnection, type RedisSettings } from "./connection.ts";

export const queueName = "parlance-compliance";
/** Keys of the queue start with this. */
export const queuePrefix = "parlance:{jobs}";
/** Ids in one job: about 9 kB. */
export const maxIdsPerJob = 256;
const maxPending = 1_000;

/** What a job carries: ids only, never what was said. */
export interface WakeJob {
  readonly ids: readonly string[];
}

/**
 * The producer of wake-up jobs. Nothing waits for it and nothing depends on it: what is dropped is counted and found by the
 * sweeper.
 */
export class ComplianceQueue implements ComplianceWaker {
  readonly #redis: RedisConnection;
  #queue: Queue<WakeJob> | undefined;
  #pending = 0;
  #dropped = 0;
  #closed = false;

  constructor(settings: RedisSettings) {
    this.#redis = new RedisConnection(settings);
  }

  start(): void {
    this.#redis.onState((connected) => {
      if (connected) void this.#open();
    });
    this.#redis.start();
  }

  announce(eventIds: readonly string[]): void {
    for (let start = 0; start < eventIds.length; start += maxIdsPerJob) {
      this.#add(eventIds.slice(start, start + maxIdsPerJob));
    }
  }

  /** Event ids that no job announced. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Jobs handed to Redis whose answer is outstanding. */
  get pending(): number {
    return this.#pending;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const queue = this.#queue;
    this.#queue = undefined;
    this.#redis.close();
    // BullMQ never closes a client it was handed, so this only ends its own bookkeeping.
    await queue?.close().catch(() => undefined);
  }

  #add(ids: readonly string[]): void {
    const queue = this.#queue;
    if (queue === undefined || !this.#redis.connected || this.#pending >= maxPending) {
      this.#dropped += ids.length;
      return;
    }
    this.#pending++;
    queue
      .add("moved", { ids }, { removeOnComplete: true, removeOnFail: true })
      .catch(() => {
        this.#dropped += ids.length;
      })
      .finally(() => {
        this.#pending--;
      });
  }

  /** BullMQ's queue is of no use once its first look at Redis has failed: it is made anew until one succeeded. */
  async #open(): Promise<void> {
    if (this.#queue !== undefined || this.#closed) return;
    const queue = new Queue<WakeJob>(queueName, {
      connection: this.#redis.raw,
      prefix: queuePrefix,
      streams: { events: { maxLen: 100 } },
      skipMetasUpdate: true,
    });
    queue.on("error", () => undefined); // the connection tells its own troubles
    try {
      await queue.waitUntilReady();
      if (this.#closed || this.#queue !== undefined) throw new Error("too late");
      this.#queue = queue;
    } catch {
      await queue.close().catch(() => undefined);
    }
  }
}
