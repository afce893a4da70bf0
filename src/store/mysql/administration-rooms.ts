import { randomUUID } from "node:crypto";
import type { Privacy, Room, RoomType } from "../../chat/room.ts";
import { AdministrationError } from "./administration-error.ts";
import { domainName, principalId } from "./administration-people.ts";
import type { Database, Queries } from "./database.ts";
import { inviteMembers, withdrawInvitations } from "./invitations.ts";
import { readAccess } from "./room-access.ts";
import { ROOM_COLUMNS, type RoomRow, roomOf } from "./room-rows.ts";
import { principalsAround } from "./user-store.ts";

/** A room by id, by `ma-chan://` URI, or by name. */
export type RoomName = number | string;
export type Role = "member" | "manager" | "presenter";

export interface NewRoom {
  readonly name: string;
  /** Name of its category. */
  readonly category: string;
  /** Domain of its URI; the served one unless given. */
  readonly domain?: string;
  readonly description?: string;
  /** Closed unless given. */
  readonly privacy?: Privacy;
  readonly type?: RoomType;
  /** False: never, whatever the category says. */
  readonly invitations?: boolean;
  readonly guid?: string;
}

export type RoomChange = Partial<Pick<NewRoom, "name" | "description" | "privacy" | "type" | "invitations">>;

/**
 * Rooms and their roles. Every change raises the room's access version in the same transaction: what was decided under the
 * older one is decided again. @throws {AdministrationError} from each
 */
export function roomAdministration(database: Database, servedDomain: string) {
  const changeRoom = (
    name: RoomName,
    change: (queries: Queries, room: Room) => Promise<void>,
  ): Promise<Room> =>
    database.transaction(async (queries) => {
      const { id } = await findRoom(queries, name);
      await queries.change("UPDATE room SET access_version = access_version + 1 WHERE id = ?", [id]);
      await change(queries, await findRoom(queries, id));
      return findRoom(queries, id);
    });

  return {
    /** @throws {AdministrationError} NAME_TAKEN by a room of the domain or a category, NOT_FOUND category, INVALID */
    async addRoom(room: NewRoom): Promise<Room> {
      const domain = domainName(room.domain ?? servedDomain);
      return database.transaction(async (queries) => {
        await claimName(queries, room.name, domain);
        const [category] = await queries.rows<{ id: number }>("SELECT id FROM category WHERE name = ?", [
          room.category,
        ]);
        if (!category) throw new AdministrationError("NOT_FOUND", `There is no category "${room.category}".`);
        const { insertId } = await queries.change(
          "INSERT INTO room (domain, guid, name, description, category_id, privacy, type, invitations, created_ms) VALUES (?)",
          [
            [
              domain,
              room.guid ?? randomUUID(),
              room.name,
              room.description ?? "",
              category.id,
              room.privacy ?? "closed",
              room.type ?? "normal",
              room.invitations === false ? 0 : 1,
              Date.now(),
            ],
          ],
        );
        return findRoom(queries, insertId);
      });
    },

    changeRoom: (name: RoomName, change: RoomChange): Promise<Room> =>
      changeRoom(name, async (queries, room) => {
        if (change.name !== undefined && change.name !== room.name)
          await claimName(queries, change.name, room.domain, room.id);
        const { name: newName, description, privacy, type, invitations } = change;
        await queries.change(
          "UPDATE room SET name = ?, description = ?, privacy = ?, type = ?, invitations = COALESCE(?, invitations) WHERE id = ?",
          [
            newName ?? room.name,
            description ?? room.description,
            privacy ?? room.privacy,
            type ?? room.type,
            invitations === undefined ? null : invitations ? 1 : 0,
            room.id,
          ],
        );
        // An auditorium's presenters mean nothing in a normal room.
        if (type === "normal")
          await queries.change("DELETE FROM room_role WHERE room_id = ? AND role = 'presenter'", [room.id]);
      }),

    setRoomDisabled: (name: RoomName, disabled: boolean): Promise<Room> =>
      changeRoom(name, async (queries, { id }) => {
        await queries.change("UPDATE room SET disabled = ? WHERE id = ?", [disabled ? 1 : 0, id]);
      }),

    /** Repeating it changes nothing. @throws {AdministrationError} OUT_OF_SCOPE unless allowed by the room's category */
    addRole: (name: RoomName, uri: string, role: Role): Promise<Room> =>
      changeRoom(name, async (queries, room) => {
        if (role === "presenter" && room.type !== "auditorium")
          throw new AdministrationError(
            "INVALID",
            `"${room.name}" is no auditorium: everybody presents there.`,
          );
        const principal = await principalId(queries, uri);
        const [access] = await readAccess(
          queries,
          [room],
          await principalsAround(queries, uri.toLowerCase()),
        );
        if (!access?.inScope)
          throw new AdministrationError(
            "OUT_OF_SCOPE",
            `The category of "${room.name}" does not allow ${uri}.`,
          );
        await queries.change(
          "INSERT INTO room_role (room_id, principal_id, role) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE role = room_role.role",
          [room.id, principal, role],
        );
        if (role === "member") await inviteMembers(queries, { rooms: [room.id] }, [principal]);
      }),

    removeRole: (name: RoomName, uri: string, role: Role): Promise<Room> =>
      changeRoom(name, async (queries, { id }) => {
        const principal = await principalId(queries, uri);
        await queries.change("DELETE FROM room_role WHERE room_id = ? AND principal_id = ? AND role = ?", [
          id,
          principal,
          role,
        ]);
        const users = uri.toLowerCase().startsWith("sip:") ? { users: [principal] } : {};
        if (role === "member") await withdrawInvitations(queries, { rooms: [id], ...users });
      }),

    /** The room, its roles and its messages are gone for good; what the archive recorded stays there. */
    async removeRoom(name: RoomName): Promise<void> {
      const { id } = await findRoom(database, name);
      await database.transaction(async (queries) => {
        await queries.change("DELETE FROM room WHERE id = ?", [id]);
        await queries.change("DELETE FROM room_role WHERE room_id = ?", [id]);
        await queries.change("DELETE FROM invitation WHERE room_id = ?", [id]);
        await queries.change("DELETE FROM read_mark WHERE room_id = ?", [id]);
      });
      // No post can come any more: the rest may take its time.
      while (
        (await database.change("DELETE FROM message WHERE room_id = ? LIMIT 5000", [id])).affectedRows ===
        5_000
      );
    },
  };
}

