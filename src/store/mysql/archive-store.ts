import type {
  ArchiveStore,
  Gap,
  IntakeRow,
  SealedBatch,
  StoredCheckpoint,
  StreamHead,
} from "../../compliance/archive-ports.ts";
import { LogMoved } from "../../compliance/archive-ports.ts";
import { SALT_BYTES } from "../../compliance/log/leaf.ts";
import { ARCHIVE_STREAM } from "../../compliance/log/rotation.ts";
import type { Lease } from "../../compliance/ports.ts";
import { settleRepeats } from "./archive-repeats.ts";
import { type CheckpointColumns, checkpointOf, gapsOf, ofKinds, readHashes } from "./archive-rows.ts";
import { ComplianceLeases, renewIn } from "./compliance-lease.ts";
import { type Database, limit, type Queries, type Value } from "./database.ts";
import { columns, dbNowMs, idBytes, idText, inChunks } from "./handover-rows.ts";
import { bytes, insertRows, int, json } from "./sql-values.ts";
import { StoreError, troubleOf } from "./store-error.ts";

/** Whoever seals holds the lease of this name. */
const SEALER = "archive-sealer";
const perStatement = 1_000;

/** The archive from its writing end. */
export class MysqlArchiveStore implements ArchiveStore {
  readonly #database: Database;
  readonly #leases: ComplianceLeases;

  constructor(database: Database) {
    this.#database = database;
    this.#leases = new ComplianceLeases(database);
  }

  takeLease(holder: string, leaseMs: number): Promise<Lease | undefined> {
    return this.#leases.take(SEALER, holder, leaseMs);
  }

  renewLease(lease: Lease, leaseMs: number): Promise<void> {
    return this.#leases.renew(lease, leaseMs);
  }

  releaseLease(lease: Lease): Promise<void> {
    return this.#leases.release(lease);
  }

  async size(): Promise<number> {
    return sizeIn(this.#database);
  }

  async lastStreamId(): Promise<number> {
    const [row] = await this.#database.rows<{ id: number | null }>(
      "SELECT MAX(id) AS id FROM archive_stream",
    );
    return Number(row?.id ?? 0);
  }

  hashes(level: number, index: number, count: number): Promise<Buffer[]> {
    return readHashes(this.#database, level, index, count);
  }

  async heads(streams: readonly string[]): Promise<Map<string, StreamHead>> {
    const found = new Map<string, StreamHead>();
    for (const names of inChunks(streams, perStatement)) {
      const rows = await this.#database.rows<{
        id: number;
        name: Buffer;
        last_seq: number;
        last_leaf: Buffer;
      }>("SELECT id, name, last_seq, last_leaf FROM archive_stream WHERE name IN (?)", [names]);
      for (const { id, name, last_seq, last_leaf } of rows)
        found.set(name.toString("latin1"), {
          id: Number(id),
          lastSeq: Number(last_seq),
          lastLeaf: last_leaf,
        });
    }
    return found;
  }

