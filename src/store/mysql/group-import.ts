import { randomUUID } from "node:crypto";
import { ChatError } from "../../chat/errors.ts";
import type { Actor } from "../../management/actor.ts";
import { groupUri, userUri } from "../../management/addresses.ts";
import { nameIn } from "../../management/people.ts";
import { concludeMemberships, deriveAffiliations } from "./affiliations.ts";
import type { Queries } from "./database.ts";
import { recordMemberships } from "./group-records.ts";
import { inPieces, type TellProgress } from "./management-afterwards.ts";
import type { MysqlManagementStore } from "./management-store.ts";
import {
  chunksOf,
  deleteMemberships,
  insertMemberships,
  type Membership,
  readByGroup,
} from "./membership-rows.ts";
import { domainOf } from "./user-store.ts";

/** One line of a list of memberships. */
export interface ImportLine {
  /** Where it stands, for messages. */
  readonly line: number;
  /** Address or name; one that is not there yet is added. */
  readonly group: string;
  /** Of a group that is added. */
  readonly name: string;
  /** A user's address, or a group's address or name; empty for the group alone. */
  readonly member: string;
}

export interface ImportResult {
  readonly groupsAdded: number;
  readonly usersCreated: number;
  /** Direct memberships. */
  readonly added: number;
  readonly removed: number;
  /** As `Consequences` has them. */
  readonly gained: number;
  readonly lost: number;
}

/** Complaints told at once. */
const MOST_COMPLAINTS = 20;

/**
 * Memberships by hand from a list, all or none: groups that are missing are added, users of served domains too. With `replace`
 * each group in the list has exactly the members by hand that the list gives it.
 * @throws {ChatError} BAD_REQUEST, naming every line (up to 20) that does not fit
 */
export function importMemberships(
  store: MysqlManagementStore,
  actor: Actor,
  lines: readonly ImportLine[],
  { replace = false, dryRun = false }: { readonly replace?: boolean; readonly dryRun?: boolean },
): Promise<ImportResult> {
  return store.changeMemberships(
    actor,
    async (queries, tell) => {
      const complaints: string[] = [];
      const complain = ({ line }: ImportLine, error: unknown) => {
        if (!(error instanceof ChatError)) throw error;
        complaints.push(`line ${line}: ${error.message}`);
      };
      const groups = await namedGroups(queries, lines, complain);
      const users = await namedUsers(queries, lines, groups.byName, complain, tell);
      const wanted = membershipsIn(lines, groups.byName, users.ids, complain);
      if (complaints.length > 0) throw new ChatError("BAD_REQUEST", { detail: sentence(complaints) });
      const { coming, going } = await differences(queries, wanted);
      const removed = replace ? going : [];
      await insertMemberships(queries, "manual", coming, (done) => tell("memberships", done, coming.length));
      await deleteMemberships(queries, "manual", removed);
      const changed = new Set([...coming, ...removed].map(({ groupId }) => groupId));
      const derived = await deriveAffiliations(queries, changed, tell);
      return { groupsAdded: groups.added, users: users.created, added: coming, removed, derived };
    },
    async (concluding, { derived, added, removed, groupsAdded, users }) => {
      await recordMemberships(concluding, { added, removed });
      const { gained, lost } = await concludeMemberships(concluding, derived);
      // Rooms may have their whole domain as a member.
      for (const work of inPieces("invite", users)) concluding.afterwards(work);
      return {
        groupsAdded,
        usersCreated: users.length,
        added: added.length,
        removed: removed.length,
        gained,
        lost,
      };
    },
    dryRun,
  );
}

function membershipsIn(
  lines: readonly ImportLine[],
  groups: ReadonlyMap<string, number>,
  users: ReadonlyMap<string, number>,
  complain: Complain,
): Map<number, Membership[]> {
  const wanted = new Map<number, Membership[]>();
  for (const line of lines) {
    const groupId = groups.get(line.group);
    if (groupId === undefined) continue;
    const list = wanted.get(groupId) ?? [];
    wanted.set(groupId, list);
    if (line.member === "") continue;
    const inner = groups.get(line.member);
    const user = users.get(line.member);
    if (inner === groupId)
      complain(line, new ChatError("BAD_REQUEST", { detail: `${line.member} cannot be in itself.` }));
    else if (inner !== undefined) list.push({ groupId, memberKind: "group", memberId: inner });
    else if (user !== undefined) list.push({ groupId, memberKind: "user", memberId: user });
  }
  return wanted;
}

function sentence(complaints: readonly string[]): string {
  const more = complaints.length - MOST_COMPLAINTS;
  return `Nothing was imported. ${complaints.slice(0, MOST_COMPLAINTS).join(" ")}${more > 0 ? ` … and ${more} more.` : ""}`;
}

type Complain = (line: ImportLine, error: unknown) => void;

