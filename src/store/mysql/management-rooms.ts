import { randomUUID } from "node:crypto";
import type { EventActor } from "../../chat/compliance-event.ts";
import type { Role } from "../../chat/principal.ts";
import { sessionOf } from "../../chat/session-digest.ts";
import type { ManagementUnit, RecordedRoom, RoleEntry, RoomFields } from "../../management/ports.ts";
import { ids, type Queries, type Value } from "./database.ts";
import type { Afterwards } from "./management-afterwards.ts";
import type { ManagementRecords } from "./management-records.ts";
import { chunks, findRoom, readList, WHOLE_LIST } from "./management-rows.ts";
import { lockedChunksOf } from "./membership-rows.ts";
import { readMembersAmong } from "./principal-scope.ts";
import { auditCreated, auditUpdated } from "./room-audit.ts";
import { roomUri } from "./room-rows.ts";

const COLUMN: Record<keyof RoomFields, string> = {
  name: "name",
  description: "description",
  categoryId: "category_id",
  privacy: "privacy",
  type: "type",
  inheritsInvitations: "invitations",
  addInId: "add_in_id",
  disabled: "disabled",
};

type RoomPart = Pick<
  ManagementUnit,
  | "room"
  | "membersAmong"
  | "roles"
  | "lastNumber"
  | "insertRoom"
  | "updateRoom"
  | "addRoles"
  | "removeRoles"
  | "leaveRooms"
  | "deleteRoom"
>;

