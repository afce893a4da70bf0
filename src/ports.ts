/**
 * The outside world in one page. The core says what it needs in its own words; `src/store/*` and `kamailio/*` say how.
 *
 * Terminology: a **member** may enter a room, a **participant** is in it now; a **dialog** is SIP's, a **session** is ours on
 * top of it; an **endpoint** is one client of one user (address and `epid`); **home** is the incarnation of the node that
 * holds a dialog in memory.
 */
import type { PartReason } from "./chat/compliance-event.ts";
import type { SearchedCriteria, SearchedRoom } from "./chat/history-search.ts";
import type { StoredMessage } from "./chat/message.ts";
import type { Role } from "./chat/principal.ts";
import type { ReadSpan } from "./chat/reading.ts";
import type { Access, Bindings } from "./chat/role.ts";
import type { Room } from "./chat/room.ts";
import type { RoomQuery } from "./chat/room-query.ts";
import type { Aor, User } from "./chat/user.ts";
import type { DialogState, DialogToken, Flow, Incarnation } from "./sip/dialog.ts";

// ---------------------------------------------------------------------------------------------------------------- reading

export interface UserStore {
  /** The user with the policy resolved; undefined when the address is unknown. With the global policy on, unknown users of a served domain are created. */
  find(uri: Aor): Promise<User | undefined>;
  /** Those of these users who may not, or no longer, take part. */
  notEnabled(userIds: readonly number[]): Promise<number[]>;
  /** With policy and principals as they are now; unknown ids are absent. */
  byIds(ids: readonly number[]): Promise<Map<number, User>>;
}

export interface RoomStore {
  /** By the two parts of `ma-chan://<domain>/<guid>`. Disabled rooms too. Before a user is answered, `access` follows in any case. */
  find(domain: string, guid: string): Promise<Room | undefined>;
  byIds(ids: readonly number[]): Promise<Room[]>;
  /**
   * One answer per room, in the order asked. Never cached: a right that was taken away is gone at the next look. A room that is not
   * there costs the same, so that a secret one is not told apart; the answer for it means nothing.
   */
  access(rooms: readonly (Room | undefined)[], user: User): Promise<Access[]>;
  /** Everybody's, for one room at once; not older than the room's version that was read before. */
  bindings(room: Room): Promise<Bindings>;
  /** Rooms the user may see, sorted by name, at most `limit`; with a participant asked for, those he may join or manage. */
  search(query: RoomQuery, user: User, limit: number): Promise<Room[]>;
  /** Enabled rooms in which the user (or a group or domain of the user) holds the role, sorted by name, at most `limit`. */
  associations(role: Exclude<Role, "presenter">, user: User, limit: number): Promise<Room[]>;
  /** Ids of the enabled rooms that keep history and whose history the user may read, ascending, at most `limit`. */
  readable(user: User, limit: number): Promise<number[]>;
  /** Last message number per room; rooms that are gone are absent. */
  lastNumbers(ids: readonly number[]): Promise<Map<number, number>>;
}

export interface MessageStore {
  /** The `count` newest messages with number <= `upTo`, oldest first; for readers: only what is kept. */
  latest(roomId: number, count: number, upTo: number): Promise<StoredMessage[]>;
  /** Messages `from`..`to`, both included, oldest first; for delivery: those that are not kept for long, too. */
  range(roomId: number, from: number, to: number): Promise<StoredMessage[]>;
  /** Numbers `from`..`to` of messages that were stored and are there no more. */
  removed(roomId: number, from: number, to: number): Promise<number[]>;
  /** What was removed or replaced by the changes after `after` up to `upTo`: at most `limit`, in the order of numbers, above `above`. */
  moderated(
    roomId: number,
    changes: { readonly after: number; readonly upTo: number },
    above: number,
    limit: number,
  ): Promise<{ readonly number: number; readonly removed: boolean }[]>;
  /** The room's messages up to this number are gone; 0 for none. */
  clearedTo(roomId: number): Promise<number>;
}

// ---------------------------------------------------------------------------------------------------------------- dialogs

/** A dialog with everything a new home must know. */
export interface DialogRecord {
  readonly state: DialogState;
  readonly user: User;
  /** `epid` of the client's From; empty when it has none (then the remote target stands for it). */
  readonly epid: string;
  readonly home: Incarnation;
  /** Rises with every change of home, and with every `CSEQS_PER_EPOCH` requests of ours. */
  readonly epoch: number;
  readonly flow: Flow;
  /** Since when the connection is closed; null while it stands. */
  readonly awaySinceMs: number | null;
  readonly isSipe: boolean;
}

export interface JoinedRoom {
  readonly roomId: number;
  /** Permission mask as announced to others. */
  readonly mask: number;
  /** Last message number of the room when this dialog joined it: live copies begin after it. Kept in `dialog_room`. */
  readonly since: number;
}

