import type { Category, ReadingMode } from "../../chat/category.ts";
import type { PrincipalKind } from "../../chat/principal.ts";
import type { Room } from "../../chat/room.ts";
import type { CategoryName, KnownPrincipal, Listed, Listings, RoomName } from "../../management/ports.ts";
import { limit, type Queries, type Value } from "./database.ts";
import { ROOM_COLUMNS, ROOM_TABLES, type RoomRow, roomOf } from "./room-rows.ts";

/** Values in one list of a statement. */
export const CHUNK = 2_000;

export function chunks<Item>(items: readonly Item[]): Item[][] {
  const list: Item[][] = [];
  for (let from = 0; from < items.length; from += CHUNK) list.push(items.slice(from, from + CHUNK));
  return list;
}

/** By any of its names; "several" when rooms of several domains have this one. */
export async function findRoom(queries: Queries, name: RoomName): Promise<Room | "several" | undefined> {
  const [where, values] = roomCondition(name);
  const rows = await queries.rows<RoomRow>(
    `SELECT ${ROOM_COLUMNS} FROM ${ROOM_TABLES} WHERE ${where} LIMIT 2`,
    values,
  );
  return rows.length > 1 ? "several" : rows[0] && roomOf(rows[0]);
}

function roomCondition(name: RoomName): [where: string, values: Value[]] {
  if ("id" in name) return ["r.id = ?", [name.id]];
  if ("guid" in name)
    return ["r.guid = ? AND r.domain = ?", [name.guid.toLowerCase(), name.domain.toLowerCase()]];
  return ["r.name = ?", [name.name]];
}

/** Sorted by name; all of them unless one is named. */
export async function readCategories(queries: Queries, name?: CategoryName): Promise<Category[]> {
  type Row = Record<"id" | "invitations" | "file_upload" | "chat_history" | "version", number> &
    Record<"guid" | "name" | "description", string> & { reading: ReadingMode };
  const [where, values]: [string, Value[]] =
    name === undefined
      ? ["TRUE", []]
      : "id" in name
        ? ["id = ?", [name.id]]
        : "guid" in name
          ? ["guid = ?", [name.guid.toLowerCase()]]
          : ["name = ?", [name.name]];
  const rows = await queries.rows<Row>(
    `SELECT id, guid, name, description, invitations, file_upload, chat_history, reading, version FROM category WHERE ${where} ORDER BY name`,
    values,
  );
  return rows.map(
    ({ id, guid, name: called, description, invitations, file_upload, chat_history, reading, version }) => ({
      id,
      guid,
      name: called,
      description,
      invitations: invitations === 1,
      fileUpload: file_upload === 1,
      chatHistory: chat_history === 1,
      reading,
      version,
    }),
  );
}

interface PrincipalRow {
  id: number;
  uri: string;
  kind: PrincipalKind;
  display_name: string;
  email: string | null;
  enabled: number | null;
  may_create: number | null;
  administrator: number;
}

export async function readPrincipals(
  queries: Queries,
  uris: readonly string[],
): Promise<Map<string, KnownPrincipal>> {
  const found = new Map<string, KnownPrincipal>();
  const word = (value: number | null) => (value === null ? null : value === 1);
  for (const chunk of chunks(uris)) {
    const rows = await queries.rows<PrincipalRow>(
      "SELECT id, uri, kind, display_name, email, enabled, may_create, administrator FROM principal WHERE uri IN (?)",
      [chunk],
    );
    for (const { id, uri, kind, display_name, email, enabled, may_create, administrator } of rows)
      found.set(uri, {
        id,
        uri,
        kind,
        displayName: display_name,
        email,
        enabled: word(enabled),
        mayCreateRooms: word(may_create),
        administrator: administrator === 1,
      });
  }
  return found;
}

/** The lists that name this principal itself, by name. */
export async function readListings(queries: Queries, principalId: number): Promise<Listings> {
  const rooms = await queries.rows<Listings["rooms"][number]>(
    "SELECT r.id, r.name, rr.role AS word FROM room_role rr JOIN room r ON r.id = rr.room_id WHERE rr.principal_id = ? ORDER BY r.name, rr.role",
    [principalId],
  );
  const categories = await queries.rows<Listings["categories"][number]>(
    "SELECT c.id, c.name, s.scope AS word FROM category_scope s JOIN category c ON c.id = s.category_id WHERE s.principal_id = ? ORDER BY c.name",
    [principalId],
  );
  return { rooms, categories };
}

/** A room's roles or a category's scope. */
export interface WhichList {
  readonly table: "room_role" | "category_scope";
  readonly id: number;
}

const LIST_COLUMNS = {
  room_role: { of: "room_id", word: "role" },
  category_scope: { of: "category_id", word: "scope" },
} as const;

/** More than any list has. */
export const WHOLE_LIST = 2_000_000;

/** By word, then by address; of one word, if one is given, and only what comes behind an address. */
export async function readList<Word>(
  queries: Queries,
  { table, id, word, after }: WhichList & { readonly word?: string; readonly after?: string | undefined },
  atMost: number,
): Promise<Listed<Word>[]> {
  type Row = { id: number; uri: string; kind: PrincipalKind; display_name: string; word: Word };
  const column = LIST_COLUMNS[table];
  const conditions = [`l.${column.of} = ?`];
  const values: Value[] = [id];
  if (word !== undefined) {
    conditions.push(`l.${column.word} = ?`);
    values.push(word);
  }
  if (after !== undefined) {
    conditions.push("p.uri > ?");
    values.push(after);
  }
  // In this order: all addresses there are, looked through in theirs, would be the longer way to a short list.
  const rows = await queries.rows<Row>(
    `SELECT p.id, p.uri, p.kind, p.display_name, l.${column.word} AS word ` +
      `FROM ${table} l STRAIGHT_JOIN principal p ON p.id = l.principal_id WHERE ${conditions.join(" AND ")} ` +
      `ORDER BY l.${column.word}, p.uri ${limit(atMost)}`,
    values,
  );
  return rows.map(({ display_name, ...row }) => ({ ...row, displayName: display_name }));
}

/** How many there are of each word; a word of which there is none is absent. */
export async function countList<Word extends string>(
  queries: Queries,
  { table, id }: WhichList,
): Promise<Map<Word, number>> {
  const column = LIST_COLUMNS[table];
  const rows = await queries.rows<{ word: Word; count: number }>(
    `SELECT ${column.word} AS word, COUNT(*) AS count FROM ${table} WHERE ${column.of} = ? GROUP BY ${column.word}`,
    [id],
  );
  return new Map(rows.map(({ word, count }) => [word, Number(count)]));
}
