import { ChatError } from "../../chat/errors.ts";
import type { Actor } from "../../management/actor.ts";
import { principalUri } from "../../management/addresses.ts";
import { dismissUser, leaveLists, oneOfKind } from "../../management/people.ts";
import type { Listings } from "../../management/ports.ts";
import { type Consequences, concludeMemberships, deriveAffiliations } from "./affiliations.ts";
import { type Database, limit, type Queries } from "./database.ts";
import { type ImportLine, type ImportResult, importMemberships } from "./group-import.ts";
import { recordMemberships } from "./group-records.ts";
import { findGroup, type GroupName, type KnownGroup } from "./group-rows.ts";
import type { MysqlManagementStore } from "./management-store.ts";
import {
  chunksOf,
  deleteMemberships,
  insertMemberships,
  type Membership,
  type MembershipSource,
  readByGroup,
} from "./membership-rows.ts";

interface Memberships {
  readonly added: readonly Membership[];
  readonly removed: readonly Membership[];
}

export interface GroupView {
  readonly id: number;
  readonly uri: string;
  readonly displayName: string;
  /** In the directory when it was read last. */
  readonly dn: string | null;
  /** Direct members, users and groups. */
  readonly members: number;
  /** Users in it, directly or not. */
  readonly users: number;
}

export interface MemberView {
  readonly uri: string;
  readonly displayName: string;
  readonly kind: "user" | "group";
  /** Null: by way of another group. */
  readonly sources: readonly MembershipSource[] | null;
}

/** The lists that named a user, and the groups he was in directly: those by the directory alone stay. */
export interface RemovedUser extends Listings {
  readonly groups: readonly { readonly name: string; readonly source: MembershipSource }[];
}

/** The lists that named the group. */
export interface RemovedGroup extends Consequences {
  readonly listings: Listings;
}

