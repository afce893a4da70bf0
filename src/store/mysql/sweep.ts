import { type Database, limit, type Value } from "./database.ts";

/** Rows in one statement. */
const PORTION = 1_000;
/** Statements of each kind in one sweep; the next sweep goes on. */
const MAX_PORTIONS = 50;

/** Nodes ask for changes twice a second; a day also helps whoever looks for what happened. */
const CHANGES_KEPT_MS = 24 * 3_600_000;

/** How long a message that is not kept waits to be delivered. */
const PASSING_MS = 60_000;
const PASSING_AT_MOST_MS = 24 * 3_600_000;

/**
 * Removes what has had its time: messages that are not kept, post keys of dialogs that ended a day ago, remembered rooms, leases of lives that ended
 * without dialogs, messages of deleted rooms, changes that every node has seen. To be called every few minutes, on one node or on several.
 * @returns rows removed
 */
export async function sweep(database: Database, nowMs: number): Promise<number> {
  let removed = 0;
  for (let portion = 0; portion < MAX_PORTIONS; portion++) {
    const ended = await database.rows<{ token: Buffer }>(
      `SELECT token FROM ended_dialog WHERE until_ms <= ? ORDER BY until_ms ${limit(PORTION)}`,
      [nowMs],
    );
    if (ended.length === 0) break;
    const tokens = ended.map(({ token }) => token);
    // The keys first: after an interruption the ended dialogs still name what is left of them.
    const keys = await removeAll(database, "DELETE FROM post_key WHERE token IN (?)", [tokens]);
    removed += keys.rows;
    if (!keys.finished) break;
    removed += (await database.change("DELETE FROM ended_dialog WHERE token IN (?)", [tokens])).affectedRows;
  }
  removed += await sweepDeletedRooms(database);
  removed += await sweepPassing(database, nowMs);
  removed += (await removeAll(database, "DELETE FROM change_log WHERE at_ms <= ?", [nowMs - CHANGES_KEPT_MS]))
    .rows;
  removed += (await removeAll(database, "DELETE FROM remembered_room WHERE until_ms <= ?", [nowMs])).rows;
  removed += (
    await database.change(
      "DELETE FROM node_lease WHERE expires_at < NOW(3) - INTERVAL 1 DAY " +
        "AND NOT EXISTS (SELECT 1 FROM dialog WHERE dialog.home = node_lease.incarnation)",
    )
  ).affectedRows;
  return removed;
}

/** What deleted rooms leave behind; again and again until nothing is left. Nobody is shown any of it: the room is gone. */
async function sweepDeletedRooms(database: Database): Promise<number> {
  const gone = await database.rows<{ room_id: number }>(
    `SELECT room_id FROM deleted_room ORDER BY room_id ${limit(PORTION)}`,
  );
  let removed = 0;
  for (const { room_id } of gone) {
    let finished = true;
    for (const table of [
      "invitation",
      "read_mark",
      "moderated_message",
      "passing_message",
      "unkept_span",
      "message",
    ]) {
      const rows = await removeAll(database, `DELETE FROM ${table} WHERE room_id = ?`, [room_id]);
      removed += rows.rows;
      finished &&= rows.finished;
    }
    if (finished) await database.change("DELETE FROM deleted_room WHERE room_id = ?", [room_id]);
  }
  return removed;
}

/**
 * Messages that are not kept. Nodes that live have delivered them long ago: they compare with the store every ten seconds. Dialogs of
 * one that died still wait for them until another has taken them over; none waits for a day.
 */
async function sweepPassing(database: Database, nowMs: number): Promise<number> {
  const waiting = await database.rows<{ home: string }>(
    "SELECT DISTINCT d.home FROM dialog d WHERE NOT EXISTS " +
      "(SELECT 1 FROM node_lease l WHERE l.incarnation = d.home AND l.expires_at > NOW(3)) " +
      limit(1),
  );
  const keptMs = waiting.length > 0 ? PASSING_AT_MOST_MS : PASSING_MS;
  return (await removeAll(database, "DELETE FROM passing_message WHERE at_ms <= ?", [nowMs - keptMs])).rows;
}

async function removeAll(
  database: Database,
  sql: string,
  values: readonly Value[],
): Promise<{ rows: number; finished: boolean }> {
  let rows = 0;
  for (let portion = 0; portion < MAX_PORTIONS; portion++) {
    const { affectedRows } = await database.change(`${sql} ${limit(PORTION * 5)}`, values);
    rows += affectedRows;
    if (affectedRows < PORTION * 5) return { rows, finished: true };
  }
  return { rows, finished: false };
}
