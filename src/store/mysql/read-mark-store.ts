import type { ReadMark, ReadMarkStore } from "../../user-ports.ts";
import type { Database } from "./database.ts";

/** Rows in one statement, and rooms in one list: a longer one MariaDB makes a table of. */
const CHUNK = 900;

export class MysqlReadMarkStore implements ReadMarkStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async save(marks: readonly ReadMark[]): Promise<void> {
    // In the order of the key, so that two nodes never wait for each other.
    const sorted = marks.toSorted((a, b) => a.userId - b.userId || a.roomId - b.roomId);
    for (let from = 0; from < sorted.length; from += CHUNK) {
      const rows = sorted.slice(from, from + CHUNK).map((mark) => [mark.userId, mark.roomId, mark.number]);
      await this.#database.change(
        "INSERT INTO read_mark (user_id, room_id, number) VALUES ? " +
          "ON DUPLICATE KEY UPDATE number = GREATEST(read_mark.number, VALUES(number))",
        [rows],
      );
    }
  }

  async read(
    userId: number,
    roomIds: readonly number[],
  ): Promise<Map<number, { last: number; read: number; removed: number }>> {
    const found = new Map<number, { last: number; read: number; removed: number }>();
    for (let from = 0; from < roomIds.length; from += CHUNK) {
      const rows = await this.#database.rows<{
        id: number;
        last_number: number;
        number: number;
        live: number;
        removed: number;
      }>(
        "SELECT r.id, r.last_number, GREATEST(COALESCE(m.number, 0), r.cleared_to) AS number, " +
          `${goneAbove("r.id", "GREATEST(COALESCE(m.number, 0), r.cleared_to)")} AS removed, ` +
          "EXISTS (SELECT 1 FROM dialog d JOIN dialog_room dr ON dr.token = d.token WHERE d.user_id = ? " +
          "AND d.away_since_ms IS NULL AND dr.room_id = r.id AND dr.since < r.last_number) AS live " +
          "FROM room r LEFT JOIN read_mark m ON m.user_id = ? AND m.room_id = r.id WHERE r.id IN (?)",
        [userId, userId, roomIds.slice(from, from + CHUNK)],
      );
      for (const { id, last_number: last, number, live, removed } of rows)
        found.set(
          id,
          Number(live) === 1
            ? { last, read: last, removed: 0 }
            : { last, read: Number(number), removed: Number(removed) },
        );
    }
    return found;
  }

  async removedAbove(roomId: number, number: number): Promise<number> {
    const [row] = await this.#database.rows<{ removed: number }>(
      `SELECT ${goneAbove("r.id", "?")} AS removed FROM room r WHERE r.id = ?`,
      [number, number, number, roomId],
    );
    return Number(row?.removed ?? 0);
  }
}

/** How many of a room's numbers above one have no message to read: removed since, or never kept. */
function goneAbove(room: string, number: string): string {
  return (
    `((SELECT COUNT(*) FROM moderated_message x WHERE x.room_id = ${room} AND x.removed = 1 AND x.number > ${number}) + ` +
    `(SELECT COALESCE(SUM(s.to_number - GREATEST(s.from_number - 1, ${number})), 0) FROM unkept_span s ` +
    `WHERE s.room_id = ${room} AND s.to_number > ${number}))`
  );
}
