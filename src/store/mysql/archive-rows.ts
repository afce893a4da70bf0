import type { Gap, StoredCheckpoint } from "../../compliance/archive-ports.ts";
import { MissingHash } from "../../compliance/log/proofs.ts";
import { limit, type Queries } from "./database.ts";

export interface CheckpointColumns {
  readonly size: number;
  readonly at_ms: number;
  readonly root: Buffer;
  readonly note: string;
}

export function checkpointOf({ size, at_ms, root, note }: CheckpointColumns): StoredCheckpoint {
  return { size: Number(size), atMs: Number(at_ms), root, note };
}

/** See LogHashes. @throws when one is missing */
export async function readHashes(
  queries: Queries,
  level: number,
  index: number,
  count: number,
): Promise<Buffer[]> {
  const to = index + count;
  const rows =
    level === 0
      ? await queries.rows<{ at: number; hash: Buffer }>(
          "SELECT seq AS at, leaf_hash AS hash FROM archive_leaf WHERE seq >= ? AND seq < ? ORDER BY seq",
          [index, to],
        )
      : await queries.rows<{ at: number; hash: Buffer }>(
          "SELECT idx AS at, hash FROM archive_node WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx",
          [level, index, to],
        );
  const hashes = rows.map(({ hash }) => hash);
  if (hashes.length !== count) throw new MissingHash(level, index);
  return hashes;
}

/** Events looked at: those that wait for others are the oldest. */
const MOST_WAITING = 10_000;

/** Streams of which events wait longer than that for one that is not there. */
export async function gapsOf(queries: Queries, minWaitMs: number): Promise<Gap[]> {
  const rows = await queries.rows<{
    stream: string;
    last_seq: number | null;
    waiting: number;
    waited_ms: number;
  }>(
    "SELECT i.stream, MAX(s.last_seq) AS last_seq, COUNT(*) AS waiting, MIN(i.stream_seq) AS first_seq, " +
      "MAX(CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) - CAST(i.arrived_ms AS SIGNED)) AS waited_ms " +
      `FROM (SELECT stream, stream_seq, arrived_ms FROM archive_intake ORDER BY event_id ${limit(MOST_WAITING)}) AS i ` +
      "LEFT JOIN archive_stream s ON s.name = i.stream GROUP BY i.stream " +
      "HAVING waited_ms >= ? AND first_seq > COALESCE(last_seq, 0) + 1 ORDER BY i.stream LIMIT 1000",
    [minWaitMs],
  );
  return rows.map(({ stream, last_seq, waiting, waited_ms }) => ({
    stream,
    missing: Number(last_seq ?? 0) + 1,
    waiting: Number(waiting),
    waitedMs: Number(waited_ms),
  }));
}
