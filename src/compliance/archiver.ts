import type { Clock } from "../ports.ts";
import { type ArchiveAdapter, runName } from "./adapter.ts";
import { deliveryOf } from "./delivery.ts";
import { findPoison } from "./poison.ts";
import {
  type ArchiveRun,
  type BatchLimits,
  type ComplianceWatch,
  type HandoverStore,
  type HeldLease,
  type Lease,
  LeaseLost,
} from "./ports.ts";

export interface ArchiverOptions {
  /** Lync's RunInterval: 1 minute to 30 days, 15 minutes when absent. */
  readonly runIntervalMs?: number;
  readonly limits?: BatchLimits;
  readonly leaseMs?: number;
}

export interface ArchiverParts {
  readonly store: HandoverStore;
  readonly adapter: ArchiveAdapter;
  readonly watch: ComplianceWatch;
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs">;
  /** Unlike any other archiver's. */
  readonly holder: string;
  /** Where it runs, as it is recorded. */
  readonly node: string;
}

export interface RunSummary {
  readonly delivered: number;
  readonly quarantined: number;
  /** Why it ended: nothing left, somebody else has the lease, the adapter failed or waits to be tried again. */
  readonly end: "empty" | "not-ours" | "failed" | "waiting" | "stopped";
}

const dayMs = 86_400_000;
/** Statements that read or write a batch have a limit of their own: this much passes in a fraction of it. */
const defaultLimits: BatchLimits = { maxEvents: 5_000, maxBodyBytes: 16 << 20 };
const maxBatches = 10_000;
const firstRetryMs = 5_000;
const maxRetryMs = 900_000;

/**
 * Hands the hand-over table to the adapter, batch by batch, and empties it. Exactly-once rests on three things: the batch
 * is fixed in the database before the first byte is written, its parts depend on nothing else, and rows go only together
 * with the batch.
 */
export class Archiver {
  readonly #store: HandoverStore;
  readonly #adapter: ArchiveAdapter;
  readonly #watch: ComplianceWatch;
  readonly #clock: ArchiverParts["clock"];
  readonly #holder: string;
  readonly #node: string;
  readonly #runIntervalMs: number;
  readonly #limits: BatchLimits;
  readonly #leaseMs: number;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<RunSummary> | undefined;
  #stopped = false;

