import { GroupGraph } from "../../chat/group-graph.ts";
import type { Principal, PrincipalKind, ScopeWord } from "../../chat/principal.ts";
import type { FoundPrincipals } from "../../management/ports.ts";
import { ids, limit, type Queries, type Value } from "./database.ts";
import { chunks } from "./management-rows.ts";

/**
 * True where principal q is, or contains, principal p: itself, a user's group, a user's domain. Groups in groups are looked up
 * beside it: `affiliation` has users only.
 */
const CONTAINS =
  "(q.id = p.id OR (q.kind = 'domain' AND p.kind = 'user' AND q.uri = SUBSTRING_INDEX(p.uri, '@', -1)) " +
  "OR EXISTS (SELECT 1 FROM affiliation a WHERE a.user_id = p.id AND a.group_id = q.id))";

/** A group may be given roles where a whole domain is allowed: its users are looked at one by one when they come. */
const CONTAINS_OR_HOLDS_DOMAIN = `(${CONTAINS} OR (p.kind = 'group' AND q.kind = 'domain' AND s.scope = 'allowed'))`;

/** The scope words that hold for each: the own ones, and those of what contains it. */
export async function readScopes(
  queries: Queries,
  categoryId: number,
  principalIds: readonly number[],
): Promise<Map<number, Set<ScopeWord>>> {
  const found = new Map<number, Set<ScopeWord>>();
  const add = (id: number, scope: ScopeWord) => {
    const words = found.get(id);
    if (words) words.add(scope);
    else found.set(id, new Set([scope]));
  };
  for (const chunk of chunks(principalIds)) {
    const rows = await queries.rows<{ id: number; scope: ScopeWord }>(
      "SELECT DISTINCT p.id, s.scope FROM category_scope s JOIN principal q ON q.id = s.principal_id " +
        `JOIN principal p ON p.id IN (?) AND ${CONTAINS_OR_HOLDS_DOMAIN} WHERE s.category_id = ?`,
      [ids(chunk), categoryId],
    );
    for (const { id, scope } of rows) add(id, scope);
  }
  const around = await groupsAround(queries, principalIds);
  if (around.size === 0) return found;
  const listed = await queries.rows<{ principal_id: number; scope: ScopeWord }>(
    "SELECT principal_id, scope FROM category_scope WHERE category_id = ?",
    [categoryId],
  );
  for (const [id, groups] of around)
    for (const { principal_id, scope } of listed) if (groups.has(principal_id)) add(id, scope);
  return found;
}

/** Of these, those with another principal around them (a group, the domain; themselves) in the room's list of members. */
export async function readMembersAmong(
  queries: Queries,
  roomId: number,
  principalIds: readonly number[],
): Promise<Set<number>> {
  const found = new Set<number>();
  for (const chunk of chunks(principalIds)) {
    const rows = await queries.rows<{ id: number }>(
      "SELECT DISTINCT p.id FROM room_role rr JOIN principal q ON q.id = rr.principal_id " +
        `JOIN principal p ON p.id IN (?) AND ${CONTAINS} WHERE rr.room_id = ? AND rr.role = 'member'`,
      [ids(chunk), roomId],
    );
    for (const { id } of rows) found.add(id);
  }
  const around = await groupsAround(queries, principalIds);
  if (around.size === 0) return found;
  const members = await groupsListed(queries, MEMBER_GROUPS, roomId);
  for (const [id, groups] of around) if (members.some((member) => groups.has(member))) found.add(id);
  return found;
}

/**
 * Principals in the category's scope whose name or address holds the text, in the order of addresses; a group's users are among them.
 * @param kind only these
 */
export async function readEligible(
  queries: Queries,
  categoryId: number,
  text: string,
  amongMembersOf: number | undefined,
  atMost: number,
  kind?: PrincipalKind,
): Promise<FoundPrincipals> {
  const pattern = `%${text.replace(/[\\%_]/g, "\\$&")}%`;
  const graph = await groupGraph(queries);
  const within = (groups: readonly number[]) =>
    ids([...new Set(groups.flatMap((id) => [...graph.within(id)]))]);
  const allowed = within(await groupsListed(queries, ALLOWED_GROUPS, categoryId));
  const denied = within(await groupsListed(queries, DENIED_GROUPS, categoryId));
  const scoped =
    "SELECT 1 FROM category_scope s JOIN principal q ON q.id = s.principal_id WHERE s.category_id = ?";
  let sql =
    "SELECT p.id, p.uri, p.kind, p.display_name FROM principal p " +
    "WHERE (p.uri LIKE LOWER(?) OR LOWER(p.display_name) LIKE LOWER(?)) " +
    `AND (p.id IN (?) OR EXISTS (${scoped} AND s.scope = 'allowed' AND ${CONTAINS_OR_HOLDS_DOMAIN})) ` +
    `AND p.id NOT IN (?) AND NOT EXISTS (${scoped} AND s.scope = 'denied' AND ${CONTAINS}) `;
  const values: Value[] = [pattern, pattern, allowed, categoryId, denied, categoryId];
  if (kind !== undefined) {
    sql += "AND p.kind = ? ";
    values.push(kind);
  }
  if (amongMembersOf !== undefined) {
    sql +=
      "AND (p.id IN (?) OR EXISTS (SELECT 1 FROM room_role rr JOIN principal q ON q.id = rr.principal_id " +
      `WHERE rr.room_id = ? AND rr.role = 'member' AND ${CONTAINS})) `;
    values.push(within(await groupsListed(queries, MEMBER_GROUPS, amongMembersOf)), amongMembersOf);
  }
  const rows = await queries.rows<{ id: number; uri: string; kind: PrincipalKind; display_name: string }>(
    `${sql} ORDER BY p.uri ${limit(atMost + 1)}`,
    values,
  );
  const found: Principal[] = rows
    .slice(0, atMost)
    .map(({ display_name, ...row }) => ({ ...row, displayName: display_name }));
  return { found, more: rows.length > atMost };
}

const ALLOWED_GROUPS =
  "category_scope l JOIN principal g ON g.id = l.principal_id WHERE l.scope = 'allowed' AND l.category_id = ?";
const DENIED_GROUPS =
  "category_scope l JOIN principal g ON g.id = l.principal_id WHERE l.scope = 'denied' AND l.category_id = ?";
const MEMBER_GROUPS =
  "room_role l JOIN principal g ON g.id = l.principal_id WHERE l.role = 'member' AND l.room_id = ?";

async function groupsListed(queries: Queries, list: string, id: number): Promise<number[]> {
  const rows = await queries.rows<{ id: number }>(`SELECT g.id FROM ${list} AND g.kind = 'group'`, [id]);
  return rows.map((row) => row.id);
}

/** Per group among these the groups that it is in, directly or not; itself among them. */
async function groupsAround(
  queries: Queries,
  principalIds: readonly number[],
): Promise<Map<number, Set<number>>> {
  const groups: number[] = [];
  for (const chunk of chunks(principalIds)) {
    const rows = await queries.rows<{ id: number }>(
      "SELECT id FROM principal WHERE id IN (?) AND kind = 'group'",
      [ids(chunk)],
    );
    groups.push(...rows.map(({ id }) => id));
  }
  if (groups.length === 0) return new Map();
  const graph = await groupGraph(queries);
  return new Map(groups.map((id) => [id, graph.around([id])]));
}

async function groupGraph(queries: Queries): Promise<GroupGraph> {
  return new GroupGraph(
    await queries.rows<{ groupId: number; memberId: number }>(
      "SELECT group_id AS groupId, member_id AS memberId FROM membership WHERE member_kind = 'group'",
    ),
  );
}
