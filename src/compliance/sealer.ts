import type { Clock } from "../ports.ts";
import type { ArchiveStore, ArchiveWatch, CheckpointOutlet, IntakeRow } from "./archive-ports.ts";
import { LogMoved } from "./archive-ports.ts";
import { type CheckpointRhythm, Checkpoints } from "./checkpoints.ts";
import { GapWatch } from "./gap-watch.ts";
import type { SignedCheckpoint } from "./log/checkpoint.ts";
import type { Signer } from "./log/note.ts";
import { OpenLog, type Prepared } from "./open-log.ts";
import { type Lease, LeaseLost } from "./ports.ts";

export interface SealerOptions extends CheckpointRhythm {
  /** How often it looks for events when there were none. */
  readonly pollMs?: number;
  readonly leaseMs?: number;
  /** Events in one transaction. */
  readonly batch?: number;
  /** How long an event waits for one before it in its stream before that is a gap. */
  readonly gapMs?: number;
}

export interface SealerParts {
  readonly store: ArchiveStore;
  /** Asked at each checkpoint, so that a key that was changed is used from then on. */
  readonly signer: () => Promise<Signer>;
  readonly outlets: readonly CheckpointOutlet[];
  readonly watch: ArchiveWatch;
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs">;
  /** Unlike any other sealer's. */
  readonly holder: string;
  /** Moves rows of the outbox that somebody waits for. */
  readonly fetch: (eventIds: readonly string[]) => Promise<unknown>;
}

export interface SealSummary {
  readonly sealed: number;
  /** Why it ended: all that can be is sealed, somebody else has the lease, something failed, the log does not fit to its checkpoint. */
  readonly end: "done" | "not-ours" | "failed" | "broken" | "stopped";
}

interface Page {
  readonly rows: readonly IntakeRow[];
  /** Nothing more waited behind it. */
  readonly isLast: boolean;
}

const minBatch = 8;
/** Pages of events that wait for others, read in one turn. */
const maxPages = 10_000;

/**
 * Puts what waits in the intake into the log: one sealer at a time, batch by batch, each stream in its order without a gap.
 * Every write carries the lease's epoch: a sealer that was paused past its lease writes nothing.
 */
export class Sealer {
  readonly #parts: SealerParts;
  readonly #pollMs: number;
  readonly #leaseMs: number;
  readonly #gaps: GapWatch;
  readonly #checkpoints: Checkpoints;
  readonly #maxBatch: number;
  #batch: number;
  #lease: Lease | undefined;
  #leasedAtMs = 0;
  #log: OpenLog | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<SealSummary> | undefined;
  #stopped = false;

  constructor(parts: SealerParts, options: SealerOptions = {}) {
    this.#parts = parts;
    this.#pollMs = options.pollMs ?? 500;
    this.#leaseMs = options.leaseMs ?? 15_000;
    this.#maxBatch = options.batch ?? 1_000;
    this.#batch = this.#maxBatch;
    this.#gaps = new GapWatch(parts.watch, options.gapMs ?? 60_000);
    this.#checkpoints = new Checkpoints(parts, options);
  }

