import type { StoredMessage } from "../../chat/message.ts";
import type { Aor } from "../../chat/user.ts";
import type { Queries } from "./database.ts";
import type { ReadMessage } from "./search-reader.ts";

interface Row {
  room_id: number;
  number: number;
  at_ms: number;
  alert: number;
  text: string;
  rtf: string | null;
  uri: string | null;
  display_name: string | null;
}

/** Messages read at once. */
const READ_MESSAGES = 128;
/** Characters of texts and rich versions in one answer: more than a reply can hold. */
const MOST_CHARACTERS = 2_000_000;

/**
 * Everything about messages that match, as far as they still have the text that does.
 * @param wanted the most wanted first: they are read until it is too much to be shown
 */
export async function readDetails(
  queries: Queries,
  wanted: readonly ReadMessage[],
): Promise<Map<ReadMessage, StoredMessage>> {
  const found = new Map<ReadMessage, StoredMessage>();
  let characters = 0;
  for (let at = 0; at < wanted.length && characters < MOST_CHARACTERS; at += READ_MESSAGES) {
    const some = new Map(
      wanted.slice(at, at + READ_MESSAGES).map((one) => [`${one.roomId} ${one.number}`, one]),
    );
    const rows = await queries.rows<Row>(
      "SELECT m.room_id, m.number, m.at_ms, m.alert, m.text, m.rtf, p.uri, p.display_name " +
        "FROM JSON_TABLE(?, '$[*]' COLUMNS (room INT UNSIGNED PATH '$[0]', number INT UNSIGNED PATH '$[1]')) w " +
        "STRAIGHT_JOIN message m ON m.room_id = w.room AND m.number = w.number LEFT JOIN principal p ON p.id = m.author_id",
      [JSON.stringify([...some.values()].map(({ roomId, number }) => [roomId, number]))],
    );
    for (const row of rows) {
      const read = some.get(`${row.room_id} ${row.number}`);
      characters += row.text.length + (row.rtf?.length ?? 0);
      if (read && read.text === row.text) found.set(read, messageOf(row));
    }
  }
  return found;
}

function messageOf(row: Row): StoredMessage {
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
