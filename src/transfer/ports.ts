import type { ComplianceFact } from "../chat/compliance-event.ts";
import type { Actor } from "../management/actor.ts";
import type { ManagementUnit } from "../management/ports.ts";
import type {
  CategoryLine,
  GroupLine,
  MembershipLine,
  PeopleLine,
  RoomLine,
  Selection,
  StoredLine,
  UserLine,
} from "./format.ts";

/** A room whose messages are to come. */
export interface RoomHistory {
  readonly id: number;
  readonly uri: string;
  /** Numbers up to this one are given to messages now. */
  readonly lastNumber: number;
  readonly clearedTo: number;
}

/** How a room is found again: the two parts of its address, in which order rooms come. */
export interface RoomKey {
  readonly guid: string;
  readonly domain: string;
}

/**
 * What is exported, in portions, each in the order of its keys; nothing is locked. A portion behind the last one is empty.
 */
export interface ExportSource {
  /** Committed when it resolves. */
  record(actor: Actor, fact: ComplianceFact): Promise<void>;
  policies(): Promise<Extract<PeopleLine, { type: "policy" }>[]>;
  domains(): Promise<Extract<PeopleLine, { type: "domain" }>[]>;
  users(afterUri: string): Promise<UserLine[]>;
  groups(afterUri: string): Promise<GroupLine[]>;
  /** Direct members of a group. */
  memberships(group: string, afterMember: string): Promise<MembershipLine[]>;
  addIns(): Promise<CategoryLine[]>;
  categories(selection: Selection): Promise<CategoryLine[]>;
  rooms(selection: Selection, after: RoomKey): Promise<RoomLine[]>;
  histories(selection: Selection, after: RoomKey): Promise<RoomHistory[]>;
  messages(room: RoomHistory, selection: Selection, after: number): Promise<StoredLine[]>;
  /** About so many messages there are. */
  messageCount(selection: Selection): Promise<number>;
}

/** What becomes of a room or category whose name or address is taken already. */
export const CONFLICT_RULES = ["fail", "skip", "rename", "overwrite"] as const;
export type ConflictRule = (typeof CONFLICT_RULES)[number];

/** A room in the middle of being filled. */
export interface FillingRoom {
  readonly uri: string;
  /** 0: its messages are passed over. */
  readonly id: number;
  readonly lastNumber: number;
  readonly clearedTo: number;
  /** Number of the last message that is in. */
  readonly number: number;
  readonly messages: number;
  readonly sha256: string;
}

/** How far an import has come. */
export interface ImportPlace {
  /** Parts that are done with, and lines of the next one. */
  readonly part: number;
  readonly line: number;
  readonly room: FillingRoom | null;
  /** There were neither rooms nor categories when it began: global policies are taken over. */
  readonly intoEmpty: boolean;
}

/** What became of a category or room of the files; id 0 for one that is left out. */
export interface ImportItem {
  readonly id: number;
  /** A room that is to be enabled when its messages are there. */
  readonly opens: boolean;
}

export interface ImportedMessage {
  readonly number: number;
  readonly authorId: number;
  readonly atMs: number;
  readonly alert: boolean;
  readonly text: string;
  readonly rtf: string | null;
  readonly replaced: boolean;
}

/** A change of the administration with what only an import does. */
export interface ImportUnit extends ManagementUnit {
  /** Locks it. Undefined when somebody has ended this import. */
  place(runId: number): Promise<ImportPlace | undefined>;
  savePlace(runId: number, place: ImportPlace): Promise<void>;
  items(runId: number, kind: "category" | "room", names: readonly string[]): Promise<Map<string, ImportItem>>;
  addItem(runId: number, kind: "category" | "room", name: string, item: ImportItem): Promise<void>;
  /** A room that is filled is one as any other. */
  dropItem(runId: number, kind: "category" | "room", name: string): Promise<void>;
  endRun(runId: number): Promise<void>;
  /** The group comes from the directory, as that was when it was read last. */
  setDirectoryName(groupId: number, dn: string): Promise<void>;
  /** Of a room that is locked and disabled. */
  insertMessages(roomId: number, messages: readonly ImportedMessage[]): Promise<void>;
  setNumbers(
    roomId: number,
    numbers: { readonly lastNumber: number; readonly clearedTo: number },
  ): Promise<void>;
}

/** What of a line's name or address is taken already. */
export interface TakenBy {
  /** Of the line asked about. */
  readonly at: number;
  readonly kind: "room" | "category";
  readonly id: number;
  readonly name: string;
  /** Messages it has; 0 for a category. */
  readonly messages: number;
}

/** Where things are imported. */
export interface ImportStore {
  change<Result>(actor: Actor, work: (unit: ImportUnit) => Promise<Result>): Promise<Result>;
  /** Members that are there stay; `then` is in the same transaction, and is asked first whether it may be. */
  addMemberships(
    actor: Actor,
    lines: readonly MembershipLine[],
    may: (unit: ImportUnit) => Promise<void>,
    then: (unit: ImportUnit) => Promise<void>,
  ): Promise<void>;
  findRun(source: string): Promise<{ readonly id: number; readonly place: ImportPlace } | undefined>;
  beginRun(source: string, place: ImportPlace): Promise<number>;
  /** Forgets how far an import had come; what it made stays. */
  forgetRun(source: string): Promise<void>;
  isEmpty(): Promise<boolean>;
  /** Of at most 100. */
  takenBy(
    lines: readonly { readonly name: string; readonly room?: RoomKey; readonly category?: string }[],
  ): Promise<TakenBy[]>;
  knownPrincipals(uris: readonly string[]): Promise<Set<string>>;
}
