import type { StoredMessage } from "../../chat/message.ts";
import type { Aor } from "../../chat/user.ts";
import type { MessageStore } from "../../ports.ts";
import { type Database, limit } from "./database.ts";

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
    const newestFirst = await this.#database.rows<MessageRow>(
      selectFrom("message", "m.number <= ? ORDER BY m.number DESC", atMost),
      [roomId, upTo],
    );
    return newestFirst.map(messageOf).reverse();
  }

  /** At most 10,000, the first ones. */
  async range(roomId: number, from: number, to: number): Promise<StoredMessage[]> {
    const which = "m.number BETWEEN ? AND ? ORDER BY m.number";
    const [kept, passing] = TABLES.map((table) => `(${selectFrom(table, which, MAX_MESSAGES)})`);
    const values = [roomId, from, to];
    const rows = await this.#database.rows<MessageRow>(
      `${kept} UNION ALL ${passing} ORDER BY number ${limit(MAX_MESSAGES)}`,
      [...values, ...values],
    );
    return rows.map(messageOf);
  }

  async removed(roomId: number, from: number, to: number): Promise<number[]> {
    // The last number first: what has a number up to it is committed, and there when it is looked for now, or gone for good.
    const [room] = await this.#database.rows<{ last_number: number }>(
      "SELECT last_number FROM room WHERE id = ?",
      [roomId],
    );
    const end = Math.min(to, room?.last_number ?? 0);
    if (end < from) return [];
    const rows = await this.#database.rows<{ number: number }>(
      TABLES.map((table) => `SELECT number FROM ${table} WHERE room_id = ? AND number BETWEEN ? AND ?`).join(
        " UNION ALL ",
      ),
      [roomId, from, end, roomId, from, end],
    );
    const there = new Set(rows.map(({ number }) => number));
    const all = Array.from({ length: end - from + 1 }, (_, index) => from + index);
    return all.filter((number) => !there.has(number));
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
}

/** What is kept, and what is not and only waits until it is delivered everywhere. */
const TABLES = ["message", "passing_message"] as const;

function selectFrom(table: (typeof TABLES)[number], which: string, atMost: number): string {
  return (
    "SELECT m.room_id, m.number, p.uri, p.display_name, m.at_ms, m.alert, m.text, m.rtf " +
    `FROM ${table} m LEFT JOIN principal p ON p.id = m.author_id WHERE m.room_id = ? AND ${which} ${limit(atMost)}`
  );
}

function messageOf(row: MessageRow): StoredMessage {
  return {
    roomId: row.room_id,
    number: row.number,
    author: (row.uri ?? "") as Aor, // was one when the message was stored
    authorName: row.display_name ?? "",
    atMs: row.at_ms,
    alert: row.alert === 1,
    text: row.text,
    rtf: row.rtf,
  };
}