/** @throws {AdministrationError} NOT_FOUND; INVALID when rooms of several domains have the name */
export async function findRoom(queries: Queries, name: RoomName): Promise<Room> {
  const uri = typeof name === "string" ? /^ma-chan:\/\/([^/]+)\/([0-9a-fA-F-]{36})$/.exec(name) : null;
  const [where, values] =
    typeof name === "number"
      ? ["r.id = ?", [name]]
      : uri
        ? ["r.domain = ? AND r.guid = ?", [(uri[1] ?? "").toLowerCase(), (uri[2] ?? "").toLowerCase()]]
        : ["r.name = ?", [name]];
  const rows = await queries.rows<RoomRow>(
    `SELECT ${ROOM_COLUMNS} FROM room r JOIN category c ON c.id = r.category_id WHERE ${where} LIMIT 2`,
    values,
  );
  const [row] = rows;
  if (!row) throw new AdministrationError("NOT_FOUND", `There is no room ${JSON.stringify(name)}.`);
  if (rows.length > 1)
    throw new AdministrationError(
      "INVALID",
      `Several domains have a room ${JSON.stringify(name)}: give its URI.`,
    );
  return roomOf(row);
}

/** Names are given one at a time. A room's is unique in its domain and no category's, a category's is no room's. */
export async function claimName(
  queries: Queries,
  name: string,
  domain: string | null,
  self = 0,
): Promise<void> {
  if (name.trim() === "" || [...name].length > 255)
    throw new AdministrationError("INVALID", "A name has 1 to 255 characters.");
  await queries.rows("SELECT value FROM setting WHERE name = 'naming' FOR UPDATE");
  const [room] = await queries.rows<{ id: number }>(
    domain === null
      ? "SELECT id FROM room WHERE name = ? LIMIT 1"
      : "SELECT id FROM room WHERE name = ? AND domain = ? AND id <> ? LIMIT 1",
    domain === null ? [name] : [name, domain, self],
  );
  if (room) throw new AdministrationError("NAME_TAKEN", `A room is called "${name}" already.`);
  const [category] = await queries.rows<{ id: number }>(
    "SELECT id FROM category WHERE name = ? AND (? = 1 OR id <> ?) LIMIT 1",
    [name, domain === null ? 0 : 1, self],
  );
  if (category) throw new AdministrationError("NAME_TAKEN", `A category is called "${name}" already.`);
}
