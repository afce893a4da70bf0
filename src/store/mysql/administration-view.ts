import type { AddIn } from "../../chat/add-in.ts";
import type { Category } from "../../chat/category.ts";
import { ChatError } from "../../chat/errors.ts";
import { type PrincipalKind, ROLES, type Role, SCOPES, type ScopeWord } from "../../chat/principal.ts";
import type { Room } from "../../chat/room.ts";
import type { RoomQuery } from "../../chat/room-query.ts";
import type { User } from "../../chat/user.ts";
import { principalUri } from "../../management/addresses.ts";
import { type NamedRoom, roomName } from "../../management/administration.ts";
import type { GlobalPolicy, KnownPrincipal, Listed, Listings, RoomAudit } from "../../management/ports.ts";
import { foundRoom } from "../../management/room-changes.ts";
import { type Database, limit, type Queries } from "./database.ts";
import {
  countList,
  findRoom,
  readCategories,
  readList,
  readListings,
  readPrincipals,
  WHOLE_LIST,
  type WhichList,
} from "./management-rows.ts";
import { readAudit } from "./room-audit.ts";
import { ROOM_COLUMNS, ROOM_TABLES, type RoomRow, roomOf } from "./room-rows.ts";
import { roomConditions } from "./room-search.ts";
import { CREATE_POLICY, GLOBAL_POLICY } from "./user-store.ts";

/** Entries of each list that are shown with the others. */
export const SHOWN_OF_A_LIST = 20_000;

export interface PrincipalView {
  readonly id: number;
  readonly uri: string;
  readonly kind: PrincipalKind;
  readonly displayName: string;
  readonly email: string | null;
  /** Own policy; null takes the global one. */
  readonly enabled: boolean | null;
}

export interface RoomView {
  readonly room: Room;
  readonly category: string;
  readonly lastNumber: number;
  readonly audit: RoomAudit;
  /** The first `SHOWN_OF_A_LIST` of each list. */
  readonly roles: readonly { readonly uri: string; readonly role: Role }[];
  /** How many there are in each list. */
  readonly counts: ReadonlyMap<Role, number>;
}

/** What an administrator filters rooms by; disabled ones are among them unless said otherwise. Category by name. */
export type RoomFilter = Partial<RoomQuery>;

export interface PrincipalDetails {
  readonly principal: KnownPrincipal;
  /** Those that contain it, directly or not, by name; `administers`: it makes all its users administrators. */
  readonly groups: readonly { readonly name: string; readonly administers: boolean }[];
  readonly listings: Listings;
  /** What holds when own and global policy, and what groups give, are put together. */
  readonly inEffect: Pick<User, "enabled" | "mayCreateRooms" | "administrator">;
}

export interface DomainView {
  readonly domain: string;
  /** Known ones. */
  readonly users: number;
  /** Of rooms and categories, that name it. */
  readonly lists: number;
}

export interface CategoryView {
  readonly category: Category;
  /** The first `SHOWN_OF_A_LIST` of each list. */
  readonly scopes: readonly { readonly uri: string; readonly scope: ScopeWord }[];
  /** How many there are in each list. */
  readonly counts: ReadonlyMap<ScopeWord, number>;
}

/** Where a list of rooms has come to: rooms of several domains may have one name. */
type RoomPlace = Pick<Room, "name" | "domain">;
const FIRST: RoomPlace = { name: "", domain: "" };

