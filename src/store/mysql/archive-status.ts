import type { Gap, StoredCheckpoint } from "../../compliance/archive-ports.ts";
import { type Difference, LOSSES } from "../../compliance/reconcile/ports.ts";
import { type CheckpointColumns, checkpointOf, gapsOf } from "./archive-rows.ts";
import { type Database, limit } from "./database.ts";
import { differencesOf } from "./differences.ts";
import { dbNowMs, idBytes, idText } from "./handover-rows.ts";

/** How the archive stands. */
export interface ArchiveStatus {
  readonly sealed: number;
  /** Events that are recorded and not sealed yet, counted up to a million, and how old the oldest of them is. */
  readonly waiting: number;
  readonly oldestMs: number;
  readonly gaps: readonly Gap[];
  readonly checkpoint: StoredCheckpoint | undefined;
  readonly sealer: { readonly holder: string; readonly epoch: number } | undefined;
  /** Whether the database itself refuses to change what is sealed. */
  readonly guarded: boolean;
  readonly lastCheck: PastCheck | undefined;
  /** Found changed, and not found right since. */
  readonly changed: PastCheck | undefined;
  /** Of the last comparison of chat and archive, and when it was. */
  readonly differences: number;
  readonly comparedMs: number | undefined;
  /** What that comparison missed; `MOST_LOST` at most. */
  readonly lost: readonly Difference[];
}

/** What `parlance compliance verify` found. */
export interface PastCheck {
  readonly atMs: number;
  readonly from: number;
  readonly size: number;
  readonly root: Buffer | null;
  readonly verdict: string;
  readonly firstBad: number | null;
  readonly field: string | null;
  /** Against checkpoints that were kept elsewhere: what only they show, nothing else can refute. */
  readonly outside: boolean;
}

const CHECK = "at_ms, from_seq, size, root, verdict, first_bad, field, outside";
/** The oldest first: whoever begins there meets all of them. */
const OPEN = "WHERE verdict = 'tampered' AND cleared_ms IS NULL ORDER BY first_bad, id";

const MOST = 1_000_000;
export const MOST_LOST = 50;
/** Two tables, two events each. */
const GUARDS = 4;

