import { AdministrationError } from "./administration-error.ts";
import type { Database, Queries } from "./database.ts";
import { inviteMembers, withdrawInvitations } from "./invitations.ts";
import { displayNameOf, domainOf, GLOBAL_POLICY } from "./user-store.ts";

export interface NewUser {
  /** `sip:alice@example.com`; stored in lower case. */
  readonly uri: string;
  readonly displayName?: string;
  readonly email?: string | null;
  /** The user's own policy; null takes the global one. */
  readonly enabled?: boolean | null;
}

/** Users, groups, domains, and who may take part at all. Repeating a call changes nothing. */
export function peopleAdministration(database: Database) {
  return {
    /** `EnablePersistentChat` for everybody without a policy of the own. Off unless this was called. */
    async setGlobalPolicy(enabled: boolean): Promise<void> {
      await database.change("UPDATE setting SET value = ? WHERE name = ?", [
        enabled ? "1" : "0",
        GLOBAL_POLICY,
      ]);
    },

    /** Adds the user, or brings what is given up to date. @returns the principal's id */
    async addUser({ uri, displayName, email, enabled }: NewUser): Promise<number> {
      const address = userUri(uri);
      return database.transaction(async (queries) => {
        await queries.change(
          "INSERT INTO principal (uri, kind, display_name, email, enabled) VALUES (?, 'user', ?, ?, ?) ON DUPLICATE KEY UPDATE uri = principal.uri",
          [address, displayName ?? displayNameOf(address), email ?? null, policy(enabled ?? null)],
        );
        if (displayName !== undefined)
          await queries.change("UPDATE principal SET display_name = ? WHERE uri = ?", [displayName, address]);
        if (email !== undefined)
          await queries.change("UPDATE principal SET email = ? WHERE uri = ?", [email, address]);
        if (enabled !== undefined)
          await queries.change("UPDATE principal SET enabled = ? WHERE uri = ?", [policy(enabled), address]);
        const id = await principalId(queries, address);
        const domains = await queries.rows<{ id: number }>(
          "SELECT id FROM principal WHERE uri = ? AND kind = 'domain'",
          [domainOf(address)],
        );
        // Rooms may have the whole domain as their member.
        const through = domains.map((domain) => domain.id);
        if (through.length > 0) await inviteMembers(queries, { users: [id] }, through);
        return id;
      });
    },

    /** @throws {AdministrationError} NOT_FOUND */
    async setUserPolicy(uri: string, enabled: boolean | null): Promise<void> {
      const { affectedRows } = await database.change(
        "UPDATE principal SET enabled = ? WHERE uri = ? AND kind = 'user'",
        [policy(enabled), userUri(uri)],
      );
      if (affectedRows === 0) throw new AdministrationError("NOT_FOUND", `There is no user ${uri}.`);
    },

    /** A domain is served from now on, and all its users can be named by it. @returns the principal's id */
    async addDomainPrincipal(domain: string): Promise<number> {
      return addPrincipal(database, domainName(domain), "domain", domainName(domain));
    },

    /** A group of the directory. @param uri such as `ma-grp:4711` */
    async addGroup(uri: string, displayName: string): Promise<number> {
      if (!/^[a-z][a-z0-9+.-]*:\S{1,500}$/.test(uri) || uri.startsWith("sip:"))
        throw new AdministrationError("INVALID", `${uri} is no group address such as ma-grp:4711.`);
      return addPrincipal(database, uri, "group", displayName);
    },

    /** @throws {AdministrationError} NOT_FOUND */
    async addToGroup(groupUri: string, userUris: readonly string[]): Promise<void> {
      await database.transaction(async (queries) => {
        const group = await principalId(queries, groupUri);
        for (const uri of userUris) {
          const user = await principalId(queries, uri);
          await queries.change(
            "INSERT INTO affiliation (user_id, group_id) VALUES (?, ?) ON DUPLICATE KEY UPDATE user_id = affiliation.user_id",
            [user, group],
          );
          await inviteMembers(queries, { users: [user] }, [group]);
        }
      });
    },

    /** @throws {AdministrationError} NOT_FOUND */
    async removeFromGroup(groupUri: string, uri: string): Promise<void> {
      await database.transaction(async (queries) => {
        const group = await principalId(queries, groupUri);
        const user = await principalId(queries, uri);
        await queries.change("DELETE FROM affiliation WHERE user_id = ? AND group_id = ?", [user, group]);
        await withdrawInvitations(queries, { users: [user] });
      });
    },
  };
}

/** Whatever case the administrator types. @throws {AdministrationError} INVALID, NOT_FOUND */
export async function principalId(queries: Queries, uri: string): Promise<number> {
  const wanted = uri.startsWith("ma-grp:") ? uri : uri.toLowerCase();
  const [row] = await queries.rows<{ id: number }>("SELECT id FROM principal WHERE uri = ?", [wanted]);
  if (!row)
    throw new AdministrationError("NOT_FOUND", `There is no user, group or domain ${uri}: add it first.`);
  return row.id;
}

/** @throws {AdministrationError} INVALID */
export function userUri(uri: string): string {
  const address = uri.toLowerCase();
  if (!/^sip:[^@\s;?<>"]{1,255}@[a-z0-9.:[\]-]{1,253}$/.test(address))
    throw new AdministrationError("INVALID", `${uri} is no user address such as sip:alice@example.com.`);
  return address;
}

/** @throws {AdministrationError} INVALID */
export function domainName(domain: string): string {
  const name = domain.toLowerCase();
  if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name))
    throw new AdministrationError("INVALID", `${domain} is no domain such as example.com.`);
  return name;
}

async function addPrincipal(
  queries: Queries,
  uri: string,
  kind: "group" | "domain",
  displayName: string,
): Promise<number> {
  await queries.change(
    "INSERT INTO principal (uri, kind, display_name) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE uri = principal.uri",
    [uri, kind, displayName],
  );
  return principalId(queries, uri);
}

function policy(enabled: boolean | null): number | null {
  return enabled === null ? null : enabled ? 1 : 0;
}
