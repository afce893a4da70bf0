const names = ["event_id", "stream", "stream_seq", "kind", "at_ms", "room_id", "body"] as const;

/** Columns that outbox, hand-over table and quarantine share; `sharedColumns` as those of `t`. */
export const columns = names.join(", ");
export const sharedColumns = names.map((name) => `t.${name}`).join(", ");

/** Milliseconds by the database's clock: the only one that all workers share. */
export const dbNowMs = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)";

/**
 * The rows of a list of ids, as `t`; its one parameter is `idList`. Read by primary key one by one whatever the optimizer
 * thinks: for `IN (…)` it prefers reading a small table whole, and locks rows nobody asked for, or waits for them.
 */
export function rowsOf(table: string): string {
  return (
    "JSON_TABLE(?, '$[*]' COLUMNS (id CHAR(32) PATH '$')) AS list " +
    `STRAIGHT_JOIN ${table} AS t FORCE INDEX (PRIMARY) ON t.event_id = UNHEX(list.id)`
  );
}

/** Each id once. */
export function idList(eventIds: Iterable<string>): string {
  return JSON.stringify([...new Set(eventIds)]);
}

export function idBytes(eventId: string): Buffer {
  return Buffer.from(eventId, "hex");
}

export function idText(eventId: Buffer): string {
  return eventId.toString("hex");
}

export function inChunks<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
}
