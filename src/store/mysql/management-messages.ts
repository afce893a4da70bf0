import type { OldMessage } from "../../chat/compliance-event.ts";
import type { FilteredMessage } from "../../chat/message-filter.ts";
import { authorTerm, termsOf } from "../../chat/search-words.ts";
import { MAX_MESSAGES_AT_ONCE, type ManagementUnit, type Span } from "../../management/ports.ts";
import { limit, type Queries, type Value } from "./database.ts";
import { SegmentBuilder, writeSegment } from "./search-segment.ts";

/** Messages, and bytes of text, that are cleared in one step: some ten milliseconds of work. */
const CLEARED_AT_ONCE = 500;
const CLEARED_BYTES = 1 << 20;

type MessagePart = Pick<
  ManagementUnit,
  "messages" | "firstMessages" | "removeMessages" | "replaceMessages" | "clearMessages"
>;

/** The messages' part of a transaction whose room is locked. */
export function messagePart(queries: Queries, version: number): MessagePart {
  const mark = (roomId: number, numbers: readonly number[], removed: 0 | 1) =>
    queries.change(
      "INSERT INTO moderated_message (room_id, number, removed, version) VALUES ? " +
        "ON DUPLICATE KEY UPDATE removed = VALUES(removed), version = VALUES(version)",
      [numbers.map((number) => [roomId, number, removed, version])],
    );
  return {
    messages: (roomId, numbers) =>
      readOld(queries, "m.number IN (?)", [roomId, numbers.slice(0, MAX_MESSAGES_AT_ONCE)]),

    async firstMessages(roomId) {
      const sizes = await queries.rows<{ number: number; bytes: number }>(
        "SELECT number, OCTET_LENGTH(text) + COALESCE(OCTET_LENGTH(rtf), 0) AS bytes FROM message " +
          `WHERE room_id = ? ORDER BY number ${limit(CLEARED_AT_ONCE)}`,
        [roomId],
      );
      let bytes = 0;
      let upTo = 0;
      for (const { number, bytes: size } of sizes) {
        bytes += Number(size);
        if (upTo > 0 && bytes > CLEARED_BYTES) break;
        upTo = number;
      }
      return readOld(queries, "m.number <= ?", [roomId, upTo]);
    },

    async removeMessages(roomId, numbers) {
      await queries.change("DELETE FROM message WHERE room_id = ? AND number IN (?)", [roomId, numbers]);
      await mark(roomId, numbers, 1);
    },

    async replaceMessages(roomId, numbers, text) {
      await queries.change("UPDATE message SET text = ?, rtf = NULL WHERE room_id = ? AND number IN (?)", [
        text,
        roomId,
        numbers,
      ]);
      await mark(roomId, numbers, 0);
      await indexAgain(queries, roomId, numbers, text);
    },

    async clearMessages(roomId, upTo) {
      await queries.change("DELETE FROM message WHERE room_id = ? AND number <= ?", [roomId, upTo]);
      await queries.change("DELETE FROM moderated_message WHERE room_id = ? AND number <= ?", [roomId, upTo]);
      await queries.change("DELETE FROM passing_message WHERE room_id = ? AND number <= ?", [roomId, upTo]);
      await queries.change("DELETE FROM unkept_span WHERE room_id = ? AND to_number <= ?", [roomId, upTo]);
      await queries.change("UPDATE room SET cleared_to = GREATEST(cleared_to, ?) WHERE id = ?", [
        upTo,
        roomId,
      ]);
    },
  };
}

/** The history search knows these messages by the words they had: it finds them by their new ones as well. */
async function indexAgain(
  queries: Queries,
  roomId: number,
  numbers: readonly number[],
  text: string,
): Promise<void> {
  const builder = new SegmentBuilder();
  const rows = await queries.rows<{ number: number; author_id: number }>(
    "SELECT number, author_id FROM message WHERE room_id = ? AND number IN (?) ORDER BY number",
    [roomId, numbers],
  );
  for (const { number, author_id } of rows)
    builder.add(roomId, number, termsOf(text).add(authorTerm(author_id)));
  if (builder.messages > 0) await writeSegment(queries, builder);
}

interface Row {
  number: number;
  uri: string | null;
  at_ms: number;
  text: string;
  rtf: string | null;
}

async function readOld(queries: Queries, which: string, values: readonly Value[]): Promise<OldMessage[]> {
  const rows = await queries.rows<Row>(
    "SELECT m.number, p.uri, m.at_ms, m.text, m.rtf FROM message m LEFT JOIN principal p ON p.id = m.author_id " +
      `WHERE m.room_id = ? AND ${which} ORDER BY m.number`,
    values,
  );
  return rows.map(({ number, uri, at_ms, text, rtf }) => ({
    number,
    author: uri ?? "",
    atMs: at_ms,
    text,
    rtf,
  }));
}

export async function readNumbers(
  queries: Queries,
  roomId: number,
): Promise<{ readonly first: number; readonly last: number }> {
  const [row] = await queries.rows<{ cleared_to: number; last_number: number }>(
    "SELECT cleared_to, last_number FROM room WHERE id = ?",
    [roomId],
  );
  return { first: (row?.cleared_to ?? 0) + 1, last: row?.last_number ?? 0 };
}

export async function readSpan(
  queries: Queries,
  roomId: number,
  { from, to, author, withText }: Span,
): Promise<FilteredMessage[]> {
  const rows = await queries.rows<Omit<Row, "rtf">>(
    `SELECT m.number, p.uri, m.at_ms, ${withText ? "m.text" : "'' AS text"} FROM message m ` +
      "LEFT JOIN principal p ON p.id = m.author_id WHERE m.room_id = ? AND m.number BETWEEN ? AND ? " +
      `${author === undefined ? "" : "AND p.uri = ? "}ORDER BY m.number`,
    [roomId, from, to, ...(author === undefined ? [] : [author])],
  );
  return rows.map(({ number, uri, at_ms, text }) => ({ number, author: uri ?? "", atMs: at_ms, text }));
}