export interface DialogStore {
  /** Who is home to this dialog; undefined when nobody knows it. */
  home(token: DialogToken): Promise<Incarnation | undefined>;
  /** Everything a new home needs, in pages; used after `LeaseStore.take`. */
  ofHome(home: Incarnation): Promise<{ dialog: DialogRecord; rooms: JoinedRoom[] }[]>;
  /** Dialogs of this endpoint whose connection is closed. */
  away(userId: number, epid: string): Promise<DialogToken[]>;
  /** The rooms that are on record as this dialog's. */
  rooms(token: DialogToken): Promise<JoinedRoom[]>;
  /** Rooms this endpoint was in when it was last known, within a day; empty for a client that signed off or was never here. */
  remembered(userId: number, epid: string): Promise<number[]>;
}

// ---------------------------------------------------------------------------------------------------------------- writing

/** On whose behalf something is recorded. */
export interface Recorder {
  readonly user: User;
  readonly token: DialogToken;
  readonly epid: string;
}

/** A refusal of one entry while the others of its flush commit: the room changed since the decision was made. Decide again. */
export const STALE = "stale" as const;

/**
 * Everything that must be on disk before anybody is told of it. One flusher per node: while a commit runs, entries
 * queue; the next transaction takes all that wait (at most 256 entries), rooms locked in id order, and the compliance rows
 * of the entries are in the same transaction. An entry that fails alone is taken out and refused, the rest commits;
 * deadlocks are retried.
 *
 * Every method throws ChatError("STORE_DOWN") when the database is not there and ChatError("OVERLOADED") when more
 * entries wait than one second can take; nothing of that entry is stored then, or it is unknown whether it was
 * (connection lost during COMMIT): then it is read back before the answer. ChatError("TOO_LATE"), unstored: `startBeforeMs` has passed.
 */
export interface Journal {
  /**
   * Stores a post under the room's next number. A post with (token, envid, seqid) already stored gives that message
   * again with `repeated: true` and stores nothing.
   */
  post(entry: PostEntry): Promise<(StoredMessage & { readonly repeated: boolean }) | typeof STALE>;
  /** Records the entries into rooms (dialog_room and JOIN). Per room: the last message number at that moment, or STALE. Already joined: no second record. */
  join(by: Recorder, rooms: readonly { room: Room; mask: number }[]): Promise<(number | typeof STALE)[]>;
  /** Records that the dialog left these rooms. Rooms it was not in are passed over. */
  part(by: Recorder, rooms: readonly Room[], reason: PartReason): Promise<void>;
  /** Records that `count` messages between `from` and `to` are about to be shown. Awaited before the answer leaves. */
  read(by: Recorder, room: Room, span: ReadSpan): Promise<void>;
  /** Records that a search is about to show these messages of each room, all or nothing. Awaited before the answer leaves. */
  searched(by: Recorder, criteria: SearchedCriteria, rooms: readonly SearchedRoom[]): Promise<void>;
  open(dialog: DialogRecord): Promise<void>;
  /**
   * The dialog is over: PART for each room it was in, rows removed. `remember` keeps the endpoint's rooms for a day.
   * @returns false when the dialog is no longer ours (another dialog adopted its rooms, or another node is its home): nothing is recorded.
   */
  end(by: Recorder, home: Incarnation, reason: PartReason, remember: boolean): Promise<boolean>;
  /** The client came by another connection, the connection closed, or our requests have used up an epoch's numbers. */
  flow(token: DialogToken, now: Pick<DialogRecord, "flow" | "awaySinceMs" | "epoch">): Promise<void>;
  /** A new dialog of the same endpoint takes over the rooms of one whose connection is closed, each from its last number on: no PART, no JOIN. Nothing when that one is gone or came back. */
  adopt(by: Recorder, from: DialogToken): Promise<void>;
}

export interface PostEntry {
  readonly by: Recorder;
  readonly room: Room;
  /** Decimal, up to 64 bit. */
  readonly envid: string;
  readonly seqid: string;
  readonly text: string;
  readonly rtf: string | null;
  readonly alert: boolean;
  /** Wall clock, milliseconds: a commit not started by then must not start. */
  readonly startBeforeMs: number;
}

// ---------------------------------------------------------------------------------------------------------------- the pool

/**
 * Leases of nodes, in the database's own clock. A lease lasts 8 s and is renewed every 2 s. Who holds a lapsed lease may
 * still run: every journal transaction checks that its incarnation has no successor, and `take` ends the old journal connection.
 */
