import { randomUUID } from "node:crypto";
import { findCategory } from "./administration-categories.ts";
import { AdministrationError } from "./administration-error.ts";
import { type NewUser, userUri } from "./administration-people.ts";
import type { NewRoom, Role } from "./administration-rooms.ts";
import { type Database, ids, type Value } from "./database.ts";
import { inviteMembers } from "./invitations.ts";
import { displayNameOf } from "./user-store.ts";

/** Rows in one statement. */
const CHUNK = 2_000;

export interface NewRole {
  readonly roomId: number;
  readonly principalId: number;
  readonly role: Role;
}

/** Thousands at once, many rows a statement; without the checks that one by one can afford, where said so. */
export function bulkAdministration(database: Database, servedDomain: string) {
  return {
    /** Adds those that are missing; existing ones stay as they are. @returns ids in the order given */
    async addUsers(users: readonly NewUser[]): Promise<number[]> {
      const found = new Map<string, number>();
      for (const chunk of chunks(users)) {
        const rows = chunk.map(({ uri, displayName, email, enabled }) => {
          const address = userUri(uri);
          return [address, "user", displayName ?? displayNameOf(address), email ?? null, enabled ?? null];
        });
        await database.change(
          "INSERT INTO principal (uri, kind, display_name, email, enabled) VALUES ? ON DUPLICATE KEY UPDATE uri = principal.uri",
          [rows],
        );
        const uris = rows.map(([uri]) => uri ?? "");
        const read = await database.rows<{ id: number; uri: string }>(
          "SELECT id, uri FROM principal WHERE uri IN (?)",
          [uris],
        );
        for (const { id, uri } of read) found.set(uri, id);
      }
      return users.map(({ uri }) => found.get(userUri(uri)) ?? 0);
    },

    /** All or none of each 2,000. @returns ids in the order given @throws {AdministrationError} NAME_TAKEN, NOT_FOUND */
    async addRooms(rooms: readonly NewRoom[]): Promise<number[]> {
      const added: number[] = [];
      for (const chunk of chunks(rooms))
        added.push(...(await addRoomsTogether(database, servedDomain, chunk)));
      return added;
    },

    /** Scope is not checked. Existing ones stay. Raises the access version of each room named. */
    async addRoles(roles: readonly NewRole[]): Promise<void> {
      for (const chunk of chunks(roles)) {
        await database.transaction(async (queries) => {
          const roomIds = [...new Set(chunk.map(({ roomId }) => roomId))].sort((a, b) => a - b);
          await queries.change("UPDATE room SET access_version = access_version + 1 WHERE id IN (?)", [
            ids(roomIds),
          ]);
          await queries.change(
            "INSERT INTO room_role (room_id, principal_id, role) VALUES ? ON DUPLICATE KEY UPDATE role = room_role.role",
            [chunk.map(({ roomId, principalId, role }) => [roomId, principalId, role])],
          );
          const principals = chunk.flatMap(({ role, principalId }) =>
            role === "member" ? [principalId] : [],
          );
          if (principals.length > 0)
            await inviteMembers(queries, { rooms: roomIds }, [...new Set(principals)]);
        });
      }
    },
  };
}

function addRoomsTogether(
  database: Database,
  servedDomain: string,
  rooms: readonly NewRoom[],
): Promise<number[]> {
  return database.transaction(async (queries) => {
    await queries.rows("SELECT value FROM setting WHERE name = 'naming' FOR UPDATE");
    const names = rooms.map(({ name }) => name);
    const [taken] = await queries.rows<{ name: string }>(
      "SELECT name FROM room WHERE name IN (?) UNION SELECT name FROM category WHERE name IN (?) LIMIT 1",
      [names, names],
    );
    if (taken)
      throw new AdministrationError("NAME_TAKEN", `A room or category is called "${taken.name}" already.`);
    const categories = new Map<string, number>();
    for (const name of new Set(rooms.map(({ category }) => category)))
      categories.set(name, (await findCategory(queries, name)).id);
    const guids = rooms.map(({ guid }) => guid ?? randomUUID());
    const values = rooms.map((room, index): Value[] => [
      room.domain ?? servedDomain,
      guids[index] ?? "",
      room.name,
      room.description ?? "",
      categories.get(room.category) ?? 0,
      room.privacy ?? "closed",
      room.type ?? "normal",
      room.invitations === false ? 0 : 1,
      Date.now(),
    ]);
    await queries.change(
      "INSERT INTO room (domain, guid, name, description, category_id, privacy, type, invitations, created_ms) VALUES ?",
      [values],
    );
    const read = await queries.rows<{ id: number; guid: string }>(
      "SELECT id, guid FROM room WHERE guid IN (?)",
      [guids],
    );
    const byGuid = new Map(read.map(({ id, guid }) => [guid, id]));
    return guids.map((guid) => byGuid.get(guid) ?? 0);
  });
}

function chunks<Item>(items: readonly Item[]): Item[][] {
  const list: Item[][] = [];
  for (let from = 0; from < items.length; from += CHUNK) list.push(items.slice(from, from + CHUNK));
  return list;
}
