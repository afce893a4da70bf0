import { EVENT_MISSING } from "../../compliance/acceptance.ts";
import type { StatementStore, StoredStatement } from "../../compliance/statement/maker.ts";
import type { Day, SealedLeaf, Standing } from "../../compliance/statement/statement.ts";
import { gapsOf } from "./archive-rows.ts";
import { type Database, limit } from "./database.ts";
import { differencesOf } from "./differences.ts";
import { dbNowMs, inChunks } from "./handover-rows.ts";
import { StoreError, troubleOf } from "./store-error.ts";

const PAGE = 5_000;
const GAP_MS = 60_000;
const MOST = 1_000;
const COUNT_TO = 1_000_000;

interface StatementColumns {
  readonly day: string;
  readonly to_seq: number;
  readonly body: string;
  readonly note: string | null;
}

/** The archive, as far as statements of its completeness need it, and these statements. */
export class MysqlStatements implements StatementStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async checkpointBefore(ms: number): Promise<{ size: number; root: Buffer } | undefined> {
    const [row] = await this.#database.rows<{ size: number; root: Buffer }>(
      "SELECT size, root FROM archive_checkpoint WHERE at_ms < ? ORDER BY size DESC LIMIT 1",
      [ms],
    );
    return row && { size: Number(row.size), root: row.root };
  }

  async isSignedBeyond(ms: number): Promise<boolean> {
    const rows = await this.#database.rows(
      "SELECT size FROM archive_checkpoint WHERE at_ms >= ? ORDER BY size DESC LIMIT 1",
      [ms],
    );
    return rows.length > 0;
  }

  async *leaves(from: number, to: number): AsyncIterable<readonly SealedLeaf[]> {
    for (let at = from; at < to; at += PAGE) {
      const rows = await this.#database.rows<{
        stream_id: number;
        stream_seq: number;
        leaf_hash: Buffer;
        leaf: Buffer;
      }>(
        "SELECT stream_id, stream_seq, leaf_hash, leaf FROM archive_leaf WHERE seq >= ? AND seq < ? ORDER BY seq",
        [at, Math.min(at + PAGE, to)],
      );
      yield rows.map(({ stream_id, stream_seq, leaf_hash, leaf }) => ({
        streamId: Number(stream_id),
        streamSeq: Number(stream_seq),
        hash: leaf_hash,
        isMissing: leaf.includes(`"kind":"${EVENT_MISSING}"`),
        isMessage: leaf.includes('"kind":"CHAT"') || leaf.includes('"kind":"STORY"'),
      }));
    }
  }

  async names(streamIds: readonly number[]): Promise<Map<number, { stream: string; name: string | null }>> {
    const found = new Map<number, { stream: string; name: string | null }>();
    for (const ids of inChunks(streamIds, MOST)) {
      const rows = await this.#database.rows<{ id: number; stream: Buffer }>(
        "SELECT id, name AS stream FROM archive_stream WHERE id IN (?)",
        [ids],
      );
      const rooms = new Map(
        rows.flatMap(({ id, stream }) => {
          const room = /^room:(\d{1,10})$/.exec(stream.toString("latin1"))?.[1];
          return room === undefined ? [] : [[Number(room), Number(id)] as const];
        }),
      );
      for (const { id, stream } of rows)
        found.set(Number(id), { stream: stream.toString("latin1"), name: null });
      if (rooms.size === 0) continue;
      const named = await this.#database.rows<{ id: number; name: string }>(
        "SELECT id, name FROM room WHERE id IN (?)",
        [[...rooms.keys()]],
      );
      for (const { id, name } of named) {
        const streamId = rooms.get(id) ?? 0;
        found.set(streamId, { stream: `room:${id}`, name });
      }
    }
    return found;
  }

  async standing(nowMs: number): Promise<Standing> {
    let unsealed = 0;
    let oldestUnsealedMs = 0;
    for (const [table, since] of [
      ["compliance_outbox", "at_ms"],
      ["archive_intake", "arrived_ms"],
    ] as const) {
      const [row] = await this.#database.rows<{ n: number; age: number | null }>(
        `SELECT COUNT(*) AS n, MAX(CAST(${dbNowMs} AS SIGNED) - CAST(since AS SIGNED)) AS age FROM ` +
          `(SELECT ${since} AS since FROM ${table} ORDER BY event_id ${limit(COUNT_TO)}) AS some`,
      );
      unsealed += Number(row?.n ?? 0);
      oldestUnsealedMs = Math.max(oldestUnsealedMs, Number(row?.age ?? 0));
    }
    const [balance] = await this.#database.rows<{
      at_ms: number;
      committed: number;
      sealed: number;
      pending: number;
    }>("SELECT at_ms, committed, sealed, pending FROM compliance_reconciliation ORDER BY id DESC LIMIT 1");
    const differences = await differencesOf(this.#database);
    const gaps = await gapsOf(this.#database, GAP_MS);
    return {
      madeMs: nowMs,
      oldestUnsealedMs,
      unsealed,
      gaps: gaps.map(({ stream, missing }) => ({ stream, missing })),
      differences: differences.slice(0, MOST).map(({ what, stream, first, last }) => {
        return { what, stream, first, last };
      }),
      balance: balance
        ? {
            atMs: Number(balance.at_ms),
            committed: Number(balance.committed),
            sealed: Number(balance.sealed),
            pending: Number(balance.pending),
          }
        : null,
    };
  }

  async statement(day: Day): Promise<StoredStatement | undefined> {
    return stored(
      await this.#database.rows<StatementColumns>(
        "SELECT day, to_seq, body, note FROM compliance_statement WHERE day = ?",
        [day],
      ),
    );
  }

  async last(): Promise<StoredStatement | undefined> {
    return stored(
      await this.#database.rows<StatementColumns>(
        "SELECT day, to_seq, body, note FROM compliance_statement ORDER BY day DESC LIMIT 1",
      ),
    );
  }

  async save(made: StoredStatement & { from: number; madeMs: number }): Promise<void> {
    const { day, from, to, madeMs, body, note } = made;
    try {
      await this.#database.change(
        "INSERT INTO compliance_statement (day, from_seq, to_seq, made_ms, body, note) VALUES (?, ?, ?, ?, ?, ?)",
        [day, from, to, madeMs, body, note],
      );
    } catch (error) {
      if (!(error instanceof StoreError) || troubleOf(error) !== "duplicate") throw error;
    }
  }
}

function stored([row]: readonly StatementColumns[]): StoredStatement | undefined {
  return row && { day: row.day as Day, to: Number(row.to_seq), body: row.body, note: row.note }; // only days are stored there
}