/** The archive as people and alerts ask for it. */
export class MysqlArchiveStatus {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async read(gapMs: number): Promise<ArchiveStatus> {
    const [size] = await this.#database.rows<{ seq: number | null }>(
      "SELECT MAX(seq) AS seq FROM archive_leaf",
    );
    const { waiting, oldestMs } = await this.unsealed();
    const [sealer] = await this.#database.rows<{ holder: string; epoch: number }>(
      `SELECT holder, epoch FROM compliance_lease WHERE adapter = 'archive-sealer' AND expires_ms > ${dbNowMs}`,
    );
    const [guards] = await this.#database.rows<{ n: number }>(
      "SELECT COUNT(*) AS n FROM information_schema.triggers WHERE trigger_schema = DATABASE() " +
        "AND event_object_table IN ('archive_leaf', 'archive_checkpoint')",
    );
    const [compared] = await this.#database.rows<{ at_ms: number; differences: number }>(
      "SELECT at_ms, differences FROM compliance_reconciliation ORDER BY id DESC LIMIT 1",
    );
    return {
      differences: Number(compared?.differences ?? 0),
      comparedMs: compared && Number(compared.at_ms),
      lost: await differencesOf(this.#database, MOST_LOST, LOSSES),
      sealed: size?.seq == null ? 0 : Number(size.seq) + 1,
      waiting,
      oldestMs,
      gaps: await gapsOf(this.#database, gapMs),
      checkpoint: await this.checkpoint(),
      sealer: sealer && { holder: sealer.holder, epoch: Number(sealer.epoch) },
      guarded: Number(guards?.n) >= GUARDS,
      lastCheck: await this.lastCheck(),
      changed: await this.changed(),
    };
  }

  /** By the database's clock; events of the outbox by the time they say. */
  async unsealed(): Promise<{ readonly waiting: number; readonly oldestMs: number }> {
    let waiting = 0;
    let oldestMs = 0;
    for (const [table, column] of [
      ["compliance_outbox", "at_ms"],
      ["archive_intake", "arrived_ms"],
    ] as const) {
      const [row] = await this.#database.rows<{ n: number; age: number | null }>(
        `SELECT COUNT(*) AS n, MAX(CAST(${dbNowMs} AS SIGNED) - CAST(LEAST(since, ${dbNowMs}) AS SIGNED)) AS age ` +
          `FROM (SELECT ${column} AS since FROM ${table} ORDER BY event_id ${limit(MOST)}) AS some`,
      );
      waiting += Number(row?.n ?? 0);
      oldestMs = Math.max(oldestMs, Number(row?.age ?? 0));
    }
    return { waiting, oldestMs };
  }

  /** The last one, or the one of this size. */
  async checkpoint(size?: number): Promise<StoredCheckpoint | undefined> {
    const [row] = await this.#database.rows<CheckpointColumns>(
      size === undefined
        ? "SELECT size, at_ms, root, note FROM archive_checkpoint ORDER BY size DESC LIMIT 1"
        : "SELECT size, at_ms, root, note FROM archive_checkpoint WHERE size = ?",
      size === undefined ? [] : [size],
    );
    return row && checkpointOf(row);
  }

  /** An event by its number in the log or by its id, 32 hex digits. */
  async find(
    which: number | string,
  ): Promise<{ seq: number; eventId: string; leaf: string; body: Buffer | null } | undefined> {
    const [row] = await this.#database.rows<{
      seq: number;
      event_id: Buffer;
      leaf: Buffer;
      body: Buffer | null;
    }>(
      "SELECT l.seq, l.event_id, l.leaf, c.body FROM archive_leaf l LEFT JOIN archive_content c ON c.seq = l.seq " +
        (typeof which === "number" ? "WHERE l.seq = ?" : "WHERE l.event_id = ?"),
      [typeof which === "number" ? which : idBytes(which)],
    );
    return (
      row && {
        seq: Number(row.seq),
        eventId: idText(row.event_id),
        leaf: row.leaf.toString("latin1"),
        body: row.body,
      }
    );
  }

  /** What an earlier check found changed is over when this one has looked there, and as well, and found it right. */
  async noteCheck(check: Omit<PastCheck, "atMs">): Promise<void> {
    const { from, size, root, verdict, firstBad, field, outside } = check;
    const saidField = field === null ? null : field.replace(/[^\x20-\x7e]/g, "?").slice(0, 64);
    await this.#database.change(
      `INSERT INTO archive_verification (${CHECK}) VALUES (${dbNowMs}, ?, ?, ?, ?, ?, ?, ?)`,
      [from, size, root, verdict, firstBad, saidField, outside ? 1 : 0],
    );
    if (verdict === "tampered") return;
    await this.#database.change(
      `UPDATE archive_verification SET cleared_ms = ${dbNowMs} ` +
        "WHERE verdict = 'tampered' AND cleared_ms IS NULL AND COALESCE(first_bad, 0) >= ? AND outside <= ?",
      [from, outside ? 1 : 0],
    );
  }

  /** @param verdict of this kind only */
  lastCheck(verdict?: string): Promise<PastCheck | undefined> {
    return this.#check(
      verdict === undefined ? "ORDER BY id DESC" : "WHERE verdict = ? ORDER BY id DESC",
      verdict === undefined ? [] : [verdict],
    );
  }

  /** The first place that was found changed and that no later check has found right. */
  changed(): Promise<PastCheck | undefined> {
    return this.#check(OPEN, []);
  }

  async #check(which: string, values: readonly string[]): Promise<PastCheck | undefined> {
    const [row] = await this.#database.rows<{
      at_ms: number;
      from_seq: number;
      size: number;
      root: Buffer | null;
      verdict: string;
      first_bad: number | null;
      field: string | null;
      outside: number;
    }>(`SELECT ${CHECK} FROM archive_verification ${which} LIMIT 1`, values);
    return (
      row && {
        atMs: Number(row.at_ms),
        from: Number(row.from_seq),
        size: Number(row.size),
        root: row.root,
        verdict: row.verdict,
        firstBad: row.first_bad === null ? null : Number(row.first_bad),
        field: row.field,
        outside: Number(row.outside) === 1,
      }
    );
  }
}
