import { type Database, ids, limit, type Queries, type Value } from "./database.ts";

/** Pairs of user and room in one statement: of a list of 1,000 numbers MariaDB makes a table, and may then lock every row. */
const PORTION = 400;

interface Pair {
  user_id: number;
  room_id: number;
}

const BEGINNING: Pair = { user_id: 0, room_id: 0 };

/** Told after each portion how many pairs it was; what it throws ends the work there. */
export type Looked = (more: number) => Promise<void>;

/** Whose invitations: what is left out is not narrowed by. At least one of them, or it is everybody's. */
export interface Which {
  readonly rooms?: readonly number[];
  readonly users?: readonly number[];
}

/**
 * Invites those who have become members of rooms that invite; to be called when the change is committed that made them members, by
 * whatever way: a role was given to them, to a group or a domain of theirs, or they came into a group that has it. Who is invited
 * already is not invited again, so it may be called twice. Many are invited in portions: nothing is locked for long. Their clients
 * are told within a second, wherever they are (`Invitations.look`).
 * @param through the principals that have the role; everybody's when left out
 */
export async function inviteMembers(
  database: Database,
  which: Which,
  through?: readonly number[],
  looked: Looked = async () => {},
): Promise<void> {
  if (which.rooms && !(await anyInvites(database, which.rooms))) return;
  const narrow: Narrowed = { ...which, ...(through ? { through } : {}) };
  for (let after: Pair | undefined = BEGINNING; after; ) {
    const from: Pair = after;
    const invited = await database.transaction(async (queries) => {
      const found = await members(queries, narrow, from);
      if (found.length > 0) await invite(queries, found);
      return found;
    });
    await looked(invited.length);
    after = invited.length < PORTION ? undefined : invited.at(-1);
  }
}

/**
 * Takes back the invitations of those who are members no longer, when the room is gone for instance; to be called when that is
 * committed. Until then, and whatever happens in between, they are not shown: whether one holds is decided when it is told.
 * @param through the principals that have lost the role, so that no others are looked at when they are all users
 */
export async function withdrawInvitations(
  database: Database,
  which: Which,
  through?: readonly number[],
  looked: Looked = async () => {},
): Promise<void> {
  const users = through && (await onlyUsers(database, through)) ? { users: through } : {};
  for (let after: Pair | undefined = BEGINNING; after; ) {
    const from: Pair = after;
    const page = await database.transaction((queries) =>
      withdrawPortion(queries, { ...which, ...users }, from),
    );
    await looked(page.length);
    after = page.at(-1);
  }
}

/** @returns the pairs looked at, none when there are no more */
async function withdrawPortion(queries: Queries, which: Which, after: Pair): Promise<readonly Pair[]> {
  const { sql, values } = conditions({ "i.room_id": which.rooms, "i.user_id": which.users });
  const page = await queries.rows<Pair>(
    `SELECT i.room_id, i.user_id FROM invitation i WHERE ${sql} AND (i.room_id > ? OR (i.room_id = ? AND i.user_id > ?)) ` +
      `ORDER BY i.room_id, i.user_id ${limit(PORTION)}`,
    [...values, after.room_id, after.room_id, after.user_id],
  );
  const rooms = [...new Set(page.map(({ room_id }) => room_id))];
  const users = [...new Set(page.map(({ user_id }) => user_id))];
  const entitled = new Set((await members(queries, { rooms, users })).map(key));
  const gone = page.filter((pair) => !entitled.has(key(pair)));
  if (gone.length > 0)
    await queries.change("DELETE FROM invitation WHERE (room_id, user_id) IN (?)", [
      gone.map(({ room_id, user_id }) => [room_id, user_id]),
    ]);
  return page;
}

async function onlyUsers(queries: Queries, principals: readonly number[]): Promise<boolean> {
  const users = await queries.rows("SELECT id FROM principal WHERE id IN (?) AND kind = 'user'", [
    ids(principals),
  ]);
  return users.length === new Set(principals).size; // a domain or group that is gone by now was no user
}

/** Whether one of these rooms invites whom it gets as a member. */
export async function anyInvites(queries: Queries, rooms: readonly number[]): Promise<boolean> {
  const found = await queries.rows(
    "SELECT 1 FROM room r JOIN category c ON c.id = r.category_id WHERE r.id IN (?) AND r.invitations = 1 AND c.invitations = 1 LIMIT 1",
    [ids(rooms)],
  );
  return found.length > 0;
}

interface Narrowed extends Which {
  readonly through?: readonly number[];
}

/**
 * Members by the three ways there are. With `after` the next portion behind that pair, by user and room, of those whom their room
 * invites and who have no invitation yet.
 */
async function members(queries: Queries, narrow: Narrowed, after?: Pair): Promise<Pair[]> {
  const { rooms, users, through } = narrow;
  const { sql, values } = conditions({ "rr.room_id": rooms, "u.id": users, "rr.principal_id": through });
  const inviting = after
    ? "JOIN room r ON r.id = rr.room_id AND r.invitations = 1 JOIN category c ON c.id = r.category_id AND c.invitations = 1 "
    : "";
  const absent = after
    ? " AND u.id >= ? AND (u.id > ? OR rr.room_id > ?) " +
      "AND NOT EXISTS (SELECT 1 FROM invitation i WHERE i.room_id = rr.room_id AND i.user_id = u.id)"
    : "";
  if (after) values.push(after.user_id, after.user_id, after.room_id);
  const ways = [
    "JOIN principal u ON u.id = rr.principal_id AND u.kind = 'user'",
    "JOIN affiliation a ON a.group_id = rr.principal_id JOIN principal u ON u.id = a.user_id",
    "JOIN principal d ON d.id = rr.principal_id AND d.kind = 'domain' " +
      "JOIN principal u ON u.kind = 'user' AND SUBSTRING_INDEX(u.uri, '@', -1) = d.uri",
  ];
  const end = after ? ` ORDER BY user_id, room_id ${limit(PORTION)}` : "";
  const selects = ways.map(
    (way) =>
      `(SELECT u.id AS user_id, rr.room_id FROM room_role rr ${inviting}${way} WHERE rr.role = 'member' AND ${sql}${absent}${end})`,
  );
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
  await queries.change(
    "INSERT INTO last_invitation (user_id, number) VALUES ? ON DUPLICATE KEY UPDATE number = last_invitation.number",
    [[...new Set(pairs.map(({ user_id }) => user_id))].map((user) => [user, 0])],
  );
  // Somebody else may have invited them until the counters were ours: no number is given in vain.
  const there = await queries.rows<Pair>(
    "SELECT room_id, user_id FROM invitation WHERE (room_id, user_id) IN (?)",
    [pairs.map(({ room_id, user_id }) => [room_id, user_id])],
  );
  const invited = new Set(there.map(key));
  const roomsOf = new Map<number, number[]>();
  for (const { user_id, room_id } of pairs.filter((pair) => !invited.has(key(pair))))
    roomsOf.set(user_id, [...(roomsOf.get(user_id) ?? []), room_id]);
  if (roomsOf.size === 0) return;
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
