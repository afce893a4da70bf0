import { setTimeout as delay } from "node:timers/promises";
import { ChatError } from "../../chat/errors.ts";
import { historyReading, searchReadings } from "../../chat/reading.ts";
import type { ComplianceWaker, Journal, PostEntry } from "../../ports.ts";
import type { SpoolJournal } from "../../reading-ports.ts";
import type { Incarnation } from "../../sip/dialog.ts";
import { eventIds } from "./event-ids.ts";
import { flush, UnknownOutcomeError } from "./flush.ts";
import { SupersededError } from "./flush-lock.ts";
import type { FlushWrites } from "./flush-state.ts";
import { type Verdict, verdictOf } from "./flush-verdict.ts";
import { type JournalConnection, openJournalConnection } from "./journal-connection.ts";
import { decimal, type Entry, type Kind, type Outcomes, type Work } from "./journal-entry.ts";
import { JournalQueue, refuseAll, refuseLate } from "./journal-queue.ts";
import { asError } from "./store-error.ts";

export interface JournalOptions {
  readonly url: string;
  readonly incarnation: Incarnation;
  /** Off: nothing is recorded and no stream counts. */
  readonly compliance: boolean;
  readonly waker?: ComplianceWaker;
  /** Called once, when another node has taken over: this one must stop. */
  readonly onSuperseded?: () => void;
  /** Wall clock, milliseconds. */
  readonly nowMs?: () => number;
}

/** After a connection lost in COMMIT, the time to find out what became of it. */
const READ_BACK_MS = 1_000;
/** Entries whose rooms somebody else keeps locked are tried again until they have waited for this long. */
const MAX_DEFERRED_MS = 1_500;
const DEFERRED_PAUSE_MS = 50;
/** Flushes that look stored posts up first, after a client was seen to repeat one. */
const FLUSHES_WITH_LOOK_UP = 64;

/**
 * Group commit: one flusher and one connection per node, no timer. See `Journal` in ports.ts for what is promised. A commit
 * costs the disk's time however many entries it holds, so the faster they come, the more share one.
 */