  start(): void {
    const look = async () => {
      const beganMs = this.#parts.clock.monotonicMs();
      const { sealed } = await this.#run(false);
      const tookMs = this.#parts.clock.monotonicMs() - beganMs;
      // What only waits for others is read again and again: the more of it there is, the more seldom.
      const restMs = sealed === 0 ? Math.min(4 * tookMs, this.#leaseMs / 3) : 0;
      if (!this.#stopped) this.#timer = setTimeout(() => void look(), Math.max(this.#pollMs, restMs));
    };
    void look();
  }

  /** Seals what can be sealed and makes a checkpoint of it, or joins the turn under way first. Never throws. */
  async sealNow(): Promise<SealSummary> {
    await this.#running;
    return this.#run(true);
  }

  /** Lets the batch in hand come to its end, makes a last checkpoint and lets the lease go. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
    const lease = this.#lease;
    if (!lease) return;
    try {
      if (this.#log) await this.#checkpoints.make(lease, this.#log, true);
      await this.#parts.store.releaseLease(lease);
    } catch (error) {
      this.#parts.watch.trouble("seal", error);
    }
    this.#lease = undefined;
  }

  #run(atOnce: boolean): Promise<SealSummary> {
    this.#running ??= this.#turn(atOnce).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #turn(atOnce: boolean): Promise<SealSummary> {
    const sum = { sealed: 0 };
    try {
      const lease = await this.#hold();
      if (!lease) return this.#notOurs(sum);
      if (!this.#log) {
        this.#log = await OpenLog.open(this.#parts.store);
        const why = await this.#log.doubt(await keptOutside(this.#parts));
        if (why !== undefined) {
          this.#log = undefined;
          this.#parts.watch.broken(why);
          return { ...sum, end: "broken" };
        }
        this.#parts.watch.whole();
      }
      await this.#sealAll(lease, this.#log, sum);
      await this.#checkpoints.make(lease, this.#log, atOnce);
      return { ...sum, end: this.#stopped ? "stopped" : "done" };
    } catch (error) {
      this.#log = undefined;
      this.#batch = Math.max(minBatch, Math.floor(this.#batch / 4));
      if (error instanceof LeaseLost) this.#lease = undefined;
      this.#parts.watch.trouble("seal", error);
      return error instanceof LeaseLost ? this.#notOurs(sum) : { ...sum, end: "failed" };
    }
  }

  #notOurs(sum: { sealed: number }): SealSummary {
    this.#parts.watch.notOurs();
    return { ...sum, end: "not-ours" };
  }

  async #hold(): Promise<Lease | undefined> {
    const { store, holder, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (!this.#lease) {
      this.#log = undefined;
      this.#lease = await store.takeLease(holder, this.#leaseMs);
    } else if (nowMs - this.#leasedAtMs > this.#leaseMs / 3)
      await store.renewLease(this.#lease, this.#leaseMs);
    else return this.#lease;
    this.#leasedAtMs = nowMs;
    return this.#lease;
  }

  /** From the front, again while that brings something: what waits for another event stays and is passed over. */
  async #sealAll(lease: Lease, log: OpenLog, sum: { sealed: number }): Promise<void> {
    let fetched = false;
    for (let before = -1; before !== sum.sealed && !this.#stopped; ) {
      before = sum.sealed;
      this.#gaps.begin();
      await this.#sealPages(lease, log, sum);
      const missing = this.#gaps.end((stream, streamSeq) => log.isSealed(stream, streamSeq));
      if (missing.length === 0) return;
      const there = await this.#parts.store.inOutbox(missing);
      if (there.length === 0 || fetched) continue;
      fetched = true;
      await this.#parts.fetch(there);
      before = -1;
    }
  }

  /**
   * A page is read and made into leaves while the one before it is written; written is one after the other. A page that cannot be
   * written ends the turn, and what builds on it goes with the log that is open.
   */
  async #sealPages(lease: Lease, log: OpenLog, sum: { sealed: number }): Promise<void> {
    let writing = Promise.resolve();
    let reading = this.#read(null);
    try {
      for (let page = 0; page < maxPages && !this.#stopped; page++) {
        const { rows, isLast } = await reading;
        const after = rows.at(-1)?.eventId;
        if (after !== undefined && !isLast) reading = this.#read(after);
        const prepared = await log.prepare(rows);
        for (const waiting of prepared.waiting) this.#gaps.waits(waiting);
        await writing;
        writing = this.#write(lease, log, prepared, sum);
        writing.catch(() => undefined); // thrown below
        if (isLast) return;
      }
    } finally {
      await reading.catch(() => undefined);
      await writing;
    }
  }

  /** An error is told to whoever waits for the page. */
  #read(after: string | null): Promise<Page> {
    const asked = this.#batch;
    const page = this.#parts.store
      .intake(after, asked)
      .then((rows) => ({ rows, isLast: rows.length < asked }));
    page.catch(() => undefined);
    return page;
  }

  async #write(lease: Lease, log: OpenLog, prepared: Prepared, sum: { sealed: number }): Promise<void> {
    const { leaves } = prepared.batch;
    if (leaves.length > 0) {
      await this.#seal(lease, log, prepared);
      sum.sealed += leaves.length;
      await this.#checkpoints.make(lease, log, false);
    }
    if (prepared.repeats.length > 0) await this.#settle(lease, prepared.repeats);
  }

  async #seal(lease: Lease, log: OpenLog, prepared: Prepared): Promise<void> {
    const { store, watch, clock } = this.#parts;
    const { leaves } = prepared.batch;
    try {
      await store.seal(lease, prepared.batch, this.#leaseMs);
    } catch (error) {
      if (error instanceof LogMoved) {
        // An id that is sealed under another number would come again and again.
        const known = await store.knownEvents(leaves.map(({ eventId }) => eventId));
        if (known.length > 0) await this.#settle(lease, known);
      }
      throw error;
    }
    log.accept(prepared);
    this.#leasedAtMs = clock.monotonicMs();
    this.#batch = Math.min(this.#maxBatch, this.#batch * 2);
    watch.sealed(leaves.length);
  }

  async #settle(lease: Lease, eventIds: readonly string[]): Promise<void> {
    for (const eventId of await this.#parts.store.settleRepeats(lease, eventIds))
      this.#parts.watch.conflict(eventId);
  }
}

/** The last checkpoint of this log in each place that can be read; what cannot be is told when it is written. */
async function keptOutside({ outlets, signer }: SealerParts): Promise<SignedCheckpoint[]> {
  const kept: SignedCheckpoint[] = [];
  try {
    const { name } = await signer();
    for (const outlet of outlets) {
      const last = await outlet.known?.();
      if (last?.origin === name) kept.push(last);
    }
  } catch {
    return kept;
  }
  return kept;
}
