import type { LogHashes } from "../../compliance/log/proofs.ts";
import { RETENTION_PURGE } from "../../compliance/log/purge.ts";
import { ARCHIVE_STREAM, KEY_ROTATE } from "../../compliance/log/rotation.ts";
import type { Finding, KeptCheckpoint, LogSource, StoredLeaf } from "../../compliance/verify/ports.ts";
import { type CheckpointColumns, checkpointOf, ofKinds, readHashes } from "./archive-rows.ts";
import { limit, type Queries } from "./database.ts";
import { idText } from "./handover-rows.ts";

interface LeafColumns {
  readonly seq: number;
  readonly event_id: Buffer;
  readonly stream_id: number;
  readonly stream_seq: number | string;
  readonly leaf_hash: Buffer;
  readonly leaf: Buffer;
  readonly salts: Buffer | null;
  readonly body: Buffer | null;
}

const LEAF =
  "l.seq, l.event_id, l.stream_id, l.stream_seq, l.leaf_hash, l.leaf, c.salts, c.body " +
  "FROM archive_leaf l LEFT JOIN archive_content c ON c.seq = l.seq";
/** Rows of one statement, when they are of ordinary size. */
const MAX_ROWS = 2_000;
const MIN_ROWS = 8;
const BYTES = 3_000_000;
const CHECKPOINTS = 500;
const STREAMS = 20_000;
const OWN_EVENTS = 100_000;

/** The archive from its reading end, for whoever checks or exports it. It may grow meanwhile. */
export class MysqlArchiveReader implements LogSource {
  readonly #database: Queries;
  readonly isCopy = false;
  readonly hashes: LogHashes;
  readonly #streams = new Map<number, string>();
  #lastCheckpoint = 0;
  #known = 0;

  constructor(database: Queries) {
    this.#database = database;
    this.hashes = { hashes: (level, index, count) => readHashes(database, level, index, count) };
  }

