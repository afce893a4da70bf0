import type { Room } from "../../chat/room.ts";
import type { RoomQuery } from "../../chat/room-query.ts";
import type { User } from "../../chat/user.ts";
import { ids, limit, type Queries, type Value } from "./database.ts";
import { categoriesAround } from "./room-access.ts";
import { ROOM_COLUMNS, ROOM_JOINS, ROOM_TABLES, type RoomRow, roomOf } from "./room-rows.ts";
import { principalsAround } from "./user-store.ts";

/** Nobody types more words; each costs the database a comparison per room. */
const MAX_WORDS = 10;

/**
 * What `role.ts` calls "see", in SQL: rooms the user may see and that fit the query, sorted by name. Of rooms in which somebody is
 * now, those the user may "join" or "manage": who could not look at their participants is not told.
 */
export async function searchRooms(
  queries: Queries,
  query: RoomQuery,
  user: User,
  atMost: number,
): Promise<Room[]> {
  const { sql, values } = await roomConditions(queries, { ...query, disabled: query.disabled ?? false });
  const end = `ORDER BY name, id ${limit(atMost)}`;
  if (user.administrator) {
    const rows = await queries.rows<RoomRow>(
      `SELECT ${ROOM_COLUMNS} FROM ${ROOM_TABLES} WHERE ${sql} ${end}`,
      values,
    );
    return rows.map(roomOf);
  }
  const inScope = ids(await categoriesAround(queries, user.principalIds));
  // Once each, before the limit counts: several lists may bind the user to one room, by a group, the domain, himself.
  const byRole =
    `(SELECT DISTINCT ${ROOM_COLUMNS} FROM room_role rr JOIN room r ON r.id = rr.room_id ${ROOM_JOINS} ` +
    `WHERE rr.principal_id IN (?) AND rr.role IN (?) AND r.category_id IN (?) AND ${sql} ${end})`;
  if (query.disabled) {
    const rows = await queries.rows<RoomRow>(byRole, [
      ids(user.principalIds),
      ["manager"],
      inScope,
      ...values,
    ]);
    return rows.map(roomOf);
  }
  const withoutRole = query.participant === undefined ? ["open", "closed"] : ["open"];
  const rows = await queries.rows<RoomRow>(
    `(SELECT ${ROOM_COLUMNS} FROM ${ROOM_TABLES} ` +
      `WHERE r.category_id IN (?) AND r.privacy IN (?) AND ${sql} ${end}) UNION ${byRole} ${end}`,
    [inScope, withoutRole, ...values, ids(user.principalIds), ["member", "manager"], inScope, ...values],
  );
  return rows.map(roomOf);
}

/** Words in the name (or the description, when asked), without regard to case and accents; then the filters that are given. */
export async function roomConditions(
  queries: Queries,
  query: RoomQuery,
): Promise<{ sql: string; values: Value[] }> {
  const parts: string[] = [];
  const values: Value[] = [];
  const add = (sql: string, ...given: Value[]) => {
    parts.push(sql);
    values.push(...given);
  };
  if (query.disabled !== undefined) add("r.disabled = ?", query.disabled ? 1 : 0);
  const phrase = query.words.trim();
  const words = query.match === "phrase" ? [phrase] : phrase.split(/\s+/);
  const texts = words.filter(Boolean).slice(0, MAX_WORDS);
  if (texts.length > 0) {
    const patterns = texts.map((word) => `%${word.replace(/[\\%_]/g, "\\$&")}%`);
    const one = query.inDescription ? "(r.name LIKE ? OR r.description LIKE ?)" : "r.name LIKE ?";
    add(
      `(${patterns.map(() => one).join(query.match === "any" ? " OR " : " AND ")})`,
      ...patterns.flatMap((pattern) => (query.inDescription ? [pattern, pattern] : [pattern])),
    );
  }
  if (query.privacy !== undefined) add("r.privacy = ?", query.privacy);
  if (query.type !== undefined) add("r.type = ?", query.type);
  if (query.category !== undefined) add("c.guid = ?", query.category);
  if (query.addIn !== undefined) add("ai.name = ?", query.addIn);
  if (query.invitations !== undefined)
    add(`(r.invitations = 1 AND c.invitations = 1) = ${query.invitations ? 1 : 0}`);
  if (query.participant !== undefined)
    add(
      "r.id IN (SELECT dr.room_id FROM principal present JOIN dialog d ON d.user_id = present.id " +
        "JOIN dialog_room dr ON dr.token = d.token WHERE present.uri = ?)",
      query.participant,
    );
  for (const role of ["member", "manager"] as const) {
    const uri = query[role];
    if (uri === undefined) continue;
    add(
      "EXISTS (SELECT 1 FROM room_role held WHERE held.room_id = r.id AND held.role = ? AND held.principal_id IN (?))",
      role,
      ids(await principalsAround(queries, uri)),
    );
  }
  return { sql: parts.length > 0 ? parts.join(" AND ") : "TRUE", values };
}