  async intake(after: string | null, rows: number): Promise<IntakeRow[]> {
    const found = await this.#database.rows<IntakeColumns>(
      `SELECT ${columns}, CAST(${dbNowMs} AS SIGNED) - CAST(arrived_ms AS SIGNED) AS waited_ms FROM archive_intake ` +
        `WHERE event_id > ? ORDER BY event_id ${limit(rows)}`,
      [idBytes(after ?? "0".repeat(32))],
    );
    return found.map(intakeRow);
  }

  async seal(lease: Lease, batch: SealedBatch, leaseMs: number): Promise<void> {
    try {
      await this.#leases.under(lease, async (queries) => {
        const [first] = batch.leaves;
        if (!first || (await sizeIn(queries)) !== first.seq) throw new LogMoved();
        await insertLeaves(queries, batch);
        await insertContent(queries, batch);
        await saveHeads(queries, batch);
        for (const nodes of inChunks(batch.nodes, perStatement))
          await queries.change("INSERT INTO archive_node (level, idx, hash) VALUES ?", [
            nodes.map(({ level, index, hash }) => [level, index, hash]),
          ]);
        await renewIn(queries, lease, leaseMs);
      });
    } catch (error) {
      if (error instanceof StoreError && troubleOf(error) === "duplicate") throw new LogMoved();
      throw error;
    }
  }

  settleRepeats(lease: Lease, eventIds: readonly string[]): Promise<string[]> {
    return this.#leases.under(lease, (queries) => settleRepeats(queries, eventIds));
  }

  async knownEvents(eventIds: readonly string[]): Promise<string[]> {
    const known: string[] = [];
    for (const ids of inChunks(eventIds, perStatement)) {
      const rows = await this.#database.rows<{ event_id: Buffer }>(
        "SELECT event_id FROM archive_leaf WHERE event_id IN (?)",
        [ids.map(idBytes)],
      );
      for (const { event_id } of rows) known.push(idText(event_id));
    }
    return known;
  }

  async inOutbox(
    missing: readonly { readonly stream: string; readonly streamSeq: number }[],
  ): Promise<string[]> {
    const found: string[] = [];
    for (const { stream, streamSeq } of missing) {
      const rows = await this.#database.rows<{ event_id: Buffer }>(
        "SELECT event_id FROM compliance_outbox WHERE stream = ? AND stream_seq = ?",
        [stream, streamSeq],
      );
      for (const { event_id } of rows) found.push(idText(event_id));
    }
    return found;
  }

  async ownEvents(kind: string, from: number): Promise<{ seq: number; body: Buffer }[]> {
    const { sql, values } = ofKinds([kind]);
    const rows = await this.#database.rows<{ seq: number; body: Buffer }>(
      "SELECT l.seq, c.body FROM archive_stream s JOIN archive_leaf l ON l.stream_id = s.id " +
        `JOIN archive_content c ON c.seq = l.seq WHERE s.name = ? AND l.seq >= ? AND ${sql} ORDER BY l.seq`,
      [ARCHIVE_STREAM, from, ...values],
    );
    return rows.map(({ seq, body }) => ({ seq: Number(seq), body }));
  }

  gaps(minWaitMs: number): Promise<Gap[]> {
    return gapsOf(this.#database, minWaitMs);
  }

  async lastCheckpoint(): Promise<StoredCheckpoint | undefined> {
    const [row] = await this.#database.rows<CheckpointColumns>(
      "SELECT size, at_ms, root, note FROM archive_checkpoint ORDER BY size DESC LIMIT 1",
    );
    return row && checkpointOf(row);
  }

  async checkpointsAfter(size: number, rows: number): Promise<StoredCheckpoint[]> {
    const found = await this.#database.rows<CheckpointColumns>(
      `SELECT size, at_ms, root, note FROM archive_checkpoint WHERE size > ? ORDER BY size ${limit(rows)}`,
      [size],
    );
    return found.map(checkpointOf);
  }

  async saveCheckpoint(lease: Lease, { size, atMs, root, note }: StoredCheckpoint): Promise<void> {
    await this.#leases.under(lease, (queries) =>
      queries.change("INSERT INTO archive_checkpoint (size, at_ms, root, note) VALUES (?, ?, ?, ?)", [
        size,
        atMs,
        root,
        note,
      ]),
    );
  }
}

async function sizeIn(queries: Queries): Promise<number> {
  const [row] = await queries.rows<{ seq: number | null }>("SELECT MAX(seq) AS seq FROM archive_leaf");
  return row?.seq == null ? 0 : Number(row.seq) + 1;
}

interface IntakeColumns {
  readonly event_id: Buffer;
  readonly stream: string;
  readonly stream_seq: number | string;
  readonly kind: string;
  readonly at_ms: number | string;
  readonly room_id: number;
  readonly body: Buffer;
  readonly waited_ms: number;
}

