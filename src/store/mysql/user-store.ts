import type { Aor, User } from "../../chat/user.ts";
import type { GlobalPolicy } from "../../management/ports.ts";
import type { UserStore } from "../../ports.ts";
import { type Database, ids, type Queries } from "./database.ts";
import { finish, inPieces, keepWork } from "./management-afterwards.ts";

/** Names of the rows that hold the global policies: "1" is on, for everybody who has no policy of the own. */
export const GLOBAL_POLICY: GlobalPolicy = "enable-persistent-chat";
export const CREATE_POLICY: GlobalPolicy = "create-rooms";

/** Users asked for in one statement. */
const BATCH = 1_000;

interface PrincipalRow {
  source: "principal" | "affiliation" | "setting";
  id: number;
  user_id: number;
  kind: "user" | "group" | "domain";
  uri: string;
  display_name: string;
  email: string | null;
  enabled: number | null;
  may_create: number | null;
  administrator: number;
}

export class MysqlUserStore implements UserStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(uri: Aor): Promise<User | undefined> {
    const rows = await readPrincipals(this.#database, "uri", [uri], [domainOf(uri)]);
    const [user] = usersFrom(rows);
    if (user) return user;
    const served = rows.some(({ kind, uri: found }) => kind === "domain" && found === domainOf(uri));
    const taken = rows.some(({ source, uri: found }) => source === "principal" && found === uri);
    if (!served || taken || !isGloballyOn(rows, GLOBAL_POLICY)) return undefined;
    const { created, left } = await this.#database.transaction(async (queries) => {
      await queries.change(
        "INSERT INTO principal (uri, kind, display_name) VALUES (?, 'user', ?) ON DUPLICATE KEY UPDATE uri = principal.uri",
        [uri, displayNameOf(uri)],
      );
      const [found] = usersFrom(await readPrincipals(queries, "uri", [uri], [domainOf(uri)]));
      // The domain may be a member.
      return { created: found, left: await keepWork(queries, found ? inPieces("invite", [found.id]) : []) };
    });
    await finish(this.#database, left);
    return created;
  }

  async notEnabled(userIds: readonly number[]): Promise<number[]> {
    const found: number[] = [];
    for (let from = 0; from < userIds.length; from += BATCH) {
      const some = userIds.slice(from, from + BATCH);
      const enabled = await this.#database.rows<{ id: number }>(
        "SELECT p.id FROM principal p WHERE p.id IN (?) AND COALESCE(p.enabled, (SELECT s.value = '1' FROM setting s WHERE s.name = ?)) = 1",
        [ids(some), GLOBAL_POLICY],
      );
      const allowed = new Set(enabled.map(({ id }) => id));
      found.push(...some.filter((id) => !allowed.has(id)));
    }
    return found;
  }

  byIds(userIds: readonly number[]): Promise<Map<number, User>> {
    return usersByIds(this.#database, userIds);
  }
}

/** Users by id, each once, with policy and principals as they are now; unknown ids are absent. */
export async function usersByIds(queries: Queries, userIds: readonly number[]): Promise<Map<number, User>> {
  const users = new Map<number, User>();
  if (userIds.length === 0) return users;
  const found = await queries.rows<{ uri: string }>("SELECT uri FROM principal WHERE id IN (?)", [userIds]);
  const domains = [...new Set(found.map(({ uri }) => domainOf(uri)))];
  for (const user of usersFrom(await readPrincipals(queries, "id", userIds, domains)))
    users.set(user.id, user);
  return users;
}

/** Everything after the at-sign; the empty text for what has none. */
export function domainOf(uri: string): string {
  return uri.slice(uri.lastIndexOf("@") + 1);
}

/** The user part stands for a name that nobody gave. */
export function displayNameOf(uri: string): string {
  return uri.replace(/^sip:/, "").replace(/@.*$/, "").slice(0, 255);
}

