import type { Acceptance } from "../acceptance.ts";
import type { Lease } from "../ports.ts";

/** How many events the chat's side has recorded in a stream. */
export interface StreamCount {
  readonly stream: string;
  readonly committed: number;
  /** Its room; undefined for streams of no room. */
  readonly roomId: number | undefined;
  /** No event follows. */
  readonly ended: boolean;
  /** Of a room, its last message before the archive began: the archive has nothing to say of those. */
  readonly beforeArchive?: number;
}

/** How far a stream is sealed. */
export interface SealedHead {
  readonly streamId: number;
  readonly lastSeq: number;
}

/** How far a room has been compared. */
export interface Compared {
  readonly eventSeq: number;
  /** Number of the last message that was. */
  readonly number: number;
  readonly messages: number;
  readonly digest: Buffer;
}

export interface ArchivedFact {
  readonly streamSeq: number;
  /** Null: its content was purged. */
  readonly body: Buffer | null;
}

/** A message as the chat has it now. */
export interface ChatMessage {
  readonly number: number;
  readonly authorId: number;
  readonly atMs: number;
  readonly alert: boolean;
  readonly text: string;
  readonly rtf: string | null;
}

/**
 * `missing`: recorded, and neither archived nor on its way. `surplus`: archived, and never recorded. `unrecorded`: a message without
 * an event. `vanished`: archived, not taken away by anybody, and the chat has it no longer. `altered`: the chat has another text,
 * author or time than the archive. `unreadable`: sealed in the room's stream, and no event as ours are.
 */
export const DIFFERENCES = ["missing", "surplus", "unreadable", "unrecorded", "vanished", "altered"] as const;
export type DifferenceKind = (typeof DIFFERENCES)[number];

/** Of these, what the archive lacks; the others are changes. */
export const LOSSES: readonly DifferenceKind[] = ["missing", "unrecorded"];

export interface Difference {
  readonly what: DifferenceKind;
  readonly stream: string;
  /** Numbers of events for the first three kinds, of messages for the others; both included. */
  readonly first: number;
  readonly last: number;
}

export interface Reconciliation {
  readonly tookMs: number;
  /** Everything was compared, not only what is new. */
  readonly whole: boolean;
  readonly streams: number;
  /** Events: recorded by the chat; sealed; recorded and on their way. */
  readonly committed: number;
  readonly sealed: number;
  readonly pending: number;
  /** Compared this time. */
  readonly rooms: number;
  readonly messages: number;
  readonly differences: number;
  /** Why something was left for the next time; null when nothing was. */
  readonly postponed: string | null;
}

/** The chat's books and the archive's, side by side. Reads are of different moments; see `Reconciler` for why that does no harm. */
export interface Books {
  takeLease(holder: string, leaseMs: number): Promise<Lease | undefined>;
  renewLease(lease: Lease, leaseMs: number): Promise<void>;
  releaseLease(lease: Lease): Promise<void>;
  /** Milliseconds since the last comparison, by the database's clock; undefined when there was none. */
  sinceLast(): Promise<number | undefined>;

  /** Streams of rooms with ids above `after`, in their order. */
  roomCounts(after: number, limit: number): Promise<StreamCount[]>;
  /** All other streams that are not known to be closed. */
  otherCounts(): Promise<StreamCount[]>;
  /** What is on its way to the log; undefined when that is more than `limit`. */
  pending(limit: number): Promise<{ readonly stream: string; readonly streamSeq: number }[] | undefined>;
  heads(streams: readonly string[]): Promise<Map<string, SealedHead>>;
  /** Streams of rooms that are gone, as far as they are not known to be closed, and whether their last event says so. */
  orphanStreams(limit: number): Promise<{ stream: string; lastSeq: number; saysDeleted: boolean }[]>;

  compared(streams: readonly string[]): Promise<Map<string, Compared>>;
  /** What was accepted as missing or different, as far as that is sealed. */
  accepted(): Promise<Acceptance[]>;
  /** Sealed events of a stream above `after`. */
  archived(streamId: number, after: number, limit: number): Promise<ArchivedFact[]>;
  /** Those that are there; and the numbers of those that the chat keeps for nobody, as it was told. */
  messages(
    roomId: number,
    numbers: readonly number[],
  ): Promise<{ readonly kept: readonly ChatMessage[]; readonly unkept: ReadonlySet<number> }>;
  /** Of the room: its last message, its last recorded event; undefined when it is gone. */
  room(roomId: number): Promise<
    | {
        readonly lastNumber: number;
        readonly lastEvent: number;
        /** An import puts messages into it, and records them at its end. */
        readonly isFilling: boolean;
      }
    | undefined
  >;

  saveCompared(lease: Lease, stream: string, compared: Compared): Promise<void>;
  close(lease: Lease, streams: readonly string[]): Promise<void>;
  differences(): Promise<(Difference & { readonly sinceMs: number })[]>;
  /** The result, and the differences that there are now in place of those before. */
  conclude(lease: Lease, result: Reconciliation, differences: readonly Difference[]): Promise<void>;
}

/** What the comparison has to tell. Never message text. */
export interface ReconcileWatch {
  reconciled(result: Reconciliation): void;
  /** So many sealed events of rooms were looked at so far. */
  looked?(events: number): void;
  /** Told once for each, and again when it is over. */
  difference(difference: Difference): void;
  settled(difference: Difference): void;
  trouble(error: unknown): void;
}
