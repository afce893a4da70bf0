import type { ProgressStore } from "../../ports.ts";
import type { Incarnation } from "../../sip/dialog.ts";
import type { Database } from "./database.ts";

/** Rows in one statement. */
const CHUNK = 2_000;

export class MysqlProgressStore implements ProgressStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async save(me: Incarnation, delivered: ReadonlyMap<number, number>): Promise<void> {
    const rows = [...delivered].sort(([a], [b]) => a - b).map(([roomId, number]) => [me, roomId, number]);
    for (let from = 0; from < rows.length; from += CHUNK)
      await this.#database.change("REPLACE INTO delivery_progress (incarnation, room_id, number) VALUES ?", [
        rows.slice(from, from + CHUNK),
      ]);
  }

  async load(home: Incarnation): Promise<Map<number, number>> {
    const rows = await this.#database.rows<{ room_id: number; number: number }>(
      "SELECT room_id, number FROM delivery_progress WHERE incarnation = ?",
      [home],
    );
    return new Map(rows.map(({ room_id, number }) => [room_id, number]));
  }

  async forget(home: Incarnation): Promise<void> {
    await this.#database.change("DELETE FROM delivery_progress WHERE incarnation = ?", [home]);
  }
}