  async size(): Promise<number> {
    // Checkpoints first: each has its leaves already.
    const [last] = await this.#database.rows<{ size: number | null }>(
      "SELECT MAX(size) AS size FROM archive_checkpoint",
    );
    this.#lastCheckpoint = Number(last?.size ?? 0);
    const [row] = await this.#database.rows<{ seq: number | null }>(
      "SELECT MAX(seq) AS seq FROM archive_leaf",
    );
    return row?.seq == null ? 0 : Number(row.seq) + 1;
  }

  async *leaves(from: number, to: number): AsyncIterable<readonly StoredLeaf[]> {
    await this.#readStreams();
    let rows = MAX_ROWS;
    let at = Math.min(from + rows, to);
    let next = this.#read(from, at);
    for (let start = from; start < to; ) {
      const leaves = await next;
      const bytes = leaves.reduce((sum, { leaf, body }) => sum + leaf.length + (body?.length ?? 0), 0);
      const wanted = Math.floor((BYTES / Math.max(1, bytes)) * (at - start));
      rows = Math.max(MIN_ROWS, Math.min(MAX_ROWS, wanted, rows * 4));
      start = at;
      at = Math.min(start + rows, to);
      // The database reads the next ones while these are looked at; an error is told when it is their turn.
      next = this.#read(start, at);
      next.catch(() => undefined);
      yield leaves;
    }
    await next;
  }

  async checkpointUpTo(size: number): Promise<KeptCheckpoint | undefined> {
    const [row] = await this.#database.rows<CheckpointColumns>(
      "SELECT size, at_ms, root, note FROM archive_checkpoint WHERE size <= ? ORDER BY size DESC LIMIT 1",
      [Math.min(size, this.#end)],
    );
    return row && checkpointOf(row);
  }

  async *checkpoints(from: number): AsyncIterable<KeptCheckpoint> {
    for (let after = from - 1; ; ) {
      const rows = await this.#database.rows<CheckpointColumns>(
        `SELECT size, at_ms, root, note FROM archive_checkpoint WHERE size > ? AND size <= ? ORDER BY size ${limit(CHECKPOINTS)}`,
        [after, this.#end],
      );
      yield* rows.map(checkpointOf);
      const last = rows.at(-1);
      if (!last || rows.length < CHECKPOINTS) return;
      after = Number(last.size);
    }
  }

  /** Checkpoints that came since the size was told are not looked at. */
  get #end(): number {
    return this.#lastCheckpoint > 0 ? this.#lastCheckpoint : Number.MAX_SAFE_INTEGER;
  }

  async leafBefore(stream: string, streamSeq: number): Promise<{ seq: number; hash: Buffer } | undefined> {
    const [row] = await this.#database.rows<{ seq: number; leaf_hash: Buffer }>(
      "SELECT l.seq, l.leaf_hash FROM archive_leaf l JOIN archive_stream s ON s.id = l.stream_id " +
        "WHERE s.name = ? AND l.stream_seq = ?",
      [stream, streamSeq],
    );
    return row && { seq: Number(row.seq), hash: row.leaf_hash };
  }

  async ownEvents(): Promise<StoredLeaf[]> {
    const { sql, values } = ofKinds([KEY_ROTATE, RETENTION_PURGE]);
    const rows = await this.#database.rows<LeafColumns>(
      `SELECT ${LEAF} JOIN archive_stream s ON s.id = l.stream_id WHERE s.name = ? AND ${sql} ORDER BY l.stream_seq ${limit(OWN_EVENTS)}`,
      [ARCHIVE_STREAM, ...values],
    );
    await this.#readStreams();
    return rows.map((row) => this.#stored(row));
  }

  /** Heads of streams that are not in the log: its end is missing, or they were changed. */
  async others(size: number): Promise<Finding | undefined> {
    const [row] = await this.#database.rows<{ name: Buffer; last_seq: number; found: number | null }>(
      "SELECT s.name, s.last_seq, l.seq AS found FROM archive_stream s " +
        "LEFT JOIN archive_leaf l ON l.stream_id = s.id AND l.stream_seq = s.last_seq " +
        "WHERE l.seq IS NULL OR l.leaf_hash <> s.last_leaf ORDER BY l.seq LIMIT 1",
    );
    if (!row) return undefined;
    const name = row.name.toString("latin1");
    return row.found === null
      ? { seq: size, field: `event ${row.last_seq} of ${name}`, expected: "there", found: "missing" }
      : {
          seq: Number(row.found),
          field: `last hash of ${name}`,
          expected: "that of the event",
          found: "another one",
        };
  }

  async #read(from: number, to: number): Promise<StoredLeaf[]> {
    if (from >= to) return [];
    const rows = await this.#database.rows<LeafColumns>(
      `SELECT ${LEAF} WHERE l.seq >= ? AND l.seq < ? ORDER BY l.seq`,
      [from, to],
    );
    if (rows.some(({ stream_id }) => !this.#streams.has(Number(stream_id)))) await this.#readStreams();
    return rows.map((row) => this.#stored(row));
  }

  #stored(row: LeafColumns): StoredLeaf {
    return {
      seq: Number(row.seq),
      eventId: idText(row.event_id),
      stream: this.#streams.get(Number(row.stream_id)) ?? "",
      streamSeq: Number(row.stream_seq),
      hash: row.leaf_hash,
      leaf: row.leaf,
      salts: row.salts,
      body: row.body,
    };
  }

  /** Those that were not there the last time. */
  async #readStreams(): Promise<void> {
    for (;;) {
      const rows = await this.#database.rows<{ id: number; name: Buffer }>(
        `SELECT id, name FROM archive_stream WHERE id > ? ORDER BY id ${limit(STREAMS)}`,
        [this.#known],
      );
      for (const { id, name } of rows) this.#streams.set(Number(id), name.toString("latin1"));
      this.#known = Math.max(this.#known, ...rows.map(({ id }) => Number(id)));
      if (rows.length < STREAMS) return;
    }
  }
}
