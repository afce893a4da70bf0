import type { LogHashes } from "../log/proofs.ts";

/** One event of the log as it is stored. */
export interface StoredLeaf {
  readonly seq: number;
  readonly eventId: string;
  readonly stream: string;
  readonly streamSeq: number;
  readonly hash: Buffer;
  readonly leaf: Buffer;
  /** Both null: the content is gone. */
  readonly salts: Buffer | null;
  readonly body: Buffer | null;
}

/** Nothing can be said, and why, in one sentence. */
export class CannotCheck extends Error {
  constructor(why: string) {
    super(why);
    this.name = "CannotCheck";
  }
}

/** A signed note, and what a table says beside it. */
export interface KeptCheckpoint {
  readonly note: string;
  readonly size?: number;
  readonly root?: Buffer;
}

/** Something that is not as it was sealed. */
export interface Finding {
  /** First event that cannot be vouched for. */
  readonly seq: number;
  /** What of it. */
  readonly field: string;
  readonly expected: string;
  readonly found: string;
}

/** A log that can be checked: the database, or an export. */
export interface LogSource {
  /** It is what the log was at some time: a checkpoint of more events only says that the log has grown since. */
  readonly isCopy: boolean;
  /** Leaves there are, as of now. What comes later is not looked at. */
  size(): Promise<number>;
  /** Stored leaves from `from` to `to`, without `to`, rising; what is missing is left out. */
  leaves(from: number, to: number): AsyncIterable<readonly StoredLeaf[]>;
  /** In the order of their sizes, those from this size on at least. */
  checkpoints(from: number): AsyncIterable<KeptCheckpoint>;
  /** The largest up to this size. */
  checkpointUpTo(size: number): Promise<KeptCheckpoint | undefined>;
  /** Hash of the leaf with this number of its stream, before `from`; only asked for when a check does not begin at 0. */
  leafBefore(
    stream: string,
    streamSeq: number,
  ): Promise<{ readonly seq: number; readonly hash: Buffer } | undefined>;
  /** Of the archive's own stream, what tells of changed keys and purged content, and perhaps more. */
  ownEvents(): Promise<readonly StoredLeaf[]>;
  /** Stored hashes of subtrees, to be compared with what the leaves give; undefined: there are none here. */
  readonly hashes: LogHashes | undefined;
  /** Whatever else belongs to it: files of an export, heads of streams. Called when the leaves are done. */
  others(size: number): Promise<Finding | undefined>;
}
