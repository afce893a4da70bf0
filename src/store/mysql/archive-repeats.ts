import { OTHER_EVENT } from "../../compliance/quarantine.ts";
import type { Queries } from "./database.ts";
import { columns, dbNowMs, idBytes, idText, inChunks } from "./handover-rows.ts";

const perStatement = 500;

/**
 * Takes events out of the intake whose id or number is sealed already. The very same event again goes without a trace; anything
 * else goes to the quarantine. @returns ids of what was quarantined
 */
export async function settleRepeats(queries: Queries, eventIds: readonly string[]): Promise<string[]> {
  const conflicts: string[] = [];
  for (const ids of inChunks(eventIds, perStatement)) {
    const same = await queries.rows<{ event_id: Buffer }>(
      "SELECT i.event_id FROM archive_intake i JOIN archive_leaf l ON l.event_id = i.event_id " +
        "JOIN archive_stream s ON s.id = l.stream_id AND s.name = i.stream " +
        "JOIN archive_content c ON c.seq = l.seq " +
        "WHERE i.event_id IN (?) AND l.stream_seq = i.stream_seq AND SHA2(c.body, 256) = SHA2(i.body, 256)",
      [ids.map(idBytes)],
    );
    const repeated = new Set(same.map(({ event_id }) => idText(event_id)));
    const others = ids.filter((eventId) => !repeated.has(eventId));
    if (others.length > 0)
      await queries.change(
        `INSERT INTO compliance_quarantine (${columns}, body_sha256, reason, quarantined_ms) ` +
          `SELECT ${columns}, UNHEX(SHA2(body, 256)), ?, ${dbNowMs} ` +
          "FROM archive_intake WHERE event_id IN (?) " +
          "ON DUPLICATE KEY UPDATE compliance_quarantine.event_id = compliance_quarantine.event_id",
        [OTHER_EVENT.place, others.map(idBytes)],
      );
    await queries.change("DELETE FROM archive_intake WHERE event_id IN (?)", [ids.map(idBytes)]);
    conflicts.push(...others);
  }
  return conflicts;
}