/** What an administrator looks at. Lists go on behind the last name, address or room of the page before. */
export function administrationView(database: Database) {
  return {
    globalPolicy: (policy: GlobalPolicy = GLOBAL_POLICY): Promise<boolean> => isOn(database, policy),

    /** Those that pass the filter. @throws {ChatError} CATEGORY_NOT_FOUND, PRINCIPAL_NOT_FOUND, ADD_IN_NOT_FOUND */
    async findRooms(filter: RoomFilter, atMost: number, after: RoomPlace = FIRST): Promise<Room[]> {
      const { category, member, manager, participant, addIn, ...plain } = filter;
      for (const uri of [member, manager, participant])
        if (uri !== undefined) await knownPrincipal(database, uri);
      if (addIn !== undefined) await namedAddIn(database, addIn);
      const { sql, values } = await roomConditions(database, {
        words: "",
        inDescription: false,
        ...plain,
        ...(addIn === undefined ? {} : { addIn }),
        ...(member === undefined ? {} : { member: principalUri(member) }),
        ...(participant === undefined ? {} : { participant: principalUri(participant) }),
        ...(manager === undefined ? {} : { manager: principalUri(manager) }),
        ...(category === undefined ? {} : { category: (await namedCategory(database, category)).guid }),
      });
      const rows = await database.rows<RoomRow>(
        `SELECT ${ROOM_COLUMNS} FROM ${ROOM_TABLES} WHERE ${sql} AND (r.name > ? OR (r.name = ? AND r.domain > ?)) ` +
          `ORDER BY r.name, r.domain ${limit(atMost)}`,
        [...values, after.name, after.name, after.domain],
      );
      return rows.map(roomOf);
    },

    /** A user, group or domain and everything that names it. @throws {ChatError} PRINCIPAL_NOT_FOUND */
    async inspectPrincipal(uri: string): Promise<PrincipalDetails> {
      const principal = await knownPrincipal(database, uri);
      const rows = await database.rows<{ display_name: string; administrator: number }>(
        "SELECT g.display_name, g.administrator FROM affiliation a JOIN principal g ON g.id = a.group_id WHERE a.user_id = ? ORDER BY g.display_name",
        [principal.id],
      );
      const groups = rows.map((row) => ({ name: row.display_name, administers: row.administrator === 1 }));
      return {
        principal,
        groups,
        listings: await readListings(database, principal.id),
        inEffect: {
          enabled: principal.enabled ?? (await isOn(database, GLOBAL_POLICY)),
          mayCreateRooms: principal.mayCreateRooms ?? (await isOn(database, CREATE_POLICY)),
          administrator: principal.administrator || groups.some(({ administers }) => administers),
        },
      };
    },

    listAddIns: (): Promise<(AddIn & { readonly rooms: number })[]> =>
      database.rows<AddIn & { rooms: number }>(
        "SELECT a.id, a.name, a.url, (SELECT COUNT(*) FROM room r WHERE r.add_in_id = a.id) AS rooms FROM add_in a ORDER BY a.name",
      ),

    /** @throws {ChatError} ADD_IN_NOT_FOUND */
    inspectAddIn: (name: string): Promise<AddIn> => namedAddIn(database, name),

    async listPrincipals(atMost: number, after = "", kind?: PrincipalKind): Promise<PrincipalView[]> {
      type Row = Omit<PrincipalView, "displayName" | "enabled"> & {
        display_name: string;
        enabled: number | null;
      };
      const rows = await database.rows<Row>(
        `SELECT id, uri, kind, display_name, email, enabled FROM principal WHERE uri > ? ${kind === undefined ? "" : "AND kind = ? "}ORDER BY uri ${limit(atMost)}`,
        [after, ...(kind === undefined ? [] : [kind])],
      );
      return rows.map(({ display_name, enabled, ...row }) => ({
        ...row,
        displayName: display_name,
        enabled: enabled === null ? null : enabled === 1,
      }));
    },

    async listDomains(): Promise<DomainView[]> {
      const rows = await database.rows<Record<"users" | "rooms" | "categories", number> & { domain: string }>(
        "SELECT d.uri AS domain, COALESCE(u.n, 0) AS users, " +
          "(SELECT COUNT(*) FROM room_role rr WHERE rr.principal_id = d.id) AS rooms, " +
          "(SELECT COUNT(*) FROM category_scope s WHERE s.principal_id = d.id) AS categories " +
          "FROM principal d LEFT JOIN (SELECT SUBSTRING_INDEX(uri, '@', -1) AS domain, COUNT(*) AS n FROM principal " +
          "WHERE kind = 'user' GROUP BY SUBSTRING_INDEX(uri, '@', -1)) u ON u.domain = d.uri WHERE d.kind = 'domain' ORDER BY d.uri",
      );
      return rows.map(({ domain, users, rooms, categories }) => ({
        domain,
        users: Number(users),
        lists: Number(rooms) + Number(categories),
      }));
    },

    listCategories: (): Promise<Category[]> => readCategories(database),

    /** A room's list, whole, by address. @throws {ChatError} ROOM_NOT_FOUND */
    async listRole(name: NamedRoom, role: Role): Promise<{ room: Room; uris: string[] }> {
      const room = foundRoom(await findRoom(database, roomName(name)), roomName(name));
      const listed = await readList<Role>(database, { ...listOf(room), word: role }, WHOLE_LIST);
      return { room, uris: listed.map(({ uri }) => uri) };
    },

    /** The room with the beginning of each of its lists. @throws {ChatError} ROOM_NOT_FOUND */
    async inspectRoom(name: NamedRoom): Promise<RoomView> {
      const room = foundRoom(await findRoom(database, roomName(name)), roomName(name));
      const [row] = await database.rows<{ last_number: number; name: string }>(
        "SELECT r.last_number, c.name FROM room r JOIN category c ON c.id = r.category_id WHERE r.id = ?",
        [room.id],
      );
      const listed = await beginnings(database, listOf(room), ROLES);
      const roles = listed.map(({ uri, word }) => ({ uri, role: word }));
      return {
        room,
        category: row?.name ?? "",
        lastNumber: row?.last_number ?? 0,
        audit: await readAudit(database, room.id),
        roles,
        counts: await countList(database, listOf(room)),
      };
    },

    /** @throws {ChatError} CATEGORY_NOT_FOUND */
    async inspectCategory(name: string): Promise<CategoryView> {
      const category = await namedCategory(database, name);
      const list: WhichList = { table: "category_scope", id: category.id };
      const listed = await beginnings(database, list, SCOPES);
      const scopes = listed.map(({ uri, word }) => ({ uri, scope: word }));
      return { category, scopes, counts: await countList(database, list) };
    },
  };
}

