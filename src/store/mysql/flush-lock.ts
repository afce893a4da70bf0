import type { Aor } from "../../chat/user.ts";
import { type FlushContext, type FlushState, newFlushState, postKey } from "./flush-state.ts";
import type { JournalConnection } from "./journal-connection.ts";
import { type Entry, roomsOf, tokensOf } from "./journal-entry.ts";
import { bytes, idLists, int, text } from "./sql-values.ts";

/** This life of the node has a successor, or has said its last word: it must not write any more. */
export class SupersededError extends Error {
  constructor(incarnation: string) {
    super(`${incarnation} has a successor`);
    this.name = "SupersededError";
  }
}

interface RoomRow {
  id: number;
  access_version: number;
  last_number: number;
  last_event: number;
  domain?: string;
  guid?: string;
  name?: string;
}

/**
 * Begins the transaction: proves that nobody has taken over, then locks dialogs in token order and rooms in id order, the
 * one order everybody keeps. One round trip; two when rooms must first be read from the dialogs that end.
 * @throws {SupersededError}
 */
export async function lockForFlush(
  connection: JournalConnection,
  entries: readonly Entry[],
  context: FlushContext,
): Promise<FlushState> {
  const state = newFlushState();
  const tokens = [...new Set(entries.flatMap(tokensOf))];
  const rooms = new Set(entries.flatMap(roomsOf));
  const readRooms = entries.some(({ kind }) => kind === "end" || kind === "adopt");
  const statements = [
    "START TRANSACTION",
    `UPDATE incarnation SET flushes = ${int(context.flush)} WHERE incarnation = ${text(context.incarnation)} AND successor IS NULL AND stopped = 0`,
  ];
  const readers: ((rows: unknown) => void)[] = [];
  const ask = (sql: string, reader: (rows: unknown) => void) => {
    statements.push(sql);
    readers.push(reader);
  };
  if (tokens.length > 0) askDialogs(state, tokens, context, ask);
  askSpooled(state, entries, ask);
  if (context.lookUpKeys) askStoredPosts(state, entries, ask);
  if (!readRooms) askRooms(state, rooms, context, false, ask);
  const [, fence, ...answers] = await connection.run(statements);
  if ((fence as { affectedRows: number }).affectedRows !== 1) throw new SupersededError(context.incarnation); // an UPDATE's answer
  for (const [index, reader] of readers.splice(0).entries()) reader(answers[index]);
  if (readRooms) {
    for (const { before } of state.joined.values()) for (const id of before.keys()) rooms.add(id);
    statements.length = 0;
    askRooms(state, rooms, context, true, ask);
    if (statements.length > 0) {
      const more = await connection.run(statements);
      for (const [index, reader] of readers.entries()) reader(more[index]);
    }
  }
  return state;
}

type Ask = (sql: string, reader: (rows: unknown) => void) => void;

function askRooms(
  state: FlushState,
  ids: ReadonlySet<number>,
  context: FlushContext,
  named: boolean,
  ask: Ask,
): void {
  for (const list of idLists(ids)) askListedRooms(state, list, context, named, ask);
}

function askListedRooms(
  state: FlushState,
  list: string,
  context: FlushContext,
  named: boolean,
  ask: Ask,
): void {
  const columns = `id, access_version, last_number, last_event${named ? ", domain, guid, name" : ""}`;
  // FORCE INDEX: a scan of a small table would wait for rooms that are none of ours.
  ask(
    `SELECT ${columns} FROM room FORCE INDEX (PRIMARY) WHERE id IN (${list}) ORDER BY id FOR UPDATE${skip(context)}`,
    (rows) => {
      for (const row of rows as RoomRow[]) {
        // the columns above
        state.rooms.set(row.id, {
          id: row.id,
          accessVersion: row.access_version,
          lastNumber: row.last_number,
          lastEvent: row.last_event,
          uri: named ? `ma-chan://${row.domain}/${row.guid}` : "",
          name: row.name ?? "",
          posts: 0,
          events: 0,
        });
      }
    },
  );
  if (context.skipLocked)
    ask(`SELECT id FROM room WHERE id IN (${list})`, (rows) => {
      for (const { id } of rows as { id: number }[]) if (!state.rooms.has(id)) state.lockedRooms.add(id); // the column above
    });
}