/** Groups and who is in them by hand. What the directory says stays its own. @throws {ChatError} from each */
export function groupAdministration(database: Database, store: MysqlManagementStore, me: Actor) {
  const changeMembers = (
    name: GroupName,
    change: (queries: Queries, group: KnownGroup) => Promise<Memberships>,
  ): Promise<Consequences> =>
    store.changeMemberships(
      me,
      async (queries, tell) => {
        const group = await findGroup(queries, name);
        const changed = await change(queries, group);
        return { changed, derived: await deriveAffiliations(queries, [group.id], tell) };
      },
      async (concluding, { changed, derived }) => {
        await recordMemberships(concluding, changed);
        return concludeMemberships(concluding, derived);
      },
    );

  return {
    /** Users and groups join the group; who is in it stays. */
    addToGroup: (group: GroupName, memberUris: readonly string[]): Promise<Consequences> =>
      changeMembers(group, async (queries, { id }) => {
        const wanted = await membershipsOf(queries, id, memberUris);
        const added = await missingByHand(queries, id, wanted);
        await insertMemberships(queries, "manual", added);
        return { added, removed: [] };
      }),

    /** PRINCIPAL_NOT_FOUND when it is no member; BAD_REQUEST when only the directory says that it is one. */
    removeFromGroup: (group: GroupName, memberUri: string): Promise<Consequences> =>
      changeMembers(group, async (queries, { id, uri }) => {
        const removed = await membershipsOf(queries, id, [memberUri]);
        const [known] = removed;
        const rows = await queries.rows<{ source: MembershipSource }>(
          "SELECT source FROM membership WHERE group_id = ? AND member_kind = ? AND member_id = ?",
          [id, known?.memberKind ?? "user", known?.memberId ?? 0],
        );
        if (rows.length === 0)
          throw new ChatError("PRINCIPAL_NOT_FOUND", { detail: `${memberUri} is not in ${uri}.` });
        if (!rows.some(({ source }) => source === "manual"))
          throw new ChatError("BAD_REQUEST", {
            detail: `${memberUri} is in ${uri} by the directory: take it out there, or it comes back.`,
          });
        await deleteMemberships(queries, "manual", removed);
        return { added: [], removed };
      }),

    /**
     * Takes a user off the pool: out of every list, and out of the groups that he is in by hand. What the directory says stays its
     * own, and gives nothing to who may not take part. PRINCIPAL_NOT_FOUND.
     */
    removeUser: (uri: string): Promise<RemovedUser> =>
      store.changeMemberships(
        me,
        async (queries, tell) => {
          const groups = await groupsNaming(queries, principalUri(uri));
          const removed = groups.flatMap(({ groupId, memberId, source }): Membership[] =>
            source === "manual" ? [{ groupId, memberKind: "user", memberId }] : [],
          );
          await deleteMemberships(queries, "manual", removed);
          const changed = removed.map(({ groupId }) => groupId);
          return { groups, removed, derived: await deriveAffiliations(queries, changed, tell) };
        },
        async (concluding, { groups, removed, derived }) => {
          const known = await oneOfKind(concluding.unit, uri, "user");
          await recordMemberships(concluding, { added: [], removed });
          await concludeMemberships(concluding, derived);
          return { ...(await dismissUser(concluding.unit, known)), groups };
        },
      ),

    /** The group is gone, and out of every list that names it. BAD_REQUEST while the directory has it. */
    removeGroup: (group: GroupName): Promise<RemovedGroup> =>
      store.changeMemberships(
        me,
        async (queries, tell) => {
          const { id, uri } = await findGroup(queries, group);
          const [there] = await queries.rows("SELECT dn FROM directory_group WHERE group_id = ?", [id]);
          if (there)
            throw new ChatError("BAD_REQUEST", {
              detail: `${uri} comes from the directory: remove it there, or leave it out by groups-filter.`,
            });
          const parents = await queries.rows<{ group_id: number }>(
            "SELECT DISTINCT group_id FROM membership WHERE member_kind = 'group' AND member_id = ?",
            [id],
          );
          const removed = [
            ...(await membersOf(queries, id)),
            ...parents.map(({ group_id }): Membership => {
              return { groupId: group_id, memberKind: "group", memberId: id };
            }),
          ];
          await queries.change("DELETE FROM membership WHERE group_id = ?", [id]);
          await queries.change("DELETE FROM membership WHERE member_kind = 'group' AND member_id = ?", [id]);
          const changed = [id, ...parents.map(({ group_id }) => group_id)];
          const derived = await deriveAffiliations(queries, changed, tell);
          return { id, uri, removed, derived };
        },
        async (concluding, { id, uri, removed, derived }) => {
          const { queries, unit } = concluding;
          await recordMemberships(concluding, { added: [], removed });
          // An empty group is named in lists too.
          const followed = await concludeMemberships(concluding, {
            ...derived,
            groups: [...new Set([...derived.groups, id])],
          });
          const listings = await leaveLists(unit, { id, uri, kind: "group" });
          unit.record({ kind: "GROUP_CHANGED", subject: uri, before: { removed: [uri] }, after: null });
          await queries.change("DELETE FROM principal WHERE id = ? AND kind = 'group'", [id]);
          return { ...followed, listings };
        },
      ),

    importMemberships: (
      lines: readonly ImportLine[],
      how: { readonly replace?: boolean; readonly dryRun?: boolean } = {},
    ): Promise<ImportResult> => importMemberships(store, me, lines, how),

    /** In the order of addresses. */
    async listGroups(atMost: number, after = ""): Promise<GroupView[]> {
      return readGroups(database, "p.uri > ?", [after], atMost);
    },

    /** @throws {ChatError} PRINCIPAL_NOT_FOUND; BAD_REQUEST when several groups have the name */
    viewGroup: (group: GroupName): Promise<GroupView> => viewGroup(database, group),

    /** With all who are in it: its direct members first, then the users who are in it by way of other groups. */
    async inspectGroup(name: GroupName): Promise<{ group: GroupView; members: MemberView[] }> {
      const group = await viewGroup(database, name);
      return { group, members: await readMembers(database, group.id) };
    },
  };
}

async function viewGroup(database: Database, name: GroupName): Promise<GroupView> {
  const { id } = await findGroup(database, name);
  const [view] = await readGroups(database, "p.id = ?", [id], 1);
  if (!view) throw new ChatError("PRINCIPAL_NOT_FOUND", { detail: `There is no group ${name}.` });
  return view;
}