  /** @throws RangeError when the interval is not between 1 minute and 30 days. */
  constructor({ store, adapter, watch, clock, holder, node }: ArchiverParts, options: ArchiverOptions = {}) {
    this.#store = store;
    this.#adapter = adapter;
    this.#watch = watch;
    this.#clock = clock;
    this.#holder = holder;
    this.#node = node;
    this.#runIntervalMs = options.runIntervalMs ?? 900_000;
    this.#limits = options.limits ?? defaultLimits;
    this.#leaseMs = options.leaseMs ?? 60_000;
    if (!(this.#runIntervalMs >= 60_000 && this.#runIntervalMs <= 30 * dayMs)) {
      throw new RangeError("The run interval is between 1 minute and 30 days");
    }
  }

  /** The time of the last run is in the database: neither a restart nor a second worker changes the rhythm. */
  start(): void {
    const lookMs = Math.min(this.#runIntervalMs / 4, 15_000);
    this.#timer = setInterval(() => void this.#look(), lookMs);
    this.#timer.unref();
    void this.#look();
  }

  /** Runs now whatever the interval and the back-off say, or joins the run under way. Never throws. */
  runNow(): Promise<RunSummary> {
    return this.#run(true);
  }

  /** Lets the batch in hand come to its end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  async #look(): Promise<void> {
    if (this.#stopped || this.#running !== undefined) return;
    try {
      const since = await this.#store.sinceLastRun(this.#adapter.name);
      const open = await this.#store.openRun(this.#adapter.name);
      const due =
        open === undefined ? since === undefined || since >= this.#runIntervalMs : open.waitMs === 0;
      // Begun after it was told to stop, it would leave its lease behind.
      if (due && !this.#stopped) await this.#run(false);
    } catch (error) {
      this.#watch.trouble("archive", error);
    }
  }

  #run(atOnce: boolean): Promise<RunSummary> {
    this.#running ??= this.#runUnderLease(atOnce).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #runUnderLease(atOnce: boolean): Promise<RunSummary> {
    const sum = { delivered: 0, quarantined: 0 };
    try {
      const lease = await this.#store.takeLease(this.#adapter.name, this.#holder, this.#leaseMs);
      if (lease === undefined) return { ...sum, end: "not-ours" };
      try {
        const end = await this.#runBatches(lease, atOnce, sum);
        if (end === "empty") await this.#store.noteRun(lease);
        return { ...sum, end };
      } finally {
        await this.#store.releaseLease(lease);
      }
    } catch (error) {
      this.#watch.trouble("archive", error);
      return { ...sum, end: error instanceof LeaseLost ? "not-ours" : "failed" };
    }
  }

  async #runBatches(
    lease: Lease,
    atOnce: boolean,
    sum: { delivered: number; quarantined: number },
  ): Promise<RunSummary["end"]> {
    const { name, configHash } = this.#adapter;
    for (let batch = 0; batch < maxBatches; batch++) {
      if (this.#stopped) return "stopped";
      const run =
        (await this.#store.openRun(name)) ??
        (await this.#store.beginRun(lease, this.#limits, configHash, (ids) => runName(configHash, ids)));
      if (run === undefined) return "empty";
      if (run.waitMs > 0 && !atOnce) return "waiting";
      try {
        await this.#deliver(lease, run, sum);
      } catch (error) {
        if (error instanceof LeaseLost) throw error;
        this.#watch.trouble("archive", error);
        const waitMs = Math.min(firstRetryMs * 2 ** Math.min(run.attempts, 20), maxRetryMs);
        await this.#store.postponeRun(lease, run, waitMs, nameOf(error));
        return "failed";
      }
    }
    return "empty";
  }

  async #deliver(
    lease: Lease,
    run: ArchiveRun,
    sum: { delivered: number; quarantined: number },
  ): Promise<void> {
    const { name: adapter, folder, configHash } = this.#adapter;
    let manifest = await folder.delivered(run.runId);
    if (manifest === undefined && run.configHash !== configHash) {
      // Half a batch under old settings must not be joined by a half under new ones.
      await folder.discard(run.runId);
      await this.#store.forgetRun(lease, run);
      return;
    }
    let eventIds = run.eventIds;
    if (manifest === undefined) {
      const rows = await this.#store.rows(run);
      const { files, events: fit, poison } = findPoison(this.#adapter, run.runId, rows);
      if (poison.length > 0) {
        await this.#store.quarantine(lease, run, poison);
        for (const { eventId, reason } of poison) this.#watch.quarantined(eventId, reason);
        sum.quarantined += poison.length;
      }
      eventIds = fit.map(({ eventId }) => eventId);
      const held = this.#held(lease);
      await held.check();
      if (fit.length > 0) {
        const whole = await this.#adapter.complete(files, fit, held);
        manifest = await folder.write(run.runId, whole, held);
      }
    }
    const { runId } = run;
    const about = { adapter, runId, node: this.#node, atMs: this.#clock.nowMs() };
    await this.#store.finishRun(lease, run, manifest && deliveryOf(manifest, eventIds, about));
    this.#watch.delivered(runId, eventIds.length);
    sum.delivered += eventIds.length;
  }

  #held(lease: Lease): HeldLease {
    let askedMs = this.#clock.monotonicMs();
    const check = async () => {
      await this.#store.renewLease(lease, this.#leaseMs);
      askedMs = this.#clock.monotonicMs();
    };
    const keep = async () => {
      if (this.#clock.monotonicMs() - askedMs >= this.#leaseMs / 12) await check();
    };
    return { keep, check };
  }
}

/** Class and code of an error: messages of strangers may hold what was said. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  const code = (error as NodeJS.ErrnoException).code; // errors of node:fs carry one
  return typeof code === "string" ? `${error.name} ${code}` : error.name;
}