/** Columns hold more than a double can: only what nobody of ours wrote is that large. */
function whole(value: number | string): number {
  return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
}

function intakeRow(row: IntakeColumns): IntakeRow {
  return {
    eventId: idText(row.event_id),
    stream: row.stream,
    streamSeq: whole(row.stream_seq),
    kind: row.kind,
    atMs: whole(row.at_ms),
    roomId: Number(row.room_id),
    body: row.body,
    waitedMs: Number(row.waited_ms),
  };
}

async function insertLeaves(queries: Queries, { leaves }: SealedBatch): Promise<void> {
  const rows = leaves.map(
    ({ seq, eventId, streamId, streamSeq, hash, leaf }) =>
      `(${int(seq)},${bytes(eventId)},${int(streamId)},${int(streamSeq)},${bytes(hash.toString("hex"))},${json(leaf)})`,
  );
  const head = "INSERT INTO archive_leaf (seq, event_id, stream_id, stream_seq, leaf_hash, leaf)";
  for (const statement of insertRows(head, rows)) await queries.change(statement);
}

/** Rows of the intake that have a leaf from this number to that one, as `t`; they are read by primary key one by one whatever the optimizer thinks. */
function sealedFrom(from: number, to: number): string {
  return (
    "archive_leaf AS l STRAIGHT_JOIN archive_intake AS t FORCE INDEX (PRIMARY) ON t.event_id = l.event_id " +
    `WHERE l.seq >= ${int(from)} AND l.seq < ${int(to)}`
  );
}

/** Bodies go from table to table inside the database. @throws LogMoved when an event is no longer in the intake */
async function insertContent(queries: Queries, { leaves }: SealedBatch): Promise<void> {
  for (const some of inChunks(leaves, perStatement)) {
    const from = some[0]?.seq ?? 0;
    const to = from + some.length;
    const { bytes: salts, perLeaf } = packSalts(some);
    const at = `(l.seq - ${int(from)}) * ${int(perLeaf)}`;
    // Several times cheaper than a list in JSON that the database has to take apart.
    const { affectedRows } = await queries.change(
      "INSERT INTO archive_content (seq, salts, body) SELECT l.seq, " +
        `SUBSTRING(s.packed, ${at} + 2, ORD(SUBSTRING(s.packed, ${at} + 1, 1)) * ${SALT_BYTES}), t.body ` +
        `FROM (SELECT ${bytes(salts.toString("hex"))} AS packed) AS s STRAIGHT_JOIN ` +
        sealedFrom(from, to),
    );
    if (affectedRows !== some.length) throw new LogMoved();
    await queries.change(`DELETE t FROM ${sealedFrom(from, to)}`);
  }
}

/** All salts in one value. Each leaf has a place of the same length: how many salts there are, then these. */
function packSalts(leaves: SealedBatch["leaves"]): { readonly bytes: Buffer; readonly perLeaf: number } {
  const perLeaf = 1 + Math.max(...leaves.map(({ salts }) => salts.length));
  const packed = Buffer.alloc(perLeaf * leaves.length);
  for (const [place, { salts }] of leaves.entries()) {
    packed[place * perLeaf] = salts.length / SALT_BYTES;
    packed.set(salts, place * perLeaf + 1);
  }
  return { bytes: packed, perLeaf };
}

async function saveHeads(queries: Queries, { heads }: SealedBatch): Promise<void> {
  for (const some of inChunks(heads, perStatement)) {
    const rows = some.map(({ id, name, lastSeq, lastLeaf }): Value[] => [id, name, lastSeq, lastLeaf]);
    await queries.change(
      "INSERT INTO archive_stream (id, name, last_seq, last_leaf) VALUES ? " +
        "ON DUPLICATE KEY UPDATE last_seq = VALUES(last_seq), last_leaf = VALUES(last_leaf)",
      [rows],
    );
  }
}
