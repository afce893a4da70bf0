import { type Access, NO_ACCESS } from "../../chat/role.ts";
import type { Room } from "../../chat/room.ts";
import { ids, type Queries } from "./database.ts";

interface BindingRow {
  kind: "role" | "scope";
  id: number;
  word: "member" | "manager" | "presenter" | "allowed" | "denied" | "creator";
}

/**
 * What binds principals to rooms, read in one statement that costs the same whatever it finds: roles by room, scope by
 * category. Nobody is in scope of a category that allows nobody; denied wins over allowed, and over every role.
 */
export async function readAccess(
  queries: Queries,
  rooms: readonly Pick<Room, "id" | "categoryId">[],
  principalIds: readonly number[],
): Promise<Access[]> {
  const categories = [...new Set(rooms.map(({ categoryId }) => categoryId))];
  const rows = await queries.rows<BindingRow>(
    "SELECT 'role' AS kind, room_id AS id, role AS word FROM room_role WHERE room_id IN (?) AND principal_id IN (?) " +
      "UNION ALL SELECT 'scope', category_id, scope FROM category_scope WHERE category_id IN (?) AND principal_id IN (?)",
    [ids(rooms.map(({ id }) => id)), ids(principalIds), ids(categories), ids(principalIds)],
  );
  const words = new Map<string, Set<string>>();
  for (const { kind, id, word } of rows) {
    const key = `${kind}:${id}`;
    const found = words.get(key);
    if (found) found.add(word);
    else words.set(key, new Set([word]));
  }
  return rooms.map(({ id, categoryId }) => {
    const roles = words.get(`role:${id}`);
    const scope = words.get(`scope:${categoryId}`);
    if ((!roles && !scope) || scope?.has("denied")) return NO_ACCESS;
    return {
      inScope: scope?.has("allowed") ?? false,
      member: roles?.has("member") ?? false,
      manager: roles?.has("manager") ?? false,
      presenter: roles?.has("presenter") ?? false,
    };
  });
}

/** Categories in whose scope one of the principals is, and those that deny one of them. */
export async function categoriesAround(
  queries: Queries,
  principalIds: readonly number[],
): Promise<{ inScope: number[]; denied: number[] }> {
  const rows = await queries.rows<{ category_id: number; denied: number }>(
    "SELECT category_id, MAX(scope = 'denied') AS denied FROM category_scope " +
      "WHERE principal_id IN (?) AND scope IN ('allowed', 'denied') GROUP BY category_id",
    [ids(principalIds)],
  );
  const idsOf = (denied: boolean) =>
    rows.filter((row) => (Number(row.denied) === 1) === denied).map((row) => row.category_id);
  return { inScope: idsOf(false), denied: idsOf(true) };
}
