import { ChatError } from "../../chat/errors.ts";
import type { Preference, PreferenceStore } from "../../user-ports.ts";
import type { Database } from "./database.ts";

/** Labels of one user. */
const MAX_LABELS = 50;

export class MysqlPreferenceStore implements PreferenceStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(userId: number, label: string): Promise<Preference | undefined> {
    const [row] = await this.#database.rows<{ version: number; content: Buffer }>(
      "SELECT version, content FROM preference WHERE user_id = ? AND label = ?",
      [userId, label],
    );
    return row;
  }

  async set(userId: number, label: string, { version, content }: Preference): Promise<number> {
    const bytes = Buffer.from(content);
    if (version > 0) {
      const { affectedRows } = await this.#database.change(
        "UPDATE preference SET version = version + 1, content = ? WHERE user_id = ? AND label = ? AND version = ?",
        [bytes, userId, label, version],
      );
      if (affectedRows === 0) throw new ChatError("DATA_COLLISION");
      return version + 1;
    }
    await this.#database.transaction(async (queries) => {
      // The user's own row is the lock: two computers that make the same label, or the last two, come one after the other.
      await queries.rows("SELECT id FROM principal WHERE id = ? FOR UPDATE", [userId]);
      const labels = await queries.rows<{ label: string }>("SELECT label FROM preference WHERE user_id = ?", [
        userId,
      ]);
      if (labels.some((one) => one.label === label)) throw new ChatError("DATA_COLLISION");
      if (labels.length >= MAX_LABELS) throw new ChatError("LIMIT_EXCEEDED");
      await queries.change("INSERT INTO preference (user_id, label, version, content) VALUES (?, ?, 1, ?)", [
        userId,
        label,
        bytes,
      ]);
    });
    return 1;
  }
}
