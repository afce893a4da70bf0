import type { SignedCheckpoint } from "./log/checkpoint.ts";
import type { EventRow } from "./log/content.ts";
import type { KeptNode } from "./log/frontier.ts";
import type { LogHashes } from "./log/proofs.ts";
import type { Lease } from "./ports.ts";

/** An event that waits to be sealed. */
export interface IntakeRow extends EventRow {
  /** Milliseconds since it came, by the database's clock. */
  readonly waitedMs: number;
}

/** How far a stream is sealed. */
export interface StreamHead {
  readonly id: number;
  readonly lastSeq: number;
  readonly lastLeaf: Buffer;
}

/** One event on its way into the log. */
export interface NewLeaf {
  readonly seq: number;
  readonly eventId: string;
  readonly streamId: number;
  readonly streamSeq: number;
  readonly hash: Buffer;
  readonly leaf: string;
  readonly salts: Buffer;
}

/** What is sealed in one transaction. */
export interface SealedBatch {
  /** Dense, ascending; the first is the log's size. */
  readonly leaves: readonly NewLeaf[];
  readonly nodes: readonly KeptNode[];
  /** Streams with their new heads; a new stream with a number that none has yet. */
  readonly heads: readonly (StreamHead & { readonly name: string })[];
}

export interface StoredCheckpoint {
  readonly size: number;
  readonly atMs: number;
  readonly root: Buffer;
  readonly note: string;
}

/** An event that waits for one before it in its stream. */
export interface Gap {
  readonly stream: string;
  /** Number of the first event that is missing. */
  readonly missing: number;
  /** Events of the stream that wait for it. */
  readonly waiting: number;
  /** How long the oldest of them has waited. */
  readonly waitedMs: number;
}

/** The log was changed behind the back of its holder, or somebody else appended: what is known of it must be read again. */
export class LogMoved extends Error {
  constructor() {
    super("the archive is not as it was left");
    this.name = "LogMoved";
  }
}

/** The archive as the sealer sees it. Writes take its lease and throw LeaseLost. */
export interface ArchiveStore extends LogHashes {
  /** @returns undefined while another holder's lease runs */
  takeLease(holder: string, leaseMs: number): Promise<Lease | undefined>;
  renewLease(lease: Lease, leaseMs: number): Promise<void>;
  releaseLease(lease: Lease): Promise<void>;
  /** Leaves in the log. */
  size(): Promise<number>;
  /** The highest number of a stream; 0 for none. */
  lastStreamId(): Promise<number>;
  heads(streams: readonly string[]): Promise<Map<string, StreamHead>>;
  /** Events that wait, in the order of their ids, beginning behind `after`. */
  intake(after: string | null, limit: number): Promise<IntakeRow[]>;
  /** Appends and empties the intake of these events, in one transaction; renews the lease. @throws LogMoved */
  seal(lease: Lease, batch: SealedBatch, leaseMs: number): Promise<void>;
  /**
   * Events under a number of their stream, or an id, that is sealed already. The same event again goes; another one goes to the
   * quarantine: it is evidence. @returns ids of those
   */
  settleRepeats(lease: Lease, eventIds: readonly string[]): Promise<string[]>;
  /** Of these, those whose id is in the log. */
  knownEvents(eventIds: readonly string[]): Promise<string[]>;
  /** Where an event that is missing in the intake still is: ids of the outbox rows under these numbers of their streams. */
  inOutbox(missing: readonly { readonly stream: string; readonly streamSeq: number }[]): Promise<string[]>;
  /** The archive's own events of this kind that are sealed from this number of the log on, in its order. */
  ownEvents(kind: string, from: number): Promise<{ readonly seq: number; readonly body: Buffer }[]>;
  gaps(minWaitMs: number): Promise<Gap[]>;
  lastCheckpoint(): Promise<StoredCheckpoint | undefined>;
  /** In the order of their sizes. */
  checkpointsAfter(size: number, limit: number): Promise<StoredCheckpoint[]>;
  saveCheckpoint(lease: Lease, checkpoint: StoredCheckpoint): Promise<void>;
}

/** What the sealer has to tell. Never message text. */
export interface ArchiveWatch {
  sealed(count: number): void;
  checkpoint(size: number): void;
  /** Every place has the checkpoints up to this one. */
  published(size: number): void;
  /** Another event under a sealed number or id: somebody wrote into the record. */
  conflict(eventId: string): void;
  /** Waits for a missing number since more than a minute; told once, and again when it is over. */
  gap(gap: Gap): void;
  gapClosed(stream: string): void;
  /** Somebody else seals: what was the matter here is his to tell. */
  notOurs(): void;
  /** The log fits to its last checkpoint. */
  whole(): void;
  /** The log does not fit to its last checkpoint: nothing is sealed until somebody has looked. */
  broken(why: string): void;
  /** Something did not work and is tried again. */
  trouble(what: "seal" | "sign" | "publish", error: unknown): void;
}

/** Where copies of checkpoints go. */
export interface CheckpointOutlet {
  /** In the order of sizes; a repetition may come. @throws when it did not get there: it comes again */
  publish(checkpoint: StoredCheckpoint): Promise<void>;
  /** Size of the last one that is there; undefined: only what comes from now on is wanted. */
  last(): Promise<number | undefined>;
  /** The last one that is there itself, where it can be read: a database that was set back shows by it. */
  known?(): Promise<SignedCheckpoint | undefined>;
}