export class MysqlJournal implements Journal, SpoolJournal {
  /** The first and the last time that the database took nothing, with nothing taken in between or since; monotonic. */
  refused: { readonly firstMs: number; readonly lastMs: number } | undefined;
  readonly #options: JournalOptions;
  readonly #queue = new JournalQueue();
  readonly #nowMs: () => number;
  readonly #nextEventId: () => string;
  #connection: JournalConnection | undefined;
  #running: Promise<void> | undefined;
  #closed = false;
  #superseded = false;
  #flushes = 0;
  #readEvents = 0;
  #lookUps = 0;
  #skipLocked = false;
  /** A transaction of which nobody knows whether it was committed; settled at the next connection. */
  #unsettled: { flush: number; writes: FlushWrites; refused: boolean } | undefined;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#nextEventId = eventIds(this.#nowMs);
  }

  async post(post: PostEntry): Promise<Outcomes["post"]> {
    const envid = decimal(post.envid, 2n ** 64n);
    const seqid = decimal(post.seqid, 2n ** 32n);
    if (envid === undefined || seqid === undefined) throw new ChatError("BAD_REQUEST");
    return this.#enqueue("post", {
      post: envid === post.envid && seqid === post.seqid ? post : { ...post, envid, seqid },
    });
  }

  join(...[by, rooms]: Parameters<Journal["join"]>): Promise<Outcomes["join"]> {
    return this.#enqueue("join", { by, rooms });
  }

  part(...[by, rooms, reason]: Parameters<Journal["part"]>): Promise<void> {
    return this.#enqueue("part", { by, rooms, reason });
  }

  read(...[by, room, span]: Parameters<Journal["read"]>): Promise<void> {
    return this.#enqueue("read", { by, readings: [historyReading(room, span)] });
  }

  searched(...[by, criteria, rooms]: Parameters<Journal["searched"]>): Promise<void> {
    return this.#enqueue("read", { by, readings: searchReadings(criteria, rooms) });
  }

  spooled(...[life, spooled]: Parameters<SpoolJournal["spooled"]>): Promise<void> {
    return this.#enqueue("spooled", { life, spooled });
  }

  heartbeat(dialogs: number, databaseMs: number): Promise<void> {
    return this.#enqueue("alive", { dialogs, databaseMs });
  }

  open(...[dialog]: Parameters<Journal["open"]>): Promise<void> {
    return this.#enqueue("open", { dialog });
  }

  end(...[by, home, reason, remember]: Parameters<Journal["end"]>): Promise<boolean> {
    return this.#enqueue("end", { by, home, reason, remember });
  }

  flow(...[token, now]: Parameters<Journal["flow"]>): Promise<void> {
    return this.#enqueue("flow", { token, now });
  }

  adopt(...[by, from]: Parameters<Journal["adopt"]>): Promise<void> {
    return this.#enqueue("adopt", { by, from });
  }

  /** Takes nothing more, finishes what waits, and ends the connection. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  #enqueue<K extends Kind>(kind: K, work: Work[K]): Promise<Outcomes[K]> {
    return new Promise((resolve, reject) => {
      const nowMs = performance.now();
      if (this.#superseded) return reject(new SupersededError(this.#options.incarnation));
      if (this.#closed) return reject(new ChatError("STORE_DOWN"));
      const begin = "post" in work ? work.post.startBeforeMs - this.#nowMs() : undefined;
      if (this.#queue.isFull(nowMs, begin)) return reject(new ChatError("OVERLOADED"));
      this.#queue.add({ ...work, kind, queuedAtMs: nowMs, resolve, reject } as unknown as Entry); // kind, work and resolve belong together by K
      // A microtask later: what is asked for in one go shares the first transaction too.
      this.#running ??= Promise.resolve().then(() => this.#run());
    });
  }

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const entries = this.#queue.take();
        const beganMs = performance.now();
        const deferred = await this.#commit(entries);
        this.#queue.learn(performance.now() - beganMs);
        this.#skipLocked = deferred.length > 0;
        if (deferred.length > 0) await this.#putBack(deferred);
      }
    } catch (error) {
      // Not foreseen: nobody may be left waiting for an answer.
      refuseAll(this.#queue.takeAll(), asError(error));
    } finally {
      this.#running = undefined;
    }
  }

  async #putBack(deferred: readonly Entry[]): Promise<void> {
    const nowMs = performance.now();
    const patient = deferred.filter((entry) => nowMs - entry.queuedAtMs < MAX_DEFERRED_MS);
    for (const entry of deferred) if (!patient.includes(entry)) entry.reject(new ChatError("OVERLOADED"));
    if (this.#queue.length === 0 && patient.length > 0) await delay(DEFERRED_PAUSE_MS);
    this.#queue.putBack(patient);
  }

  /** Commits the entries or refuses them. @returns those to be tried again: their rooms are locked by somebody else */
  async #commit(entries: readonly Entry[]): Promise<Entry[]> {
    let batch = entries;
    for (let attempt = 1; ; attempt++) {
      batch = refuseLate(batch, this.#nowMs());
      if (batch.length === 0) return [];
      try {
        const writes = await this.#attempt(batch);
        this.refused = undefined;
        this.#settle(writes);
        return writes.deferred;
      } catch (error) {
        const next = await this.#afterFailure(asError(error), batch, attempt);
        if (next !== "again") return next;
      }
    }
  }

  async #attempt(batch: readonly Entry[]): Promise<FlushWrites> {
    const connection = await this.#connect();
    this.#flushes += 1;
    if (this.#lookUps > 0) this.#lookUps -= 1;
    try {
      const writes = await flush(connection, batch, {
        incarnation: this.#options.incarnation,
        node: this.#options.incarnation.replace(/-\d+$/, ""),
        compliance: this.#options.compliance,
        flush: this.#flushes,
        readEvents: this.#readEvents,
        lookUpKeys: this.#lookUps > 0,
        skipLocked: this.#skipLocked,
        nowMs: this.#nowMs,
        nextEventId: this.#nextEventId,
      });
      this.#readEvents += writes.readEvents;
      return writes;
    } catch (error) {
      if (connection.broken) this.#connection = undefined;
      if (error instanceof UnknownOutcomeError) {
        this.#unsettled = { flush: this.#flushes, writes: error.writes, refused: false };
        if (await this.#readBack()) return error.writes;
      }
      throw error;
    }
  }

  /** Deals with a batch of which nothing is stored, or nobody knows. */
  async #afterFailure(error: Error, batch: readonly Entry[], attempt: number): Promise<Entry[] | "again"> {
    const verdict = this.#verdict(error, attempt);
    switch (verdict.next) {
      case "again":
        if (verdict.change === "skip-locked") this.#skipLocked = true;
        if (verdict.change === "look-up-keys") this.#lookUps = FLUSHES_WITH_LOOK_UP;
        return "again";
      case "bisect":
        return this.#bisect(batch, error);
      case "stop":
        this.#stop();
        refuseAll(batch, error);
        return [];
      case "refuse":
        if (verdict.away)
          this.refused = { firstMs: performance.now(), ...this.refused, lastMs: performance.now() };
        refuseAll(verdict.away ? [...batch, ...this.#queue.takeAll()] : batch, verdict.refusal);
        return [];
    }
  }

  #verdict(error: Error, attempt: number): Verdict {
    if (!(error instanceof UnknownOutcomeError))
      return verdictOf(error, attempt, this.#connection === undefined);
    // Read back: it was not committed.
    if (this.#unsettled === undefined) return verdictOf(asError(error.cause), attempt, true);
    this.#unsettled.refused = true;
    return { next: "refuse", refusal: new ChatError("STORE_DOWN", { cause: error.cause }), away: true };
  }

  /** Finds the entries that cannot be stored; the others commit, in their order. */
  async #bisect(batch: readonly Entry[], error: Error): Promise<Entry[]> {
    if (batch.length === 1) {
      batch[0]?.reject(new ChatError("BAD_REQUEST", { cause: error }));
      return [];
    }
    const half = Math.ceil(batch.length / 2);
    const deferred = await this.#commit(batch.slice(0, half));
    if (deferred.length > 0) return [...deferred, ...batch.slice(half)]; // nothing of a room overtakes what waits for it
    return [...deferred, ...(await this.#commit(batch.slice(half)))];
  }

  async #connect(): Promise<JournalConnection> {
    if (this.#connection && !this.#connection.broken) return this.#connection;
    this.#connection?.destroy();
    this.#connection = undefined;
    const connection = await openJournalConnection(this.#options.url, this.#options.incarnation);
    const { flushes, readEvents, superseded } = connection.counters;
    const unsettled = this.#unsettled;
    this.#unsettled = undefined;
    if (unsettled?.refused && flushes >= unsettled.flush) this.#announce(unsettled.writes);
    this.#readEvents = readEvents;
    this.#flushes = Math.max(this.#flushes, flushes);
    this.#connection = connection;
    if (superseded) {
      this.#stop();
      throw new SupersededError(this.#options.incarnation);
    }
    return connection;
  }

  /** Whether the unsettled transaction was committed. False with `#unsettled` still set: the database stays away. */
  async #readBack(): Promise<boolean> {
    const { flush: asked } = this.#unsettled ?? { flush: Number.POSITIVE_INFINITY };
    const deadlineMs = performance.now() + READ_BACK_MS;
    for (;;) {
      try {
        const connection = await this.#connect();
        return connection.counters.flushes >= asked;
      } catch (error) {
        if (error instanceof SupersededError || performance.now() > deadlineMs) return false;
        await delay(DEFERRED_PAUSE_MS);
      }
    }
  }

  #settle(writes: FlushWrites): void {
    for (const answer of writes.settle) answer();
    this.#announce(writes);
  }

  #announce({ eventIds }: FlushWrites): void {
    if (eventIds.length > 0) this.#options.waker?.announce(eventIds);
  }

  #stop(): void {
    if (this.#superseded) return;
    this.#superseded = true;
    refuseAll(this.#queue.takeAll(), new SupersededError(this.#options.incarnation));
    this.#options.onSuperseded?.();
  }
}
