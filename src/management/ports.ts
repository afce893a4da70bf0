import type { AddIn } from "../chat/add-in.ts";
import type { Category } from "../chat/category.ts";
import type { ComplianceFact, OldMessage } from "../chat/compliance-event.ts";
import type { FilteredMessage } from "../chat/message-filter.ts";
import type { Principal, PrincipalKind, Role, ScopeWord } from "../chat/principal.ts";
import type { Access } from "../chat/role.ts";
import type { Room } from "../chat/room.ts";
import type { SettingName } from "../chat/setting.ts";
import type { User } from "../chat/user.ts";
import type { Actor } from "./actor.ts";

/** How a room is named: by its row, by the two parts of its URI, or by name (which several domains may have). */
export type RoomName =
  | { readonly id: number }
  | { readonly domain: string; readonly guid: string }
  | { readonly name: string };

export type CategoryName = { readonly id: number } | { readonly guid: string } | { readonly name: string };

/** What a room is besides its roles. */
export interface RoomFields {
  readonly name: string;
  readonly description: string;
  readonly categoryId: number;
  readonly privacy: Room["privacy"];
  readonly type: Room["type"];
  readonly inheritsInvitations: boolean;
  readonly addInId: number | null;
  readonly disabled: boolean;
}

/** Who made a room and who changed its settings or lists last: a user's address, `administrator:<name>`, or empty when not known. */
export interface RoomAudit {
  readonly createdBy: string;
  readonly createdMs: number;
  readonly updatedBy: string;
  readonly updatedMs: number | null;
}

export type CategoryFields = Omit<Category, "id" | "guid" | "version">;

export interface RoleEntry {
  readonly principalId: number;
  readonly role: Role;
}

/** A principal in a list. */
export interface Listed<Word> extends Principal {
  readonly word: Word;
}

/** A room's list, or a part of it. */
export interface RoleList {
  readonly role: Role;
  /** In the order of addresses. */
  readonly listed: readonly Listed<Role>[];
  /** It goes on behind these. */
  readonly more: boolean;
}

/** A part of a list. */
export interface ListPart {
  readonly limit: number;
  /** Only addresses behind this one. */
  readonly after: string | undefined;
}

/** The lists that name a principal itself. */
export interface Listings {
  readonly rooms: readonly { readonly id: number; readonly name: string; readonly word: Role }[];
  readonly categories: readonly { readonly id: number; readonly name: string; readonly word: ScopeWord }[];
}

/** A room as events name it. */
export type RecordedRoom = Pick<Room, "id" | "uri" | "name">;

export interface PrincipalFields {
  readonly uri: string;
  readonly kind: PrincipalKind;
  readonly displayName: string;
  readonly email: string | null;
  /** Own policies; null takes the global one. */
  readonly enabled: boolean | null;
  readonly mayCreateRooms: boolean | null;
  readonly administrator: boolean;
}

export interface KnownPrincipal extends PrincipalFields {
  readonly id: number;
}

/** What the nodes have to look at again once it is committed. */
export type Changed =
  | { readonly kind: "room" | "category" | "user"; readonly id: number }
  /** Messages of this room were removed or replaced. */
  | { readonly kind: "messages"; readonly id: number }
  | { readonly kind: "everybody" }
  /** What is set at run time. */
  | { readonly kind: "settings" };

export type GlobalPolicy = "enable-persistent-chat" | "create-rooms";

/**
 * One transaction in which something is administered. One such transaction runs at a time in the whole pool, so what is read here
 * stays as it is until the end, but for posts and attendance of rooms that are not locked. Rooms are locked in the order of their ids.
 */
export interface ManagementUnit {
  /** Locks it. @returns "several" when the name is that of rooms of several domains */
  room(name: RoomName): Promise<Room | "several" | undefined>;
  category(name: CategoryName): Promise<Category | undefined>;
  addIn(name: string): Promise<AddIn | undefined>;
  /** By address; who is not known is absent. */
  principals(uris: readonly string[]): Promise<Map<string, KnownPrincipal>>;
  /** The scope words that hold for each of these: the own ones, and a user's by groups and domain. */
  scopeOf(categoryId: number, principalIds: readonly number[]): Promise<Map<number, Set<ScopeWord>>>;
  /** Of these, those with another principal around them (a group, the domain; themselves) in the list of members. */
  membersAmong(roomId: number, principalIds: readonly number[]): Promise<Set<number>>;
  roles(roomId: number): Promise<Listed<Role>[]>;
  scopes(categoryId: number): Promise<Listed<ScopeWord>[]>;
  /** What has the name already: a category, or a room of the domain (of any domain for a category's name). */
  holderOf(
    name: string,
    domain: string | undefined,
  ): Promise<{ readonly kind: "room" | "category"; readonly id: number } | undefined>;
  hasRooms(categoryId: number): Promise<boolean>;
  listingsOf(principalId: number): Promise<Listings>;
  roomsWith(addInId: number): Promise<number[]>;
  lastNumber(roomId: number): Promise<number>;
  globalPolicy(policy: GlobalPolicy): Promise<boolean>;
  /** As it is set at run time. */
  setting(name: SettingName): Promise<string | undefined>;

