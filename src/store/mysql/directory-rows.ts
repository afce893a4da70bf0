import type { ApplyOptions, DirectoryGroup, DirectoryUser } from "../../directory/ports.ts";
import { nameIn } from "../../management/people.ts";
import type { Queries } from "./database.ts";
import {
  chunksOf,
  deleteMemberships,
  insertMemberships,
  lockedChunksOf,
  type Membership,
  readByGroup,
} from "./membership-rows.ts";

/** Users who come into being together; nobody who signs in for the first time waits for more. */
const USERS_AT_ONCE = 500;
/** Groups whose members are compared together. */
const GROUPS_AT_ONCE = 100;

export interface SavedUsers {
  /** By address, of those who are known now. */
  readonly ids: ReadonlyMap<string, number>;
  /** Their ids. */
  readonly created: readonly number[];
  readonly changed: number;
}

/** What belongs together: one transaction, or a part of one. */
type Together = <Result>(work: (queries: Queries) => Promise<Result>) => Promise<Result>;

/**
 * Names and mail addresses come from the directory for whoever has an entry there.
 * @param onCreated what else belongs to those who have come into being
 */
export async function saveDirectoryUsers(
  together: Together,
  users: readonly DirectoryUser[],
  { createUsers, onProgress }: Pick<ApplyOptions, "createUsers" | "onProgress">,
  onCreated: (queries: Queries, userIds: readonly number[]) => Promise<void>,
): Promise<SavedUsers> {
  const ids = new Map<string, number>();
  const created: number[] = [];
  let [changed, done] = [0, 0];
  for (const chunk of chunksOf(users, USERS_AT_ONCE)) {
    const saved = await together(async (queries) => {
      const some = await saveSome(queries, chunk, createUsers);
      if (some.created.length > 0) await onCreated(queries, some.created);
      return some;
    });
    for (const [uri, id] of saved.ids) ids.set(uri, id);
    created.push(...saved.created);
    changed += saved.changed;
    done += chunk.length;
    onProgress?.("users", done, users.length);
  }
  return { ids, created, changed };
}

async function saveSome(
  queries: Queries,
  users: readonly DirectoryUser[],
  create: boolean,
): Promise<SavedUsers> {
  type Row = { id: number; uri: string; display_name: string; email: string | null };
  const uris = users.map(({ uri }) => uri);
  const read = () =>
    queries.rows<Row>(
      "SELECT id, uri, display_name, email FROM principal WHERE uri IN (?) AND kind = 'user'",
      [uris],
    );
  let rows = await read();
  const known = new Map(rows.map((row) => [row.uri, row]));
  const missing = create ? users.filter(({ uri }) => !known.has(uri)) : [];
  if (missing.length > 0) {
    await queries.change(
      "INSERT INTO principal (uri, kind, display_name, email) VALUES ? ON DUPLICATE KEY UPDATE uri = principal.uri",
      [
        missing.map(({ uri, displayName, email }) => [
          uri,
          "user",
          displayName ?? nameIn(uri),
          email ?? null,
        ]),
      ],
    );
    rows = await read();
  }
  let changed = 0;
  for (const { uri, displayName, email } of users) {
    const row = known.get(uri);
    if (!row) continue;
    const [name, mail] = [displayName ?? row.display_name, email ?? row.email];
    if (name === row.display_name && mail === row.email) continue;
    await queries.change("UPDATE principal SET display_name = ?, email = ? WHERE id = ?", [
      name,
      mail,
      row.id,
    ]);
    changed += 1;
  }
  return {
    ids: new Map(rows.map(({ uri, id }) => [uri, id])),
    created: rows.flatMap(({ id, uri }) => (known.has(uri) ? [] : [id])),
    changed,
  };
}

export interface SavedGroups {
  /** By address. */
  readonly ids: ReadonlyMap<string, number>;
  readonly added: number;
  /** Of those that the directory no longer has. */
  readonly gone: readonly number[];
}