async function namedGroups(
  queries: Queries,
  lines: readonly ImportLine[],
  complain: Complain,
): Promise<{ byName: Map<string, number>; added: number }> {
  const rows = await queries.rows<{ id: number; uri: string; display_name: string }>(
    "SELECT id, uri, display_name FROM principal WHERE kind = 'group'",
  );
  const byUri = new Map(rows.map(({ uri, id }) => [uri, id]));
  const known = new Map<string, number[]>();
  for (const { display_name, id } of rows) known.set(display_name, [...(known.get(display_name) ?? []), id]);
  const find = (name: string): number | undefined => {
    const found = byUri.get(name) ?? known.get(name);
    if (typeof found === "number" || found === undefined) return found;
    if (found.length > 1)
      throw new ChatError("BAD_REQUEST", { detail: `Several groups are called ${name}: give the address.` });
    return found[0];
  };
  const byName = new Map<string, number>();
  let added = 0;
  for (const line of lines) {
    if (byName.has(line.group)) continue;
    try {
      let id = find(line.group);
      if (id === undefined) {
        const isUri = line.group.startsWith("ma-grp:");
        id = await insertGroup(
          queries,
          isUri ? groupUri(line.group) : `ma-grp:${randomUUID()}`,
          line.name || line.group,
        );
        added += 1;
      }
      byName.set(line.group, id);
    } catch (error) {
      complain(line, error);
    }
  }
  for (const line of lines) {
    if (line.member === "" || byName.has(line.member) || line.member.includes("@")) continue;
    try {
      const id = find(line.member);
      if (id === undefined)
        throw new ChatError("PRINCIPAL_NOT_FOUND", {
          detail: `There is no user or group ${line.member}; a user is sip:name@domain.`,
        });
      byName.set(line.member, id);
    } catch (error) {
      complain(line, error);
    }
  }
  return { byName, added };
}

async function namedUsers(
  queries: Queries,
  lines: readonly ImportLine[],
  groups: ReadonlyMap<string, number>,
  complain: Complain,
  tell: TellProgress,
): Promise<{ ids: Map<string, number>; created: number[] }> {
  const served = new Set(
    (await queries.rows<{ uri: string }>("SELECT uri FROM principal WHERE kind = 'domain'")).map(
      ({ uri }) => uri,
    ),
  );
  const addresses = new Map<string, { uri: string; line: ImportLine }>();
  for (const line of lines) {
    const { member } = line;
    if (!member.includes("@") || groups.has(member) || addresses.has(member)) continue;
    try {
      addresses.set(member, { uri: userUri(/^sip:/i.test(member) ? member : `sip:${member}`), line });
    } catch (error) {
      complain(line, error);
    }
  }
  const byUri = new Map<string, number>();
  const created: number[] = [];
  let looked = 0;
  for (const chunk of chunksOf([...addresses.values()])) {
    tell("users", looked, addresses.size);
    looked += chunk.length;
    const read = async () => {
      const rows = await queries.rows<{ id: number; uri: string }>(
        "SELECT id, uri FROM principal WHERE uri IN (?) AND kind = 'user'",
        [chunk.map(({ uri }) => uri)],
      );
      for (const { id, uri } of rows) byUri.set(uri, id);
    };
    await read();
    const missing = new Map(
      chunk.filter(({ uri }) => !byUri.has(uri)).map((address) => [address.uri, address]),
    );
    for (const { uri, line } of missing.values()) {
      if (served.has(domainOf(uri))) continue;
      missing.delete(uri);
      complain(
        line,
        new ChatError("PRINCIPAL_NOT_FOUND", {
          detail: `There is no user ${uri}, and ${domainOf(uri)} is not served here.`,
        }),
      );
    }
    if (missing.size === 0) continue;
    await queries.change(
      "INSERT INTO principal (uri, kind, display_name) VALUES ? ON DUPLICATE KEY UPDATE uri = principal.uri",
      [[...missing.keys()].map((uri) => [uri, "user", nameIn(uri)])],
    );
    await read();
    created.push(...[...missing.keys()].flatMap((uri) => byUri.get(uri) ?? []));
  }
  const ids = new Map<string, number>();
  for (const [member, { uri }] of addresses) {
    const id = byUri.get(uri);
    if (id !== undefined) ids.set(member, id);
  }
  return { ids, created };
}

/** @throws {ChatError} BAD_REQUEST @returns its id */
async function insertGroup(queries: Queries, uri: string, displayName: string): Promise<number> {
  if ([...displayName].length > 255)
    throw new ChatError("BAD_REQUEST", { detail: "A group's name has 1 to 255 characters." });
  const { insertId } = await queries.change(
    "INSERT INTO principal (uri, kind, display_name) VALUES (?, 'group', ?)",
    [uri, displayName],
  );
  return insertId;
}

/** Members by hand that each of these groups lacks, and has too many. */
async function differences(
  queries: Queries,
  wanted: ReadonlyMap<number, readonly Membership[]>,
): Promise<{ coming: Membership[]; going: Membership[] }> {
  const coming: Membership[] = [];
  const going: Membership[] = [];
  for (const some of chunksOf([...wanted.keys()], 100))
    for (const memberKind of ["user", "group"] as const) {
      const had = await readByGroup(queries, "manual", memberKind, some);
      for (const groupId of some) {
        const shall = new Set(
          (wanted.get(groupId) ?? []).flatMap((one) => (one.memberKind === memberKind ? [one.memberId] : [])),
        );
        const is = had.get(groupId) ?? new Set<number>();
        for (const memberId of shall) if (!is.has(memberId)) coming.push({ groupId, memberKind, memberId });
        for (const memberId of is) if (!shall.has(memberId)) going.push({ groupId, memberKind, memberId });
      }
    }
  return { coming, going };
}
