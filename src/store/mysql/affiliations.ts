import { ChatError } from "../../chat/errors.ts";
import { GroupGraph } from "../../chat/group-graph.ts";
import type { Queries } from "./database.ts";
import { type Afterwards, inPieces, type TellProgress } from "./management-afterwards.ts";
import type { Concluding } from "./management-store.ts";
import { chunksOf, lockedChunksOf, readByGroup } from "./membership-rows.ts";

/** Who is in which group now that was not, and the other way round. */
export interface Derived {
  /** Directly or not; a user counts once for each group. */
  readonly gained: number;
  readonly lost: number;
  readonly comers: ReadonlySet<number>;
  readonly leavers: ReadonlySet<number>;
  /** Groups in which other users are now. */
  readonly groups: readonly number[];
}

/** What followed from a change of memberships. */
export interface Consequences extends Pick<Derived, "gained" | "lost" | "groups"> {
  /** Rooms whose lists, or whose category's, name one of these groups. */
  readonly rooms: readonly number[];
}

/** Groups looked at together. */
const GROUPS_AT_ONCE = 100;
/** Rows of `affiliation` in the whole (Lync's own bound for entries of access). */
const MOST_AFFILIATIONS = 2_000_000;
/** Gains that are worth counting what there is. */
const MANY_GAINS = 10_000;
/** More at once are a matter of everybody's: looking at each would cost more than looking at all who are here. */
const MANY = 500;

/**
 * Brings `affiliation` up to date after the direct members of these groups changed, for them and all groups around them; in the
 * transaction of the change, under `lockMemberships`. `concludeMemberships` must follow.
 * @throws {ChatError} LIMIT_EXCEEDED when all groups together would have too many users
 */
export async function deriveAffiliations(
  queries: Queries,
  changedGroups: Iterable<number>,
  tell: TellProgress = () => {},
): Promise<Derived> {
  const edges = await queries.rows<{ groupId: number; memberId: number }>(
    "SELECT group_id AS groupId, member_id AS memberId FROM membership WHERE member_kind = 'group'",
  );
  const graph = new GroupGraph(edges);
  const [comers, leavers] = [new Set<number>(), new Set<number>()];
  const groups: number[] = [];
  let [gained, lost] = [0, 0];
  const affected = [...graph.around(changedGroups)].sort((a, b) => a - b);
  for (const some of chunksOf(affected, GROUPS_AT_ONCE)) {
    const wanted = await usersWithin(queries, graph, some);
    const known = await readByGroup(queries, "resolved", "user", some);
    const coming: [userId: number, groupId: number][] = [];
    for (const groupId of some) {
      const [is, shall] = [known.get(groupId) ?? new Set<number>(), wanted.get(groupId) ?? new Set<number>()];
      const going = [...is].filter((id) => !shall.has(id));
      const come = [...shall].filter((id) => !is.has(id));
      if (going.length === 0 && come.length === 0) continue;
      groups.push(groupId);
      for (const id of come) comers.add(id);
      for (const id of going) leavers.add(id);
      for (const id of come) coming.push([id, groupId]);
      for (const chunk of lockedChunksOf(going)) {
        await queries.change("DELETE FROM affiliation WHERE group_id = ? AND user_id IN (?)", [
          groupId,
          chunk,
        ]);
        lost += chunk.length;
        tell("rights by groups", gained + lost);
      }
    }
    for (const chunk of chunksOf(coming)) {
      await queries.change(
        "INSERT INTO affiliation (user_id, group_id) VALUES ? ON DUPLICATE KEY UPDATE user_id = affiliation.user_id",
        [chunk],
      );
      gained += chunk.length;
      tell("rights by groups", gained + lost);
    }
  }
  if (gained > MANY_GAINS && (await countAffiliations(queries)) > MOST_AFFILIATIONS)
    throw new ChatError("LIMIT_EXCEEDED", {
      detail: `All groups together would have more than ${MOST_AFFILIATIONS} users, those of groups in groups counted again.`,
    });
  return { gained, lost, comers, leavers, groups };
}

