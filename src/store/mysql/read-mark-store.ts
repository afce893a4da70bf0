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
  ): Promise<Map<number, { last: number; read: number }>> {
    const found = new Map<number, { last: number; read: number }>();
    for (let from = 0; from < roomIds.length; from += CHUNK) {
      const rows = await this.#database.rows<{
        id: number;
        last_number: number;
        number: number;
        live: number;
      }>(
        "SELECT r.id, r.last_number, COALESCE(m.number, 0) AS number, " +
          "EXISTS (SELECT 1 FROM dialog d JOIN dialog_room dr ON dr.token = d.token WHERE d.user_id = ? " +
          "AND d.away_since_ms IS NULL AND dr.room_id = r.id AND dr.since < r.last_number) AS live " +
          "FROM room r LEFT JOIN read_mark m ON m.user_id = ? AND m.room_id = r.id WHERE r.id IN (?)",
        [userId, userId, roomIds.slice(from, from + CHUNK)],
      );
      for (const { id, last_number, number, live } of rows)
        found.set(id, { last: last_number, read: Number(live) === 1 ? last_number : Number(number) });
    }
    return found;
  }
}