/** One statement: the users, the domains that contain them, their groups, the global policy. */
async function readPrincipals(
  queries: Queries,
  by: "uri" | "id",
  users: readonly (string | number)[],
  domains: readonly string[],
): Promise<PrincipalRow[]> {
  const columns =
    "p.id, 0 AS user_id, p.kind, p.uri, p.display_name, p.email, p.enabled, p.may_create, p.administrator";
  const rows = await queries.rows<PrincipalRow>(
    `SELECT 'principal' AS source, ${columns} FROM principal p WHERE p.${by} IN (?) ` +
      `UNION ALL SELECT 'principal', ${columns} FROM principal p WHERE p.uri IN (?) AND p.kind = 'domain' ` +
      "UNION ALL SELECT 'affiliation', a.group_id, a.user_id, 'group', '', '', NULL, NULL, NULL, g.administrator " +
      `FROM principal p JOIN affiliation a ON a.user_id = p.id JOIN principal g ON g.id = a.group_id WHERE p.${by} IN (?) ` +
      "UNION ALL SELECT 'setting', 0, 0, 'group', s.name, '', NULL, s.value = '1', NULL, 0 FROM setting s WHERE s.name IN (?)",
    [users, domains.length > 0 ? domains : [""], users, [GLOBAL_POLICY, CREATE_POLICY]],
  );
  // The union of unsigned columns and plain numbers may come as DECIMAL, which the driver gives as text.
  return rows.map((row) => ({ ...row, id: Number(row.id), user_id: Number(row.user_id) }));
}

function usersFrom(rows: readonly PrincipalRow[]): User[] {
  const mayTakePart = isGloballyOn(rows, GLOBAL_POLICY);
  const mayCreate = isGloballyOn(rows, CREATE_POLICY);
  const domains = new Map(rows.flatMap((row) => (row.kind === "domain" ? [[row.uri, row.id] as const] : [])));
  const groups = new Map<number, number[]>();
  const administrators = new Set<number>();
  for (const { source, id, user_id, administrator } of rows) {
    if (source !== "affiliation") continue;
    groups.set(user_id, [...(groups.get(user_id) ?? []), id]);
    if (Number(administrator) === 1) administrators.add(user_id);
  }
  return rows.flatMap((row) => {
    if (row.source !== "principal" || row.kind !== "user") return [];
    const domain = domains.get(domainOf(row.uri));
    const principalIds = new Set([
      row.id,
      ...(groups.get(row.id) ?? []),
      ...(domain === undefined ? [] : [domain]),
    ]);
    return [
      {
        id: row.id,
        uri: row.uri as Aor, // only normalised addresses are stored for users
        displayName: row.display_name,
        email: row.email,
        enabled: row.enabled === null ? mayTakePart : Number(row.enabled) === 1,
        mayCreateRooms: row.may_create === null ? mayCreate : Number(row.may_create) === 1,
        administrator: Number(row.administrator) === 1 || administrators.has(row.id),
        principalIds: [...principalIds],
      },
    ];
  });
}

function isGloballyOn(rows: readonly PrincipalRow[], policy: GlobalPolicy): boolean {
  return rows.some(
    ({ source, uri, enabled }) => source === "setting" && uri === policy && Number(enabled) === 1,
  );
}

/** The user's own principal id and those of the groups and the domain that contain the user now; a session's may be of yesterday. */
export async function principalsNow(
  queries: Queries,
  { id, uri }: Pick<User, "id" | "uri">,
): Promise<number[]> {
  const rows = await queries.rows<{ id: number }>(
    "SELECT group_id AS id FROM affiliation WHERE user_id = ? " +
      "UNION ALL SELECT id FROM principal WHERE uri = ? AND kind = 'domain'",
    [id, domainOf(uri)],
  );
  return [id, ...rows.map((row) => row.id)];
}

/** Principals that contain this one, itself included: what scope and roles are looked up by. */
export async function principalsAround(queries: Queries, uri: string): Promise<readonly number[]> {
  const rows = await readPrincipals(queries, "uri", [uri], [domainOf(uri)]);
  const [user] = usersFrom(rows);
  return user
    ? user.principalIds
    : ids(rows.flatMap(({ source, id }) => (source === "principal" ? [id] : [])));
}