function askDialogs(state: FlushState, tokens: readonly string[], context: FlushContext, ask: Ask): void {
  const list = tokens.map(bytes).join(",");
  ask(
    `SELECT LOWER(HEX(token)) AS token, user_id, LOWER(HEX(endpoint)) AS endpoint, home, away_since_ms FROM dialog FORCE INDEX (PRIMARY) WHERE token IN (${list}) ORDER BY token FOR UPDATE${skip(context)}`,
    (rows) => {
      type Row = {
        token: string;
        user_id: number;
        endpoint: string;
        home: string;
        away_since_ms: number | null;
      };
      for (const row of rows as Row[]) // the columns above
        state.dialogs.set(row.token, {
          userId: row.user_id,
          endpoint: row.endpoint,
          home: row.home,
          away: row.away_since_ms !== null,
        });
    },
  );
  // Its rows change only under the dialog's lock, and READ COMMITTED reads them as they are now.
  ask(
    `SELECT LOWER(HEX(token)) AS token, room_id, mask, since FROM dialog_room WHERE token IN (${list})`,
    (rows) => {
      for (const token of tokens) state.joined.set(token, { before: new Map(), after: new Map() });
      type Row = { token: string; room_id: number; mask: number; since: number };
      for (const { token, room_id, mask, since } of rows as Row[]) {
        // the columns above
        state.joined.get(token)?.before.set(room_id, { mask, since });
        state.joined.get(token)?.after.set(room_id, { mask, since });
      }
    },
  );
  if (context.skipLocked)
    ask(`SELECT LOWER(HEX(token)) AS token FROM dialog WHERE token IN (${list})`, (rows) => {
      for (const { token } of rows as { token: string }[]) // the column above
        if (!state.dialogs.has(token)) state.lockedTokens.add(token);
    });
}

function askStoredPosts(state: FlushState, entries: readonly Entry[], ask: Ask): void {
  const keys = entries.flatMap((entry) =>
    entry.kind === "post"
      ? [
          `(k.token = ${bytes(entry.post.by.token)} AND k.envid = ${entry.post.envid} AND k.seqid = ${entry.post.seqid})`,
        ]
      : [],
  );
  if (keys.length === 0) return;
  ask(
    "SELECT LOWER(HEX(k.token)) AS token, CAST(k.envid AS CHAR) AS envid, CAST(k.seqid AS CHAR) AS seqid, k.room_id, k.number, " +
      "m.at_ms, m.alert, m.text, m.rtf, p.uri, p.display_name FROM post_key k " +
      // A message that was removed meanwhile was stored all the same.
      "LEFT JOIN message m ON m.room_id = k.room_id AND m.number = k.number LEFT JOIN principal p ON p.id = m.author_id " +
      `WHERE ${keys.join(" OR ")}`,
    (rows) => {
      type Row = Record<"token" | "envid" | "seqid", string> &
        Record<"room_id" | "number", number> &
        Record<"at_ms" | "alert", number | null> &
        Record<"text" | "rtf" | "uri" | "display_name", string | null>;
      for (const row of rows as Row[]) // the columns above
        state.storedPosts.set(postKey(row.token, row.envid, row.seqid), {
          roomId: row.room_id,
          number: row.number,
          author: (row.uri ?? "") as Aor, // was one when the post was stored
          authorName: row.display_name ?? "",
          atMs: row.at_ms ?? 0,
          alert: row.alert === 1,
          text: row.text ?? "",
          rtf: row.rtf,
        });
    },
  );
}

/** Whoever else records the same spool waits for this lock, and then finds how far it has come. */
function askSpooled(state: FlushState, entries: readonly Entry[], ask: Ask): void {
  const lives = new Set(entries.flatMap((entry) => (entry.kind === "spooled" ? [entry.life] : [])));
  if (lives.size === 0) return;
  ask(
    `SELECT incarnation, spooled FROM incarnation FORCE INDEX (PRIMARY) WHERE incarnation IN (${[...lives].sort().map(text).join(",")}) ORDER BY incarnation FOR UPDATE`,
    (rows) => {
      for (const row of rows as { incarnation: string; spooled: number }[]) // the columns above
        state.spooled.set(row.incarnation, Number(row.spooled));
    },
  );
}

function skip({ skipLocked }: FlushContext): string {
  return skipLocked ? " SKIP LOCKED" : "";
}
