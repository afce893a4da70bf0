import type { Aor, User } from "../../chat/user.ts";
import type { UserStore } from "../../ports.ts";
import { type Database, ids, type Queries } from "./database.ts";
import { inviteMembers } from "./invitations.ts";

/** Name of the row that holds the global policy: "1" lets everybody take part who has no policy of the own. */
export const GLOBAL_POLICY = "enable-persistent-chat";

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
    if (!served || taken || !isGloballyEnabled(rows)) return undefined;
    await this.#database.change(
      "INSERT INTO principal (uri, kind, display_name) VALUES (?, 'user', ?) ON DUPLICATE KEY UPDATE uri = principal.uri",
      [uri, displayNameOf(uri)],
    );
    const [created] = usersFrom(await readPrincipals(this.#database, "uri", [uri], [domainOf(uri)]));
    // Rooms may have the whole domain as their member.
    if (created)
      await this.#database.transaction((queries) =>
        inviteMembers(queries, { users: [created.id] }, created.principalIds),
      );
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
  const columns = "p.id, 0 AS user_id, p.kind, p.uri, p.display_name, p.email, p.enabled";
  const rows = await queries.rows<PrincipalRow>(
    `SELECT 'principal' AS source, ${columns} FROM principal p WHERE p.${by} IN (?) ` +
      `UNION ALL SELECT 'principal', ${columns} FROM principal p WHERE p.uri IN (?) AND p.kind = 'domain' ` +
      "UNION ALL SELECT 'affiliation', a.group_id, a.user_id, 'group', '', '', NULL, NULL " +
      `FROM principal p JOIN affiliation a ON a.user_id = p.id WHERE p.${by} IN (?) ` +
      "UNION ALL SELECT 'setting', 0, 0, 'group', '', '', NULL, s.value = '1' FROM setting s WHERE s.name = ?",
    [users, domains.length > 0 ? domains : [""], users, GLOBAL_POLICY],
  );
  // The union of unsigned columns and plain numbers may come as DECIMAL, which the driver gives as text.
  return rows.map((row) => ({ ...row, id: Number(row.id), user_id: Number(row.user_id) }));
}

function usersFrom(rows: readonly PrincipalRow[]): User[] {
  const global = isGloballyEnabled(rows);
  const domains = new Map(rows.flatMap((row) => (row.kind === "domain" ? [[row.uri, row.id] as const] : [])));
  const groups = new Map<number, number[]>();
  for (const { source, id, user_id } of rows)
    if (source === "affiliation") groups.set(user_id, [...(groups.get(user_id) ?? []), id]);
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
        enabled: row.enabled === null ? global : Number(row.enabled) === 1,
        principalIds: [...principalIds],
      },
    ];
  });
}

function isGloballyEnabled(rows: readonly PrincipalRow[]): boolean {
  return rows.some(({ source, enabled }) => source === "setting" && Number(enabled) === 1);
}

/** Principals that contain this one, itself included: what scope and roles are looked up by. */
export async function principalsAround(queries: Queries, uri: string): Promise<readonly number[]> {
  const rows = await readPrincipals(queries, "uri", [uri], [domainOf(uri)]);
  const [user] = usersFrom(rows);
  return user
    ? user.principalIds
    : ids(rows.flatMap(({ source, id }) => (source === "principal" ? [id] : [])));
}