export interface LeaseStore {
  /** Begins a new incarnation of this node (epoch = highest so far + 1). Earlier ones whose process is gone lapse at once. */
  begin(node: string): Promise<Incarnation>;
  /** @returns false when a successor has taken over: this incarnation must stop at once. */
  renew(me: Incarnation): Promise<boolean>;
  /** Lapsed or released leases without successor that still are home to dialogs, or whose end nobody has recorded. */
  lapsed(): Promise<Incarnation[]>;
  /** Compare-and-set: true for exactly one survivor, however often it asks. Moves all dialogs of `dead` to `me`, each with its epoch raised. */
  take(dead: Incarnation, me: Incarnation): Promise<boolean>;
  /** A clean stop: the lease lapses now. */
  release(me: Incarnation): Promise<void>;
  /** Incarnations whose lease runs, me included. */
  living(): Promise<Incarnation[]>;
}

/**
 * How far each node has delivered, saved once a second for the rooms that moved: after a takeover the new home goes on from
 * here, so that at most the last second comes again.
 */
export interface ProgressStore {
  save(me: Incarnation, delivered: ReadonlyMap<number, number>): Promise<void>;
  load(home: Incarnation): Promise<Map<number, number>>;
  /** The successor has gone on: the dead node's rows are no longer needed. */
  forget(home: Incarnation): Promise<void>;
}

/** A participant as rosters show it. */
export interface Participant {
  readonly user: Aor;
  readonly name: string;
  readonly mask: number;
}

/**
 * Who is in which room on the OTHER nodes, published presence in Redis. Every call answers within 300 ms, with undefined when Redis
 * does not: nothing is known of the others then.
 */
export interface PresenceStore {
  /** Publishes that users entered rooms on this node (each user's first endpoint here). */
  enter(who: readonly { roomId: number; participant: Participant }[]): Promise<PresenceChange[] | undefined>;
  /** Publishes that users left rooms on this node (each user's last endpoint here). */
  leave(who: readonly { roomId: number; user: Aor }[]): Promise<PresenceChange[] | undefined>;
  /** Participants of the room on other living nodes. */
  others(roomIds: readonly number[]): Promise<Map<number, Participant[]> | undefined>;
  /** Number of participants on other living nodes; a user on two nodes counts twice. */
  counts(roomIds: readonly number[]): Promise<Map<number, number> | undefined>;
}

export interface PresenceChange {
  readonly roomId: number;
  readonly user: Aor;
  /** The user is also in the room on another living node: nobody needs to be told. */
  readonly elsewhere: boolean;
  /** Participants on other living nodes. */
  readonly others: number;
}

/** What nodes tell each other. Losing any of it costs latency or a roster line, never a message. */
export type BusMessage =
  | {
      readonly kind: "posted";
      readonly roomId: number;
      readonly number: number;
      readonly grpchat: string;
      /** The room's, under which it was stored: who had lost his right by then must not get it. An older node does not say it. */
      readonly accessVersion?: number;
    }
  /** A participant's mask is different now. */
  | { readonly kind: "permission"; readonly roomId: number; readonly participant: Participant }
  /** Something was administered: `ChangeStore` has it. */
  | { readonly kind: "changed" }
  | {
      readonly kind: "entered";
      readonly roomId: number;
      readonly participant: Participant;
      readonly total: number;
    }
  | { readonly kind: "left"; readonly roomId: number; readonly user: Aor; readonly total: number }
  | { readonly kind: "adopted"; readonly token: DialogToken }
  /** A user has changed what is kept in the presence document. */
  | { readonly kind: "published"; readonly userId: number };

export interface NodeBus {
  /** Fire and forget; bounded, dropped while Redis is away. */
  publish(message: BusMessage): void;
  /** Messages of other nodes. */
  onMessage(listener: (message: BusMessage) => void): void;
  /** Called with true on each (re)connect, false when Redis goes away. */
  onState(listener: (connected: boolean) => void): void;
}

/** Wakes the compliance worker: ids of outbox rows just committed. Never awaited, never refused: the sweeper finds the rest. */
export interface ComplianceWaker {
  announce(eventIds: readonly string[]): void;
}

// ---------------------------------------------------------------------------------------------------------------- the edge

/** Sends INFO requests inside dialogs. Copies to one dialog leave in the order given. */
export interface SipSender {
  /** The same body to many dialogs; encoded once. `turn` is the fairness key: different turns (rooms) take turns. */
  send(body: string, dialogs: Iterable<OutgoingDialog>, turn: number): void;
}

/** What the sender needs of a dialog. */
export interface OutgoingDialog {
  readonly state: DialogState;
  readonly flow: Flow;
  /** Raises and returns the CSeq. */
  nextCSeq(): number;
  /** What goes out in it when that is not INFO with text: one form for all its life. */
  readonly form?: RequestForm;
}

/** A notification of a subscription (RFC 6665), or Microsoft's that is never answered. */
export interface RequestForm {
  readonly method: "NOTIFY" | "BENOTIFY";
  /** Whole header lines without their ends, Content-Type among them. */
  readonly headers: readonly string[];
}

/** Time. `nowMs` is the wall clock, `monotonicMs` never jumps. */
export interface Clock {
  nowMs(): number;
  monotonicMs(): number;
}
