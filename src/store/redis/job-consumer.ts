import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "bullmq";
import { RedisConnection, type RedisSettings } from "./connection.ts";
import { maxIdsPerJob, queueName, queuePrefix, type WakeJob } from "./job-queue.ts";

/** Longest time BullMQ's blocking command waits inside Redis; the library's own limit must be above it. */
const blockSeconds = 5;
const libraryTimeoutMs = 20_000;
const closeLimitMs = 2_000;

/**
 * The worker's end of the queue: hands each job's ids to the handler. A job whose handler failed is gone, the sweeper
 * finds its rows. Waits and comes back when Redis is away; never throws.
 */
export class JobConsumer {
  readonly #redis: RedisConnection;
  readonly #handler: (eventIds: readonly string[]) => Promise<void>;
  readonly #concurrency: number;
  #worker: Worker<WakeJob> | undefined;
  #opening = false;
  #closed = false;
  #failed = 0;

  constructor(
    settings: RedisSettings,
    handler: (eventIds: readonly string[]) => Promise<void>,
    options: { concurrency?: number } = {},
  ) {
    // BullMQ's loop asks again at once when it is refused: with a connection that refuses while it is down it would spin for ever,
    // and nothing else of this process would get a turn, the reconnect included. So here, and only here, commands wait.
    this.#redis = new RedisConnection({ ...settings, libraryTimeoutMs, commandsWait: true });
    this.#handler = handler;
    // Many, since each waits until its rows have moved together with those of others.
    this.#concurrency = options.concurrency ?? 256;
  }

  start(): void {
    this.#redis.onState((connected) => {
      if (connected) void this.#open();
    });
    this.#redis.start();
  }

  /** Jobs that could not be read or whose handler failed. */
  get failed(): number {
    return this.#failed;
  }

  /** Lets jobs under way finish within two seconds, then ends. */
  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = undefined;
    const closing = worker?.close().catch(() => undefined);
    await Promise.race([closing, delay(closeLimitMs, undefined, { ref: false })]);
    this.#redis.close();
  }

  /** As for the queue: a worker whose first look at Redis failed never recovers, so it is made anew. */
  async #open(): Promise<void> {
    if (this.#worker !== undefined || this.#opening || this.#closed) return;
    this.#opening = true;
    const worker = new Worker<WakeJob>(queueName, async (job) => this.#run(job.data), {
      connection: this.#redis.raw,
      prefix: queuePrefix,
      concurrency: this.#concurrency,
      drainDelay: blockSeconds,
      runRetryDelay: 1_000,
      autorun: false,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    worker.on("error", () => undefined); // the connection tells its own troubles
    worker.on("failed", () => {
      this.#failed++;
    });
    try {
      await worker.waitUntilReady();
      if (this.#closed) throw new Error("too late");
      this.#worker = worker;
      worker.run().catch(() => this.#discard(worker));
    } catch {
      await this.#discard(worker);
    } finally {
      this.#opening = false;
    }
  }

  async #discard(worker: Worker<WakeJob>): Promise<void> {
    if (this.#worker === worker) this.#worker = undefined;
    await Promise.race([
      worker.close(true).catch(() => undefined),
      delay(closeLimitMs, undefined, { ref: false }),
    ]);
    if (this.#closed) return;
    await delay(1_000, undefined, { ref: false });
    if (this.#redis.connected) void this.#open();
  }

  async #run(data: unknown): Promise<void> {
    const ids = typeof data === "object" && data !== null && "ids" in data ? data.ids : undefined;
    if (!Array.isArray(ids) || ids.length > maxIdsPerJob) throw new Error("not a job of ours");
    const known = ids.filter((id): id is string => typeof id === "string" && /^[0-9a-f]{32}$/.test(id));
    await this.#handler(known);
  }
}