/** Groups that are gone from the directory stay, without its members: lists may name them. */
export async function saveDirectoryGroups(
  queries: Queries,
  groups: readonly DirectoryGroup[],
): Promise<SavedGroups> {
  const ids = new Map<string, number>();
  const there = new Map(
    (await queries.rows<{ group_id: number; dn: string }>("SELECT group_id, dn FROM directory_group")).map(
      ({ group_id, dn }) => [group_id, dn],
    ),
  );
  let added = 0;
  for (const chunk of chunksOf(groups)) {
    await queries.change(
      "INSERT INTO principal (uri, kind, display_name) VALUES ? ON DUPLICATE KEY UPDATE uri = principal.uri",
      [chunk.map(({ uri, displayName }) => [uri, "group", displayName])],
    );
    const rows = await queries.rows<{ id: number; uri: string; display_name: string }>(
      "SELECT id, uri, display_name FROM principal WHERE uri IN (?) AND kind = 'group'",
      [chunk.map(({ uri }) => uri)],
    );
    const byUri = new Map(rows.map((row) => [row.uri, row]));
    const entries: [groupId: number, dn: string][] = [];
    for (const { uri, dn, displayName } of chunk) {
      const row = byUri.get(uri);
      if (!row) continue;
      ids.set(uri, row.id);
      if (!there.has(row.id)) added += 1;
      if (there.get(row.id) !== dn) entries.push([row.id, dn]);
      if (row.display_name !== displayName)
        await queries.change("UPDATE principal SET display_name = ? WHERE id = ?", [displayName, row.id]);
    }
    if (entries.length > 0)
      await queries.change(
        "INSERT INTO directory_group (group_id, dn) VALUES ? ON DUPLICATE KEY UPDATE dn = VALUES(dn)",
        [entries],
      );
  }
  const now = new Set(ids.values());
  const gone = [...there.keys()].filter((id) => !now.has(id));
  for (const chunk of lockedChunksOf(gone))
    await queries.change("DELETE FROM directory_group WHERE group_id IN (?)", [chunk]);
  return { ids, added, gone };
}

/** Memberships by the directory become what it says. */
export async function saveDirectoryMemberships(
  queries: Queries,
  groups: readonly DirectoryGroup[],
  { users, groups: known }: { users: ReadonlyMap<string, number>; groups: SavedGroups },
  onProgress: ApplyOptions["onProgress"] = () => {},
): Promise<{ readonly added: Membership[]; readonly removed: Membership[] }> {
  const kinds = ["user", "group"] as const;
  const wanted = new Map(
    groups.flatMap((group) => {
      const id = known.ids.get(group.uri);
      return id === undefined
        ? []
        : [[id, { user: idsOf(group.users, users), group: idsOf(group.groups, known.ids) }] as const];
    }),
  );
  const added: Membership[] = [];
  const removed: Membership[] = [];
  const all = [...wanted.keys(), ...known.gone];
  let done = 0;
  for (const some of chunksOf(all, GROUPS_AT_ONCE)) {
    const going: Membership[] = [];
    const coming: Membership[] = [];
    for (const memberKind of kinds) {
      const had = await readByGroup(queries, "directory", memberKind, some);
      for (const groupId of some) {
        const [is, shall] = [had.get(groupId) ?? NOBODY, wanted.get(groupId)?.[memberKind] ?? NOBODY];
        for (const memberId of is) if (!shall.has(memberId)) going.push({ groupId, memberKind, memberId });
        for (const memberId of shall) if (!is.has(memberId)) coming.push({ groupId, memberKind, memberId });
      }
    }
    await deleteMemberships(queries, "directory", going);
    await insertMemberships(queries, "directory", coming);
    for (const one of going) removed.push(one);
    for (const one of coming) added.push(one);
    done += some.length;
    onProgress("groups", done, all.length);
  }
  return { added, removed };
}

const NOBODY: ReadonlySet<number> = new Set();

function idsOf(uris: Iterable<string>, known: ReadonlyMap<string, number>): Set<number> {
  const found = new Set<number>();
  for (const uri of uris) {
    const id = known.get(uri);
    if (id !== undefined) found.add(id);
  }
  return found;
}
