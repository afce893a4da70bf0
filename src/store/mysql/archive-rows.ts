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

/** Leaves `l` of one of these kinds: a leaf is small and names its own, so no content is read that is not wanted. */
export function ofKinds(kinds: readonly string[]): { readonly sql: string; readonly values: string[] } {
  return {
    sql: `(${kinds.map(() => "l.leaf LIKE ?").join(" OR ")})`,
    values: kinds.map((kind) => `%"kind":"${kind}"%`),
  };
}

/** Events looked at: those that wait for others are the oldest. */
const MOST_WAITING = 20_000;
const MOST_STREAMS = 1_000;

/** What has waited in the intake for longer than is usual. */
export interface Waiting {
  readonly gaps: readonly Gap[];
  /** How long the oldest event has waited that waits for no other one; null when none has for so long. */
  readonly readyMs: number | null;
}

/**
 * Of the oldest events of the intake, those that wait for one that is not there, and the others, which nobody seals.
 * @param minWaitMs who has waited for less is under way
 */
export async function waitingOf(queries: Queries, minWaitMs: number): Promise<Waiting> {
  const rows = await queries.rows<{
    stream: string;
    last_seq: number | null;
    waiting: number;
    waited_ms: number;
    ready_ms: number | null;
  }>(
    "SELECT w.stream, w.last_seq, COUNT(*) AS waiting, MAX(w.age_ms) AS waited_ms, " +
      "MAX(CASE WHEN w.stream_seq <= COALESCE(w.last_seq, 0) + 1 THEN w.age_ms END) AS ready_ms " +
      "FROM (SELECT i.stream, i.stream_seq, s.last_seq, " +
      "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) - CAST(i.arrived_ms AS SIGNED) AS age_ms " +
      `FROM (SELECT stream, stream_seq, arrived_ms FROM archive_intake ORDER BY event_id ${limit(MOST_WAITING)}) AS i ` +
      "LEFT JOIN archive_stream s ON s.name = i.stream) AS w GROUP BY w.stream, w.last_seq " +
      `HAVING waited_ms >= ? ORDER BY ready_ms DESC, w.stream ${limit(MOST_STREAMS)}`,
    [minWaitMs],
  );
  const ready = rows.map(({ ready_ms }) => Number(ready_ms ?? -1)).filter((ms) => ms >= minWaitMs);
  return {
    gaps: rows
      .filter(({ ready_ms }) => ready_ms === null)
      .map(({ stream, last_seq, waiting, waited_ms }) => ({
        stream,
        missing: Number(last_seq ?? 0) + 1,
        waiting: Number(waiting),
        waitedMs: Number(waited_ms),
      })),
    readyMs: ready.length === 0 ? null : Math.max(...ready),
  };
}

/** Streams of which events wait longer than that for one that is not there. */
export async function gapsOf(queries: Queries, minWaitMs: number): Promise<Gap[]> {
  return [...(await waitingOf(queries, minWaitMs)).gaps];
}
