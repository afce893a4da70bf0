import { ids, limit, type Queries, type Value } from "./database.ts";

/** Pairs of user and room in one statement. */
const PORTION = 1_000;

interface Pair {
  user_id: number;
  room_id: number;
}

/** Whose invitations: what is left out is not narrowed by. At least one of them, or it is everybody's. */
export interface Which {
  readonly rooms?: readonly number[];
  readonly users?: readonly number[];
}

/**
 * Invites those who have become members of rooms that invite; to be called in the transaction that made them members, by whatever
 * way: a role was given to them, to a group or a domain of theirs, or they came into a group that has it. Who is invited already
 * is not invited again. Their clients are told within a second, wherever they are (`Invitations.look`).
 * @param through the principals that have the role; everybody's when left out
 */
export async function inviteMembers(
  queries: Queries,
  which: Which,
  through?: readonly number[],
): Promise<void> {
  if (which.rooms && !(await anyInvites(queries, which.rooms))) return;
  for (;;) {
    const narrow: Narrowed = { ...which, ...(through ? { through } : {}) };
    const found = await members(queries, narrow, true);
    if (found.length > 0) await invite(queries, found);
    if (found.length < PORTION) return;
  }
}

/**
 * Takes back the invitations of those who are members no longer, when the room is gone for instance; to be called in the
 * transaction that took the membership away.
 */
export async function withdrawInvitations(queries: Queries, which: Which): Promise<void> {
  const { sql, values } = conditions({ "i.room_id": which.rooms, "i.user_id": which.users });
  for (let after: Pair = { room_id: 0, user_id: 0 }; ; ) {
    const page = await queries.rows<Pair>(
      `SELECT i.room_id, i.user_id FROM invitation i WHERE ${sql} AND (i.room_id > ? OR (i.room_id = ? AND i.user_id > ?)) ` +
        `ORDER BY i.room_id, i.user_id ${limit(PORTION)}`,
      [...values, after.room_id, after.room_id, after.user_id],
    );
    const last = page.at(-1);
    if (!last) return;
    const rooms = [...new Set(page.map(({ room_id }) => room_id))];
    const users = [...new Set(page.map(({ user_id }) => user_id))];
    const entitled = new Set((await members(queries, { rooms, users }, false)).map(key));
    const gone = page.filter((pair) => !entitled.has(key(pair)));
    if (gone.length > 0)
      await queries.change("DELETE FROM invitation WHERE (room_id, user_id) IN (?)", [
        gone.map(({ room_id, user_id }) => [room_id, user_id]),
      ]);
    after = last;
  }
}

/** Nearly every call ends here: invitations are off unless an administrator wants them. */
async function anyInvites(queries: Queries, rooms: readonly number[]): Promise<boolean> {
  const found = await queries.rows(
    "SELECT 1 FROM room r JOIN category c ON c.id = r.category_id WHERE r.id IN (?) AND r.invitations = 1 AND c.invitations = 1 LIMIT 1",
    [ids(rooms)],
  );
  return found.length > 0;
}

interface Narrowed extends Which {
  readonly through?: readonly number[];
}

/** Members by the three ways there are. With `uninvited` a portion of those whom their room invites and who have no invitation yet. */
async function members(
  queries: Queries,
  { rooms, users, through }: Narrowed,
  uninvited: boolean,
): Promise<Pair[]> {
  const { sql, values } = conditions({ "rr.room_id": rooms, "u.id": users, "rr.principal_id": through });
  const inviting = uninvited
    ? "JOIN room r ON r.id = rr.room_id AND r.invitations = 1 JOIN category c ON c.id = r.category_id AND c.invitations = 1 "
    : "";
  const absent = uninvited
    ? " AND NOT EXISTS (SELECT 1 FROM invitation i WHERE i.room_id = rr.room_id AND i.user_id = u.id)"
    : "";
  const ways = [
    "JOIN principal u ON u.id = rr.principal_id AND u.kind = 'user'",
    "JOIN affiliation a ON a.group_id = rr.principal_id JOIN principal u ON u.id = a.user_id",
    "JOIN principal d ON d.id = rr.principal_id AND d.kind = 'domain' " +
      "JOIN principal u ON u.kind = 'user' AND SUBSTRING_INDEX(u.uri, '@', -1) = d.uri",
  ];
  const selects = ways.map(
    (way) =>
      `SELECT u.id AS user_id, rr.room_id FROM room_role rr ${inviting}${way} WHERE rr.role = 'member' AND ${sql}${absent}`,
  );
  const end = uninvited ? ` ORDER BY user_id, room_id ${limit(PORTION)}` : "";
  return queries.rows<Pair>(selects.join(" UNION ") + end, [...values, ...values, ...values]);
}

function conditions(narrow: Readonly<Record<string, readonly number[] | undefined>>): {
  sql: string;
  values: Value[];
} {
  const given = Object.entries(narrow).flatMap(([column, list]) => (list ? [{ column, list }] : []));
  return {
    sql: ["1 = 1", ...given.map(({ column }) => `${column} IN (?)`)].join(" AND "),
    values: given.map(({ list }) => ids(list)),
  };
}

/** @param pairs sorted by user, as the counters are locked in that order */
async function invite(queries: Queries, pairs: readonly Pair[]): Promise<void> {
  const roomsOf = new Map<number, number[]>();
  for (const { user_id, room_id } of pairs) roomsOf.set(user_id, [...(roomsOf.get(user_id) ?? []), room_id]);
  await queries.change(
    "INSERT INTO last_invitation (user_id, number) VALUES ? " +
      "ON DUPLICATE KEY UPDATE number = last_invitation.number + VALUES(number)",
    [[...roomsOf].map(([user, rooms]) => [user, rooms.length])],
  );
  const counters = await queries.rows<{ user_id: number; number: number; now_ms: number }>(
    "SELECT user_id, number, CAST(ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) AS UNSIGNED) AS now_ms FROM last_invitation WHERE user_id IN (?)",
    [[...roomsOf.keys()]],
  );
  const rows = counters.flatMap(({ user_id, number, now_ms }) => {
    const rooms = roomsOf.get(user_id) ?? [];
    return rooms.map((room, index) => [user_id, number - rooms.length + 1 + index, room, Number(now_ms)]);
  });
  await queries.change("INSERT INTO invitation (user_id, number, room_id, created_ms) VALUES ?", [rows]);
}

function key({ room_id, user_id }: Pair): string {
  return `${room_id} ${user_id}`;
}
