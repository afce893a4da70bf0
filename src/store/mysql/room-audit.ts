import type { RoomAudit } from "../../management/ports.ts";
import type { Queries } from "./database.ts";

/** In the transaction in which the room is made. */
export async function auditCreated(
  queries: Queries,
  roomId: number,
  by: string,
  nowMs: number,
): Promise<void> {
  await queries.change("INSERT INTO room_audit (room_id, created_by, updated_by, updated_ms) VALUES (?)", [
    [roomId, by, by, nowMs],
  ]);
}

/** In the transaction in which their settings or lists change. */
export async function auditUpdated(
  queries: Queries,
  roomIds: readonly number[],
  by: string,
  nowMs: number,
): Promise<void> {
  await queries.change(
    "INSERT INTO room_audit (room_id, updated_by, updated_ms) VALUES ? ON DUPLICATE KEY UPDATE updated_by = ?, updated_ms = ?",
    [roomIds.map((roomId) => [roomId, by, nowMs]), by, nowMs],
  );
}

export async function readAudit(queries: Queries, roomId: number): Promise<RoomAudit> {
  const [row] = await queries.rows<{
    created_ms: number;
    created_by: string | null;
    updated_by: string | null;
    updated_ms: number | null;
  }>(
    "SELECT r.created_ms, a.created_by, a.updated_by, a.updated_ms FROM room r " +
      "LEFT JOIN room_audit a ON a.room_id = r.id WHERE r.id = ?",
    [roomId],
  );
  return {
    createdBy: row?.created_by ?? "",
    createdMs: Number(row?.created_ms ?? 0),
    updatedBy: row?.updated_by ?? "",
    updatedMs: row?.updated_ms ? Number(row.updated_ms) : null,
  };
}
