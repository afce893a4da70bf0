import type { StoredMessage } from "../../chat/message.ts";
import type { Aor } from "../../chat/user.ts";
import type { MessageStore } from "../../ports.ts";
import { type Database, limit, type Value } from "./database.ts";

/** Messages in one answer; a caller who wants more asks again. */
const MAX_MESSAGES = 10_000;

interface MessageRow {
  room_id: number;
  number: number;
  uri: string;
  display_name: string;
  at_ms: number;
  alert: number;
  text: string;
  rtf: string | null;
}

/** Reads messages; the journal writes them. */
export class MysqlMessageStore implements MessageStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async latest(roomId: number, count: number, upTo: number): Promise<StoredMessage[]> {
    const atMost = Math.min(Math.max(0, Math.floor(count)), MAX_MESSAGES);
    const newestFirst = await this.#read("m.number <= ? ORDER BY m.number DESC", [roomId, upTo], atMost);
    return newestFirst.reverse();
  }

  /** At most 10,000, the first ones. */
  range(roomId: number, from: number, to: number): Promise<StoredMessage[]> {
    return this.#read("m.number BETWEEN ? AND ? ORDER BY m.number", [roomId, from, to], MAX_MESSAGES);
  }

  async #read(which: string, values: readonly Value[], atMost: number): Promise<StoredMessage[]> {
    const rows = await this.#database.rows<MessageRow>(
      "SELECT m.room_id, m.number, p.uri, p.display_name, m.at_ms, m.alert, m.text, m.rtf " +
        `FROM message m LEFT JOIN principal p ON p.id = m.author_id WHERE m.room_id = ? AND ${which} ${limit(atMost)}`,
      values,
    );
    return rows.map((row) => ({
      roomId: row.room_id,
      number: row.number,
      author: (row.uri ?? "") as Aor, // was one when the message was stored
      authorName: row.display_name ?? "",
      atMs: row.at_ms,
      alert: row.alert === 1,
      text: row.text,
      rtf: row.rtf,
    }));
  }
}
