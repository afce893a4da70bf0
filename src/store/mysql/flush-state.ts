import type { StoredMessage } from "../../chat/message.ts";
import type { DialogRecord } from "../../ports.ts";
import type { Entry } from "./journal-entry.ts";

/** What a flush needs to know besides its entries. */
export interface FlushContext {
  readonly incarnation: string;
  readonly node: string;
  readonly compliance: boolean;
  /** Number of this transaction among those of the incarnation. */
  readonly flush: number;
  /** Last number of stream `read:<incarnation>`. */
  readonly readEvents: number;
  /** Asks for stored post keys first: after a duplicate was met. */
  readonly lookUpKeys: boolean;
  /** Passes over locked rows: after a lock was waited for in vain. */
  readonly skipLocked: boolean;
  readonly nowMs: () => number;
  readonly nextEventId: () => string;
}

/** A room under its lock, with what this flush adds. */
export interface RoomState {
  readonly id: number;
  readonly accessVersion: number;
  readonly lastNumber: number;
  readonly lastEvent: number;
  /** Read for flushes that end or adopt dialogs only; else empty. */
  readonly uri: string;
  readonly name: string;
  posts: number;
  events: number;
}

/** A dialog under its lock, as it is after the entries planned so far. */
export interface DialogHead {
  readonly userId: number;
  /** 32 hex digits, see `endpointKey`. */
  readonly endpoint: string;
  readonly home: string;
  readonly away: boolean;
}

export interface JoinedRow {
  readonly mask: number;
  readonly since: number;
}

/** Everything one transaction works on: what is under lock, and what will be written. The entries are planned in order. */
export interface FlushState {
  readonly rooms: Map<number, RoomState>;
  readonly dialogs: Map<string, DialogHead>;
  readonly joined: Map<
    string,
    { readonly before: Map<number, JoinedRow>; readonly after: Map<number, JoinedRow> }
  >;
  /** Stored posts by `postKey`; filled with `lookUpKeys`. */
  readonly storedPosts: Map<string, StoredMessage>;
  /** Highest number on record of each spool, by the life it belongs to. */
  readonly spooled: Map<string, number>;
  /** Rooms and tokens locked by somebody else; filled with `skipLocked`. */
  readonly lockedRooms: Set<number>;
  readonly lockedTokens: Set<string>;
  readonly writes: FlushWrites;
}

export interface FlushWrites {
  readonly messages: string[];
  /** Of rooms that keep no history: rows as of `messages`, for delivery only; and which numbers these are, by room. */
  readonly passing: string[];
  readonly unkept: Map<number, { readonly from: number; to: number; lastMs: number }>;
  readonly postKeys: string[];
  readonly events: string[];
  readonly eventIds: string[];
  readonly openedDialogs: Map<string, DialogRecord>;
  readonly movedDialogs: Map<string, Entry<"flow">["now"]>;
  readonly endedDialogs: Set<string>;
  /** Rooms of an endpoint to be remembered, in place of those remembered before. */
  readonly remembered: Map<string, { userId: number; endpoint: string; rooms: readonly number[] }>;
  readEvents: number;
  /** Spools of which more is on record than before, and up to which number. */
  readonly spooled: Map<string, number>;
  /** The node says that it lives. */
  alive: boolean;
  /** Run in order once the transaction is committed. */
  readonly settle: (() => void)[];
  readonly deferred: Entry[];
}

export function newFlushState(): FlushState {
  return {
    rooms: new Map(),
    dialogs: new Map(),
    joined: new Map(),
    storedPosts: new Map(),
    spooled: new Map(),
    lockedRooms: new Set(),
    lockedTokens: new Set(),
    writes: {
      messages: [],
      passing: [],
      unkept: new Map(),
      postKeys: [],
      events: [],
      eventIds: [],
      openedDialogs: new Map(),
      movedDialogs: new Map(),
      endedDialogs: new Set(),
      remembered: new Map(),
      readEvents: 0,
      spooled: new Map(),
      alive: false,
      settle: [],
      deferred: [],
    },
  };
}

/** What makes a post the same post. */
export function postKey(token: string, envid: string, seqid: string): string {
  return `${token}:${envid}:${seqid}`;
}
