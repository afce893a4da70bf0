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

  async removed(roomId: number, from: number, to: number): Promise<number[]> {
    const cleared = Math.min(await this.clearedTo(roomId), to);
    const numbers = Array.from({ length: Math.max(0, cleared - from + 1) }, (_, index) => from + index);
    const rows = await this.#database.rows<{ number: number }>(
      "SELECT number FROM moderated_message WHERE room_id = ? AND removed = 1 AND number BETWEEN ? AND ? ORDER BY number",
      [roomId, Math.max(from, cleared + 1), to],
    );
    return [...numbers, ...rows.map(({ number }) => number)];
  }

  async moderated(
    roomId: number,
    { after, upTo }: { readonly after: number; readonly upTo: number },
    above: number,
    atMost: number,
  ): Promise<{ number: number; removed: boolean }[]> {
    const rows = await this.#database.rows<{ number: number; removed: number }>(
      "SELECT number, removed FROM moderated_message WHERE room_id = ? AND version > ? AND version <= ? " +
        `AND number > ? ORDER BY number ${limit(atMost)}`,
      [roomId, after, upTo, above],
    );
    return rows.map(({ number, removed }) => ({ number, removed: removed === 1 }));
  }

  async clearedTo(roomId: number): Promise<number> {
    const [row] = await this.#database.rows<{ cleared_to: number }>(
      "SELECT cleared_to FROM room WHERE id = ?",
      [roomId],
    );
    return row?.cleared_to ?? 0;
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