  /** @returns its id */
  insertRoom(
    domain: string,
    guid: string | undefined,
    fields: RoomFields,
    createdMs?: number,
  ): Promise<number>;
  /** Raises its access version: what was decided under the older one is decided again. */
  updateRoom(roomId: number, fields: Partial<RoomFields>): Promise<void>;
  addRoles(roomId: number, entries: readonly RoleEntry[]): Promise<void>;
  removeRoles(roomId: number, entries: readonly RoleEntry[]): Promise<void>;
  /**
   * Takes a principal out of all rooms' lists that name it, which locks these rooms and raises their access versions. Few statements,
   * however many rooms: nobody posts there meanwhile. @returns them by id, in their order
   */
  leaveRooms(principal: Pick<KnownPrincipal, "id" | "kind">): Promise<Map<number, RecordedRoom>>;
  /** The room and its roles are gone; whoever was in it has left it on the record. Its messages go by and by. */
  deleteRoom(room: Room): Promise<void>;
  insertCategory(fields: CategoryFields, guid?: string): Promise<number>;
  /** Raises its version, and the access version of all its rooms. */
  updateCategory(id: number, fields: Partial<CategoryFields>): Promise<void>;
  setScope(categoryId: number, word: ScopeWord, principalIds: readonly number[]): Promise<void>;
  dropScope(categoryId: number, word: ScopeWord, principalId: number): Promise<void>;
  deleteCategory(id: number): Promise<void>;
  /** Adds it or, with the id of one that exists, changes it. */
  saveAddIn(addIn: Omit<AddIn, "id">, id?: number): Promise<void>;
  deleteAddIn(id: number): Promise<void>;
  insertPrincipal(fields: PrincipalFields): Promise<number>;
  updatePrincipal(id: number, fields: Partial<PrincipalFields>): Promise<void>;
  /** No list may name it any more. */
  deleteDomain(id: number): Promise<void>;
  setGlobalPolicy(policy: GlobalPolicy, value: boolean): Promise<void>;
  /** Null takes it back. */
  saveSetting(name: SettingName, value: string | null): Promise<void>;

  /** Those of these messages that are there, in their order, at most `MAX_MESSAGES_AT_ONCE`. */
  messages(roomId: number, numbers: readonly number[]): Promise<OldMessage[]>;
  /** The first messages of a room: a portion that is moved within a moment. */
  firstMessages(roomId: number): Promise<OldMessage[]>;
  removeMessages(roomId: number, numbers: readonly number[]): Promise<void>;
  replaceMessages(roomId: number, numbers: readonly number[], text: string): Promise<void>;
  /** All messages up to this number are gone. */
  clearMessages(roomId: number, upTo: number): Promise<void>;

  /** For the archive, in this transaction; `room` undefined for what concerns no single one. */
  record(fact: ComplianceFact, room?: RecordedRoom): void;
  /** For the nodes, once this is committed. */
  changed(what: Changed): void;
}

/** What of a search for principals fits under the limit. */
export interface FoundPrincipals {
  readonly found: Principal[];
  readonly more: boolean;
}

/** Messages in one call of `ManagementUnit.messages`. */
export const MAX_MESSAGES_AT_ONCE = 50;

/** What the database itself leaves out of a look through a room's messages. */
export interface Span {
  /** Numbers, both included. */
  readonly from: number;
  readonly to: number;
  readonly author: string | undefined;
  readonly withText: boolean;
}

export interface ManagementStore {
  /**
   * Does the work in one transaction, again from its beginning after a deadlock; whoever waits for changes is told once it is
   * committed. Whatever the work throws undoes all of it.
   */
  change<Result>(actor: Actor, work: (unit: ManagementUnit) => Promise<Result>): Promise<Result>;

  findRoom(name: RoomName): Promise<Room | "several" | undefined>;
  audit(roomId: number): Promise<RoomAudit>;
  /** First and last number that a message of the room can have now; the first is above the last when there is none. */
  numbers(roomId: number): Promise<{ readonly first: number; readonly last: number }>;
  /** The messages of a span, in order; their texts empty unless asked for. */
  lookThrough(roomId: number, span: Span): Promise<FilteredMessage[]>;
  /** Sorted by name. */
  categories(): Promise<Category[]>;
  /** One answer per category, in the order asked. */
  categoryAccess(categoryIds: readonly number[], user: User): Promise<Access[]>;
  addIns(): Promise<AddIn[]>;
  /** The same part of each of these. */
  roles(roomId: number, roles: readonly Role[], part: ListPart): Promise<RoleList[]>;
  /** Principals in the category's scope whose name or address holds the text, in the order of addresses. */
  eligible(
    categoryId: number,
    text: string,
    amongMembersOf: number | undefined,
    limit: number,
  ): Promise<FoundPrincipals>;
}

/** What changed, in the order of commits; each node follows it. */
export interface ChangeStore {
  latest(): Promise<number>;
  /** At most `limit` rows with a greater version; the last version may be cut off: it is whole when asked for again. */
  since(version: number, limit: number): Promise<{ readonly version: number; readonly changed: Changed }[]>;
  /** At most `limit`, of the last so many milliseconds. */
  recent(ms: number, limit: number): Promise<Changed[]>;
}

/** What is set at run time. */
export interface SettingStore {
  settings(): Promise<ReadonlyMap<string, string>>;
}
