import { limit, type Queries } from "./database.ts";

export type MembershipSource = "manual" | "directory";

/** One direct membership, as given. */
export interface Membership {
  readonly groupId: number;
  readonly memberKind: "user" | "group";
  readonly memberId: number;
}

/** Rows in one statement that inserts or only reads. */
const ROWS = 2_000;
const ROWS_READ = 50_000;
/** Values in a list by which rows are locked: beyond 1,000 MariaDB locks every row there is. */
const LOCKED = 900;

export function chunksOf<Item>(items: readonly Item[], size = ROWS): Item[][] {
  const list: Item[][] = [];
  for (let from = 0; from < items.length; from += size) list.push(items.slice(from, from + size));
  return list;
}

export function lockedChunksOf<Item>(items: readonly Item[]): Item[][] {
  return chunksOf(items, LOCKED);
}

/** Until the transaction ends nobody else changes memberships, nor what follows from them. */
export async function lockMemberships(queries: Queries): Promise<void> {
  await queries.rows("SELECT value FROM setting WHERE name = 'memberships' FOR UPDATE");
}

/** Those that are there already stay. */
export async function insertMemberships(
  queries: Queries,
  source: MembershipSource,
  memberships: readonly Membership[],
  inserted: (done: number) => void = () => {},
): Promise<void> {
  let done = 0;
  for (const chunk of chunksOf(memberships)) {
    await queries.change(
      "INSERT INTO membership (group_id, member_kind, member_id, source) VALUES ? " +
        "ON DUPLICATE KEY UPDATE source = membership.source",
      [chunk.map(({ groupId, memberKind, memberId }) => [groupId, memberKind, memberId, source])],
    );
    done += chunk.length;
    inserted(done);
  }
}

export async function deleteMemberships(
  queries: Queries,
  source: MembershipSource,
  memberships: readonly Membership[],
): Promise<void> {
  const lists = new Map<string, Membership[]>();
  for (const membership of memberships) {
    const key = `${membership.groupId} ${membership.memberKind}`;
    const list = lists.get(key);
    if (list) list.push(membership);
    else lists.set(key, [membership]);
  }
  for (const list of lists.values())
    for (const chunk of lockedChunksOf(list)) {
      const [first] = chunk;
      if (first)
        await queries.change(
          "DELETE FROM membership WHERE group_id = ? AND member_kind = ? AND source = ? AND member_id IN (?)",
          [first.groupId, first.memberKind, source, chunk.map(({ memberId }) => memberId)],
        );
    }
}

const READING = {
  direct: { column: "member_id", from: "membership WHERE" },
  manual: { column: "member_id", from: "membership WHERE source = 'manual' AND" },
  directory: { column: "member_id", from: "membership WHERE source = 'directory' AND" },
  resolved: { column: "user_id", from: "affiliation WHERE" },
} as const;

/** Members by group: the direct ones, those of them of one source, or all users; so many rows a statement that none takes long. */
export async function readByGroup(
  queries: Queries,
  which: keyof typeof READING,
  kind: Membership["memberKind"],
  groupIds: readonly number[],
): Promise<Map<number, Set<number>>> {
  const { column, from } = READING[which];
  const ofKind = which === "resolved" ? [] : [kind];
  const found = new Map<number, Set<number>>();
  for (let after = { groupId: 0, memberId: 0 }; ; ) {
    const rows = await queries.rows<{ groupId: number; memberId: number }>(
      `SELECT group_id AS groupId, ${column} AS memberId FROM ${from} ${ofKind.length > 0 ? "member_kind = ? AND" : ""} group_id IN (?) ` +
        `AND (group_id > ? OR (group_id = ? AND ${column} > ?)) ORDER BY group_id, ${column} ${limit(ROWS_READ)}`,
      [...ofKind, groupIds, after.groupId, after.groupId, after.memberId],
    );
    for (const { groupId, memberId } of rows) {
      const members = found.get(groupId);
      if (members) members.add(memberId);
      else found.set(groupId, new Set([memberId]));
    }
    const last = rows.at(-1);
    if (!last || rows.length < ROWS_READ) return found;
    after = last;
  }
}