/** The rooms' part of a transaction. */
export function roomPart(
  queries: Queries,
  records: ManagementRecords,
  { by, nowMs }: { readonly by: string; readonly nowMs: () => number },
  afterwards: Afterwards,
): RoomPart {
  return {
    async room(name) {
      const found = await findRoom(queries, name);
      if (found === undefined || found === "several") return found;
      const [locked] = await queries.rows<{ last_event: number }>(
        "SELECT last_event FROM room FORCE INDEX (PRIMARY) WHERE id = ? FOR UPDATE",
        [found.id],
      );
      if (!locked) return undefined;
      records.locked(found.id, locked.last_event);
      return findRoom(queries, { id: found.id }); // as it is under the lock
    },

    membersAmong: (roomId, principalIds) => readMembersAmong(queries, roomId, principalIds),

    roles: (roomId) => readList<Role>(queries, { table: "room_role", id: roomId }, WHOLE_LIST),

    async lastNumber(roomId) {
      const [row] = await queries.rows<{ last_number: number }>("SELECT last_number FROM room WHERE id = ?", [
        roomId,
      ]);
      return row?.last_number ?? 0;
    },

    async insertRoom(domain, guid, fields, createdMs = nowMs()) {
      const [columns, values] = columnsOf(fields);
      const now = nowMs();
      const { insertId } = await queries.change(
        `INSERT INTO room (domain, guid, created_ms, ${columns.join(", ")}) VALUES (?)`,
        [[domain, guid ?? randomUUID(), createdMs, ...values]],
      );
      await auditCreated(queries, insertId, by, now);
      return insertId;
    },

    async updateRoom(roomId, fields) {
      const [columns, values] = columnsOf(fields);
      const sets = ["access_version = access_version + 1", ...columns.map((column) => `${column} = ?`)];
      await queries.change(`UPDATE room SET ${sets.join(", ")} WHERE id = ?`, [...values, roomId]);
      await auditUpdated(queries, [roomId], by, nowMs());
    },

    async addRoles(roomId, entries) {
      for (const chunk of chunks(entries))
        await queries.change("INSERT INTO room_role (room_id, principal_id, role) VALUES ?", [
          chunk.map(({ principalId, role }) => [roomId, principalId, role]),
        ]);
      const members = entries.filter(({ role }) => role === "member");
      if (members.length > 0)
        afterwards({
          what: "invite",
          rooms: [roomId],
          through: members.map(({ principalId }) => principalId),
        });
    },

    async removeRoles(roomId, entries) {
      for (const [role, principalIds] of byRole(entries))
        for (const chunk of chunks(principalIds))
          await queries.change(
            "DELETE FROM room_role WHERE room_id = ? AND role = ? AND principal_id IN (?)",
            [roomId, role, ids(chunk)],
          );
      const members = entries.filter(({ role }) => role === "member");
      if (members.length > 0)
        afterwards({
          what: "withdraw",
          rooms: [roomId],
          through: members.map(({ principalId }) => principalId),
        });
    },

    async leaveRooms({ id: principalId, kind }) {
      const listed = await queries.rows<{ id: number }>(
        "SELECT DISTINCT room_id AS id FROM room_role WHERE principal_id = ? ORDER BY room_id",
        [principalId],
      );
      const roomIds = listed.map(({ id }) => id);
      const left = new Map<number, RecordedRoom>();
      for (const chunk of lockedChunksOf(roomIds)) {
        type Row = { id: number; domain: string; guid: string; name: string; last_event: number };
        const rows = await queries.rows<Row>(
          "SELECT id, domain, guid, name, last_event FROM room FORCE INDEX (PRIMARY) WHERE id IN (?) ORDER BY id FOR UPDATE",
          [chunk],
        );
        for (const { id, domain, guid, name, last_event } of rows) {
          records.locked(id, last_event);
          left.set(id, { id, uri: roomUri(domain, guid), name });
        }
        await queries.change("UPDATE room SET access_version = access_version + 1 WHERE id IN (?)", [chunk]);
        await auditUpdated(queries, chunk, by, nowMs());
        await queries.change("DELETE FROM room_role WHERE principal_id = ? AND room_id IN (?)", [
          principalId,
          chunk,
        ]);
        // Who was in a group is looked at where he leaves it.
        if (kind !== "group") afterwards({ what: "withdraw", rooms: chunk, through: [principalId] });
      }
      return left;
    },

    async deleteRoom(room) {
      for (const { token, ...by } of await participants(queries, room.id))
        records.add({
          by,
          session: sessionOf(token),
          room,
          fact: { kind: "PART", reason: "expelled" },
        });
      await queries.change("DELETE FROM room WHERE id = ?", [room.id]);
      await queries.change("DELETE FROM room_role WHERE room_id = ?", [room.id]);
      await queries.change("DELETE FROM room_audit WHERE room_id = ?", [room.id]);
      await queries.change("INSERT INTO deleted_room (room_id, deleted_ms) VALUES (?, ?)", [
        room.id,
        nowMs(),
      ]);
    },
  };
}

/**
 * Every dialog in the room. Nobody enters or leaves it on the record while the room is locked, so that after this nobody is in it:
 * what the nodes still have to leave finds no room to record it in.
 */
async function participants(
  queries: Queries,
  roomId: number,
): Promise<(EventActor & { readonly token: string })[]> {
  type Row = { token: string; id: number; uri: string; display_name: string; email: string | null };
  const rows = await queries.rows<Row>(
    "SELECT LOWER(HEX(d.token)) AS token, p.id, p.uri, p.display_name, p.email FROM dialog_room dr " +
      "JOIN dialog d ON d.token = dr.token JOIN principal p ON p.id = d.user_id WHERE dr.room_id = ? ORDER BY dr.token",
    [roomId],
  );
  return rows.map(({ display_name, ...row }) => ({ ...row, displayName: display_name }));
}

function byRole(entries: readonly RoleEntry[]): Map<Role, number[]> {
  const lists = new Map<Role, number[]>();
  for (const { principalId, role } of entries) {
    const list = lists.get(role);
    if (list) list.push(principalId);
    else lists.set(role, [principalId]);
  }
  return lists;
}

function columnsOf(fields: Partial<RoomFields>): [columns: string[], values: Value[]] {
  const names = Object.keys(fields) as (keyof RoomFields)[]; // of a type without others
  return [names.map((name) => COLUMN[name]), names.map((name) => fields[name] ?? null)];
}
