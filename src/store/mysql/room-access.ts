import { type Role, SCOPES, type ScopeWord } from "../../chat/principal.ts";
import { type Access, accessOf, type Bindings } from "../../chat/role.ts";
import type { Room } from "../../chat/room.ts";
import type { User } from "../../chat/user.ts";
import { ids, type Queries } from "./database.ts";

interface BindingRow {
  kind: "role" | "scope";
  id: number;
  word: Role | ScopeWord;
}

/** What a user is looked up by, and what the lists do not say of him. */
export type Holder = Pick<User, "principalIds" | "administrator" | "mayCreateRooms">;

/**
 * What binds a user to rooms, read in one statement that costs the same whatever it finds: roles by room, scope by category.
 */
export async function readAccess(
  queries: Queries,
  rooms: readonly Pick<Room, "id" | "categoryId">[],
  user: Holder,
): Promise<Access[]> {
  const { principalIds } = user;
  const categories = [...new Set(rooms.map(({ categoryId }) => categoryId))];
  const rows = await queries.rows<BindingRow>(
    "SELECT 'role' AS kind, room_id AS id, role AS word FROM room_role WHERE room_id IN (?) AND principal_id IN (?) " +
      "UNION ALL SELECT 'scope', category_id, scope FROM category_scope WHERE category_id IN (?) AND principal_id IN (?)",
    [ids(rooms.map(({ id }) => id)), ids(principalIds), ids(categories), ids(principalIds)],
  );
  const scopes = new Map<number, Set<ScopeWord>>();
  const roles = new Map<number, Set<Role>>();
  for (const row of rows) sort(row, scopes, roles);
  return rooms.map(({ id, categoryId }) =>
    accessOf(scopes.get(categoryId) ?? new Set(), roles.get(id) ?? new Set(), user),
  );
}

/** Everybody's, for one room. */
export async function readBindings(
  queries: Queries,
  room: Pick<Room, "id" | "categoryId">,
): Promise<Bindings> {
  const rows = await queries.rows<BindingRow>(
    "SELECT 'role' AS kind, principal_id AS id, role AS word FROM room_role WHERE room_id = ? " +
      "UNION ALL SELECT 'scope', principal_id, scope FROM category_scope WHERE category_id = ?",
    [room.id, room.categoryId],
  );
  const scope = new Map<number, Set<ScopeWord>>();
  const roles = new Map<number, Set<Role>>();
  for (const row of rows) sort(row, scope, roles);
  return { scope, roles };
}

/** A user's access to categories, one answer per category. */
export async function readCategoryAccess(
  queries: Queries,
  categoryIds: readonly number[],
  user: Holder,
): Promise<Access[]> {
  const rows = await queries.rows<{ id: number; word: ScopeWord }>(
    "SELECT category_id AS id, scope AS word FROM category_scope WHERE category_id IN (?) AND principal_id IN (?)",
    [ids(categoryIds), ids(user.principalIds)],
  );
  const scopes = new Map<number, Set<ScopeWord>>();
  for (const { id, word } of rows) add(scopes, id, word);
  return categoryIds.map((id) => accessOf(scopes.get(id) ?? new Set(), new Set(), user));
}

/** Categories in whose scope the user is. */
export async function categoriesAround(queries: Queries, principalIds: readonly number[]): Promise<number[]> {
  const rows = await queries.rows<{ category_id: number; denied: number }>(
    "SELECT category_id, MAX(scope = 'denied') AS denied FROM category_scope " +
      "WHERE principal_id IN (?) AND scope IN ('allowed', 'denied') GROUP BY category_id",
    [ids(principalIds)],
  );
  return rows.filter(({ denied }) => Number(denied) === 0).map(({ category_id }) => category_id);
}

function sort(
  { kind, id, word }: BindingRow,
  scopes: Map<number, Set<ScopeWord>>,
  roles: Map<number, Set<Role>>,
): void {
  if (kind === "role")
    add(roles, id, word as Role); // the columns' own types: role or scope by kind
  else if (SCOPES.some((one) => one === word)) add(scopes, id, word as ScopeWord); // as above
}

function add<Word>(found: Map<number, Set<Word>>, id: number, word: Word): void {
  const words = found.get(id);
  if (words) words.add(word);
  else found.set(id, new Set([word]));
}