/**
 * Raises the access version of exactly the rooms concerned, so that what was decided there is decided again, invites who became a
 * member, and tells the nodes whom and what to look at. At the transaction's end: rooms are locked, in the order of their ids.
 */
export async function concludeMemberships(
  { queries, unit, afterwards }: Concluding,
  { gained, lost, comers, leavers, groups }: Derived,
): Promise<Consequences> {
  const rooms = await raiseVersions(queries, groups);
  await followInvitations(queries, groups, { comers, leavers }, afterwards);
  const users = new Set([...comers, ...leavers]);
  if (users.size + rooms.length > MANY) unit.changed({ kind: "everybody" });
  else {
    for (const id of users) unit.changed({ kind: "user", id });
    for (const id of rooms) unit.changed({ kind: "room", id });
  }
  return { gained, lost, groups, rooms };
}

/** Who became a member of a room by one of these groups is invited as any other, who is one no longer is not. */
async function followInvitations(
  queries: Queries,
  groups: readonly number[],
  { comers, leavers }: Pick<Derived, "comers" | "leavers">,
  afterwards: Afterwards,
): Promise<void> {
  for (const work of inPieces("withdraw", leavers)) afterwards(work);
  const members: number[] = [];
  for (const chunk of chunksOf(groups)) {
    const rows = await queries.rows<{ id: number }>(
      "SELECT DISTINCT principal_id AS id FROM room_role WHERE principal_id IN (?) AND role = 'member'",
      [chunk],
    );
    members.push(...rows.map(({ id }) => id));
  }
  if (members.length > 0) for (const work of inPieces("invite", comers, members)) afterwards(work);
}

export async function countAffiliations(queries: Queries): Promise<number> {
  const [row] = await queries.rows<{ n: number }>("SELECT COUNT(*) AS n FROM affiliation");
  return Number(row?.n ?? 0);
}

/**
 * Raises the access version of the rooms whose lists, or whose category's, name one of the groups, and the version of these
 * categories: who may create rooms there was decided under it. @returns the rooms' ids
 */
export async function raiseVersions(queries: Queries, groups: readonly number[]): Promise<number[]> {
  const rooms = new Set<number>();
  for (const chunk of lockedChunksOf(groups)) {
    await queries.change(
      "UPDATE category SET version = version + 1 WHERE id IN (SELECT category_id FROM category_scope WHERE principal_id IN (?))",
      [chunk],
    );
    const rows = await queries.rows<{ id: number }>(
      "SELECT room_id AS id FROM room_role WHERE principal_id IN (?) " +
        "UNION SELECT r.id FROM category_scope s JOIN room r ON r.category_id = s.category_id WHERE s.principal_id IN (?)",
      [chunk, chunk],
    );
    for (const { id } of rows) rooms.add(id);
  }
  const ordered = [...rooms].sort((a, b) => a - b);
  for (const chunk of lockedChunksOf(ordered))
    await queries.change("UPDATE room SET access_version = access_version + 1 WHERE id IN (?)", [chunk]);
  return ordered;
}

async function usersWithin(
  queries: Queries,
  graph: GroupGraph,
  groupIds: readonly number[],
): Promise<Map<number, Set<number>>> {
  const within = new Map(groupIds.map((id) => [id, graph.within(id)]));
  const direct = new Map<number, Set<number>>();
  const all = [...new Set([...within.values()].flatMap((found) => [...found]))];
  for (const some of chunksOf(all, GROUPS_AT_ONCE))
    for (const [groupId, users] of await readByGroup(queries, "direct", "user", some))
      direct.set(groupId, users);
  const found = new Map<number, Set<number>>();
  for (const [groupId, inner] of within) {
    const users = new Set<number>();
    for (const id of inner) for (const userId of direct.get(id) ?? []) users.add(userId);
    found.set(groupId, users);
  }
  return found;
}