const listOf = ({ id }: Room): WhichList => ({ table: "room_role", id });

/** The first of each word: a long list takes no other's place. */
async function beginnings<Word extends string>(
  queries: Queries,
  list: WhichList,
  words: readonly Word[],
): Promise<Listed<Word>[]> {
  const lists = await Promise.all(
    words.map((word) => readList<Word>(queries, { ...list, word }, SHOWN_OF_A_LIST)),
  );
  return lists.flat();
}

async function isOn(queries: Queries, policy: GlobalPolicy): Promise<boolean> {
  const [row] = await queries.rows<{ value: string }>("SELECT value FROM setting WHERE name = ?", [policy]);
  return row?.value === "1";
}

/** @throws {ChatError} CATEGORY_NOT_FOUND */
export async function namedCategory(queries: Queries, name: string): Promise<Category> {
  const [category] = await readCategories(queries, { name });
  if (!category) throw new ChatError("CATEGORY_NOT_FOUND", { detail: `There is no category "${name}".` });
  return category;
}

async function namedAddIn(queries: Queries, name: string): Promise<AddIn> {
  const [addIn] = await queries.rows<AddIn>("SELECT id, name, url FROM add_in WHERE name = ?", [name]);
  if (!addIn) throw new ChatError("ADD_IN_NOT_FOUND", { detail: `There is no add-in "${name}".` });
  return addIn;
}

async function knownPrincipal(queries: Queries, uri: string): Promise<KnownPrincipal> {
  const wanted = principalUri(uri);
  const known = (await readPrincipals(queries, [wanted])).get(wanted);
  if (!known)
    throw new ChatError("PRINCIPAL_NOT_FOUND", { detail: `There is no user, group or domain ${uri}.` });
  return known;
}