/** However many they are: each statement reads a part. */
async function readMembers(queries: Queries, groupId: number): Promise<MemberView[]> {
  const sources = new Map<number, MembershipSource[]>();
  for (const source of ["manual", "directory"] as const)
    for (const kind of ["user", "group"] as const)
      for (const id of (await readByGroup(queries, source, kind, [groupId])).get(groupId) ?? [])
        sources.set(id, [...(sources.get(id) ?? []), source]);
  const all = (await readByGroup(queries, "resolved", "user", [groupId])).get(groupId) ?? new Set();
  const members: MemberView[] = [];
  for (const chunk of chunksOf([...new Set([...sources.keys(), ...all])])) {
    const rows = await queries.rows<Omit<MemberView, "sources"> & { id: number }>(
      "SELECT id, uri, display_name AS displayName, kind FROM principal WHERE id IN (?)",
      [chunk],
    );
    for (const { id, ...member } of rows) members.push({ ...member, sources: sources.get(id) ?? null });
  }
  const rank = ({ kind, sources: by }: MemberView) => (by === null ? 2 : kind === "user" ? 0 : 1);
  return members.sort((a, b) => rank(a) - rank(b) || (a.uri < b.uri ? -1 : 1));
}

/** Groups in which a user is directly; one by both ways twice. */
async function groupsNaming(
  queries: Queries,
  uri: string,
): Promise<{ groupId: number; memberId: number; name: string; source: MembershipSource }[]> {
  return queries.rows(
    "SELECT m.group_id AS groupId, m.member_id AS memberId, g.display_name AS name, m.source FROM principal p " +
      "JOIN membership m ON m.member_kind = 'user' AND m.member_id = p.id JOIN principal g ON g.id = m.group_id " +
      "WHERE p.uri = ? AND p.kind = 'user' ORDER BY g.display_name, m.source",
    [uri],
  );
}

/** @throws {ChatError} PRINCIPAL_NOT_FOUND, BAD_REQUEST for a domain and for the group itself */
async function membershipsOf(
  queries: Queries,
  groupId: number,
  uris: readonly string[],
): Promise<Membership[]> {
  type Row = { id: number; uri: string; kind: "user" | "group" | "domain" };
  const wanted = new Map(uris.map((uri) => [principalUri(uri), uri] as const));
  if (wanted.size === 0) return [];
  const rows = await queries.rows<Row>("SELECT id, uri, kind FROM principal WHERE uri IN (?)", [
    [...wanted.keys()],
  ]);
  const known = new Map(rows.map((row) => [row.uri, row]));
  return [...wanted].map(([uri, given]) => {
    const row = known.get(uri);
    if (!row)
      throw new ChatError("PRINCIPAL_NOT_FOUND", {
        detail: `There is no user or group ${given}: add it first.`,
      });
    if (row.kind === "domain")
      throw new ChatError("BAD_REQUEST", { detail: `${given} is a domain: users and groups are in groups.` });
    if (row.id === groupId) throw new ChatError("BAD_REQUEST", { detail: `${given} cannot be in itself.` });
    return { groupId, memberKind: row.kind, memberId: row.id };
  });
}

/** Direct ones, by hand and by the directory. */
async function membersOf(queries: Queries, groupId: number): Promise<Membership[]> {
  const found: Membership[] = [];
  for (const memberKind of ["user", "group"] as const) {
    const members = (await readByGroup(queries, "direct", memberKind, [groupId])).get(groupId) ?? [];
    for (const memberId of members) found.push({ groupId, memberKind, memberId });
  }
  return found;
}

/** Those that are not there by hand already. */
async function missingByHand(
  queries: Queries,
  groupId: number,
  wanted: readonly Membership[],
): Promise<Membership[]> {
  const missing: Membership[] = [];
  for (const kind of ["user", "group"] as const) {
    const had = (await readByGroup(queries, "manual", kind, [groupId])).get(groupId);
    missing.push(...wanted.filter(({ memberKind, memberId }) => memberKind === kind && !had?.has(memberId)));
  }
  return missing;
}

async function readGroups(
  queries: Queries,
  where: "p.uri > ?" | "p.id = ?",
  values: (string | number)[],
  atMost: number,
): Promise<GroupView[]> {
  const rows = await queries.rows<Omit<GroupView, "members" | "users"> & { members: number; users: number }>(
    "SELECT p.id, p.uri, p.display_name AS displayName, d.dn, " +
      "(SELECT COUNT(DISTINCT m.member_kind, m.member_id) FROM membership m WHERE m.group_id = p.id) AS members, " +
      "(SELECT COUNT(*) FROM affiliation a WHERE a.group_id = p.id) AS users " +
      `FROM principal p LEFT JOIN directory_group d ON d.group_id = p.id WHERE p.kind = 'group' AND ${where} ORDER BY p.uri ${limit(atMost)}`,
    values,
  );
  return rows.map((row) => ({ ...row, members: Number(row.members), users: Number(row.users) }));
}
