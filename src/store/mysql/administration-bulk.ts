import { randomUUID } from "node:crypto";
import { ChatError } from "../../chat/errors.ts";
import type { Role } from "../../chat/principal.ts";
import { userUri } from "../../management/addresses.ts";
import type { DescribedRoom } from "../../management/administration.ts";
import { type NewUser, nameIn } from "../../management/people.ts";
import { type Database, ids, type Value } from "./database.ts";
import { inviteMembers } from "./invitations.ts";
import { chunks, readCategories } from "./management-rows.ts";
import { beginChange, logChanges } from "./management-store.ts";

export interface NewRole {
  readonly roomId: number;
  readonly principalId: number;
  readonly role: Role;
}

/**
 * Fills an empty pool, many rows a statement: benches and tests need a world of thousands. It is no way to administer a pool that
 * is in use: nothing of it is recorded, and scope is not looked at. `openManagement` has the rules.
 */
export function bulkLoad(database: Database, servedDomain: string) {
  return {
    /** Adds those that are missing; existing ones stay as they are. @returns ids in the order given */
    async addUsers(users: readonly NewUser[]): Promise<number[]> {
      const found = new Map<string, number>();
      for (const chunk of chunks(users)) {
        const rows = chunk.map(({ uri, displayName, email, enabled }) => {
          const address = userUri(uri);
          return [address, "user", displayName ?? nameIn(address), email ?? null, enabled ?? null];
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
        await inviteMembers(database, { users: read.map(({ id }) => id) }); // their domain may be a member
      }
      return users.map(({ uri }) => found.get(userUri(uri)) ?? 0);
    },

    /** All or none of each 2,000. @returns ids in the order given @throws {ChatError} NAME_TAKEN, CATEGORY_NOT_FOUND */
    async addRooms(rooms: readonly DescribedRoom[]): Promise<number[]> {
      const added: number[] = [];
      for (const chunk of chunks(rooms))
        added.push(...(await addRoomsTogether(database, servedDomain, chunk)));
      return added;
    },

    /** Scope is not checked. Existing ones stay. Raises the access version of each room named. */
    async addRoles(roles: readonly NewRole[]): Promise<void> {
      for (const chunk of chunks(roles)) {
        const roomIds = [...new Set(chunk.map(({ roomId }) => roomId))].sort((a, b) => a - b);
        await database.transaction(async (queries) => {
          await logChanges(queries, await beginChange(queries), [{ kind: "everybody" }], Date.now());
          await queries.change("UPDATE room SET access_version = access_version + 1 WHERE id IN (?)", [
            ids(roomIds),
          ]);
          await queries.change(
            "INSERT INTO room_role (room_id, principal_id, role) VALUES ? ON DUPLICATE KEY UPDATE role = room_role.role",
            [chunk.map(({ roomId, principalId, role }) => [roomId, principalId, role])],
          );
        });
        const members = chunk.flatMap(({ role, principalId }) => (role === "member" ? [principalId] : []));
        if (members.length > 0) await inviteMembers(database, { rooms: roomIds }, [...new Set(members)]);
      }
    },
  };
}

function addRoomsTogether(
  database: Database,
  servedDomain: string,
  rooms: readonly DescribedRoom[],
): Promise<number[]> {
  return database.transaction(async (queries) => {
    await beginChange(queries);
    const names = rooms.map(({ name }) => name);
    const [taken] = await queries.rows<{ name: string }>(
      "SELECT name FROM room WHERE name IN (?) UNION SELECT name FROM category WHERE name IN (?) LIMIT 1",
      [names, names],
    );
    if (taken)
      throw new ChatError("NAME_TAKEN", { detail: `A room or category is called "${taken.name}" already.` });
    const categories = new Map((await readCategories(queries)).map(({ name, id }) => [name, id]));
    const missing = rooms.find(({ category }) => !categories.has(category));
    if (missing)
      throw new ChatError("CATEGORY_NOT_FOUND", { detail: `There is no category "${missing.category}".` });
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
