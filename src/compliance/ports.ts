import type { Delivery } from "./delivery.ts";
import type { RoomDetails, UserDetails } from "./formats/details-xml.ts";

/** What the compliance worker needs of the outside world, in its own words. */

/** One row of the hand-over table. `body` is the canonical body of the event, byte for byte as the chat committed it. */
export interface HandoverRow {
  /** 32 hex digits. */
  readonly eventId: string;
  readonly body: Buffer;
}

export interface MoveOutcome {
  /** Rows that are in the hand-over table now and no longer in the outbox. */
  readonly moved: number;
  /** Ids that were in the hand-over table with another body: put into quarantine, the first one stands. */
  readonly conflicts: readonly string[];
}

/** Wall clock, milliseconds, both included; none when the first is the later. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The outbox's end that the mover empties. */
export interface OutboxStore {
  /**
   * Moves those of the rows that exist and that nobody else is moving, in one transaction. At most 500 ids; unknown ids
   * are no error. @throws when the database is not there: nothing was moved, or all of it.
   */
  move(eventIds: readonly string[]): Promise<MoveOutcome>;
  /** Outbox rows whose time is not within `young`, in the order of their ids, beginning behind `after`; nothing is claimed. */
  overdue(young: Span, after: string | null, limit: number): Promise<string[]>;
  /** Rows waiting in the outbox, counted up to `limit`. */
  waiting(limit: number): Promise<number>;
}

/** Proof of being the one who runs the adapter. */
export interface Lease {
  readonly adapter: string;
  readonly holder: string;
  readonly epoch: number;
}

/** Raised by a write whose lease has a successor: stop at once, touch nothing. */
export class LeaseLost extends Error {
  constructor(lease: Lease) {
    super(`lease ${lease.epoch} on ${lease.adapter} has a successor`);
    this.name = "LeaseLost";
  }
}

/** The lease while something long is done under it. Both throw LeaseLost. */
export interface HeldLease {
  /** To be called between pieces of the work, however small: asks the database only when some time has passed. */
  keep(): Promise<void>;
  /** Right before what a successor must not see. */
  check(): Promise<void>;
}

/** A batch in the adapter's hand: fixed set of rows, fixed name. */
export interface ArchiveRun {
  readonly runId: string;
  readonly configHash: string;
  readonly eventIds: readonly string[];
  readonly attempts: number;
  /** The database's clock. */
  readonly waitMs: number;
}

export interface BatchLimits {
  readonly maxEvents: number;
  readonly maxBodyBytes: number;
}

/** The hand-over table as the archiver sees it. Methods that take a lease throw LeaseLost. */
export interface HandoverStore {
  /** @returns undefined while another holder's lease runs. */
  takeLease(adapter: string, holder: string, leaseMs: number): Promise<Lease | undefined>;
  renewLease(lease: Lease, leaseMs: number): Promise<void>;
  releaseLease(lease: Lease): Promise<void>;
  /** Milliseconds since the last run that left nothing to do; undefined when there was none. */
  sinceLastRun(adapter: string): Promise<number | undefined>;
  noteRun(lease: Lease): Promise<void>;
  openRun(adapter: string): Promise<ArchiveRun | undefined>;
  /** Fixes the next batch, oldest first; `name` gives the run's id. @returns undefined when no rows wait. */
  beginRun(
    lease: Lease,
    limits: BatchLimits,
    configHash: string,
    name: (eventIds: readonly string[]) => string,
  ): Promise<ArchiveRun | undefined>;
  /** The run's rows in id order. */
  rows(run: ArchiveRun): Promise<HandoverRow[]>;
  /**
   * The adapter has them: rows and run are deleted, and the delivery is recorded, in one transaction; of a run that has ended already
   * nothing is recorded. @param delivery undefined when there was nothing to deliver
   */
  finishRun(lease: Lease, run: ArchiveRun, delivery: Delivery | undefined): Promise<void>;
  /** The adapter failed: the run waits. `reason` never holds message text. */
  postponeRun(lease: Lease, run: ArchiveRun, waitMs: number, reason: string): Promise<void>;
  /** The settings changed and nothing of the run was delivered: its rows wait again. */
  forgetRun(lease: Lease, run: ArchiveRun): Promise<void>;
  /** Takes rows out of the run and out of the hand-over table, whole. */
  quarantine(
    lease: Lease,
    run: ArchiveRun,
    rows: readonly { eventId: string; reason: string }[],
  ): Promise<void>;
}

/** What is known of rooms and users beyond their events. Ids that are gone are left out; in the order of ids. */
export interface DetailsSource {
  rooms(ids: readonly number[]): Promise<RoomDetails[]>;
  users(ids: readonly number[]): Promise<UserDetails[]>;
}

export interface FileToWrite {
  /** Inside the run's folder, without separators. */
  readonly name: string;
  readonly bytes: Buffer;
}

/** Where finished files go. */
export interface ArchiveFolder {
  /** @returns the run's manifest when it is there: all its files are, then, or have been; what others left beside them is not */
  delivered(runId: string): Promise<Buffer | undefined>;
  /**
   * Makes each file durable, the manifest last. One that is there already ended the run: it stands, with its files.
   * @returns the manifest that is there. @throws LeaseLost
   */
  write(runId: string, files: readonly FileToWrite[], lease: HeldLease): Promise<Buffer>;
  /** Removes what an unfinished run left. */
  discard(runId: string): Promise<void>;
}

/** Alarms and counts of the worker, for log and metrics. Never message text. */
export interface ComplianceWatch {
  moved(count: number): void;
  /** Two bodies under one event id: somebody changed the record. */
  conflict(eventId: string): void;
  quarantined(eventId: string, reason: string): void;
  delivered(runId: string, events: number): void;
  /** Something did not work and is tried again. */
  trouble(what: "move" | "sweep" | "archive", error: unknown): void;
}
