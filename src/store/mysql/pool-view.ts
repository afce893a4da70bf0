import type { ArchiveFigures, PoolFigures, PoolView, ProcessKind } from "../../alerts/ports.ts";
import { gapsOf } from "./archive-rows.ts";
import { type Database, limit } from "./database.ts";
import { dbNowMs } from "./handover-rows.ts";

/** Four looks of a process that says every five seconds that it lives. */
const SILENT_MS = 20_000;
const COUNT_TO = 10_000;
const MOST_DEAD = 50;
const GAP_MS = 60_000;
const MOST_GAPS = 20;

/** What the database shows of the whole pool; looked at every few seconds, so each question is answered by an index. */
export class MysqlPoolView implements PoolView {
  readonly #database: Database;
  readonly #nowMs: () => number;

  constructor(database: Database, nowMs: () => number) {
    this.#database = database;
    this.#nowMs = nowMs;
  }

  async figures(): Promise<PoolFigures> {
    const [clock] = await this.#database.rows<{ now_ms: number }>(`SELECT ${dbNowMs} AS now_ms`);
    const clockAheadMs = this.#nowMs() - Number(clock?.now_ms);
    const archive = await this.#archive();
    const [processes, outbox, handover, quarantined, failing] = await Promise.all([
      this.#database.rows<{ name: string; kind: ProcessKind; silent_ms: number }>(
        `SELECT name, kind, CAST(${dbNowMs} AS SIGNED) - CAST(seen_ms AS SIGNED) AS silent_ms FROM process ORDER BY name ${limit(COUNT_TO)}`,
      ),
      this.#oldest("compliance_outbox"),
      this.#oldest("compliance_handover"),
      this.#database.rows<{ n: number }>(
        `SELECT COUNT(*) AS n FROM (SELECT 1 FROM compliance_quarantine ${limit(COUNT_TO)}) AS counted`,
      ),
      this.#database.rows<{ adapter: string; attempts: number; last_error: string | null }>(
        "SELECT adapter, attempts, last_error FROM compliance_run WHERE attempts > 0 ORDER BY adapter",
      ),
    ]);
    const silent = processes.filter(({ silent_ms }) => Number(silent_ms) > SILENT_MS);
    return {
      clockAheadMs,
      archive,
      dead: silent
        .slice(0, MOST_DEAD)
        .map(({ name, kind, silent_ms }) => ({ name, kind, silentMs: Number(silent_ms) })),
      workers: processes.filter(({ kind, silent_ms }) => kind === "worker" && Number(silent_ms) <= SILENT_MS)
        .length,
      oldestOutboxMs: outbox,
      oldestHandoverMs: handover,
      quarantined: Number(quarantined[0]?.n ?? 0),
      failing: failing.map(({ adapter, attempts, last_error }) => ({
        adapter,
        attempts: Number(attempts),
        reason: last_error ?? "",
      })),
    };
  }

  async #archive(): Promise<ArchiveFigures> {
    const [intake] = await this.#database.rows<{ waited_ms: number }>(
      `SELECT CAST(${dbNowMs} AS SIGNED) - CAST(arrived_ms AS SIGNED) AS waited_ms FROM archive_intake ORDER BY event_id ${limit(1)}`,
    );
    const oldestIntakeMs = intake === undefined ? null : Number(intake.waited_ms);
    const [unsigned] = await this.#database.rows<{ age_ms: number }>(
      `SELECT CAST(${dbNowMs} AS SIGNED) - CAST(JSON_VALUE(leaf, '$.at') AS SIGNED) AS age_ms FROM archive_leaf ` +
        "WHERE seq = (SELECT COALESCE(MAX(size), 0) FROM archive_checkpoint)",
    );
    const [check] = await this.#database.rows<{ verdict: string }>(
      `SELECT verdict FROM archive_verification ORDER BY id DESC ${limit(1)}`,
    );
    const late = oldestIntakeMs !== null && oldestIntakeMs >= GAP_MS;
    return {
      oldestIntakeMs,
      gaps: late ? (await gapsOf(this.#database, GAP_MS)).slice(0, MOST_GAPS) : [],
      unsignedMs: unsigned === undefined ? null : Number(unsigned.age_ms),
      verdict: check?.verdict ?? null,
    };
  }

  /** Ids rise with time: the first one is the oldest, to the millisecond. */
  async #oldest(table: "compliance_outbox" | "compliance_handover"): Promise<number | null> {
    const [row] = await this.#database.rows<{ age_ms: number }>(
      `SELECT CAST(${dbNowMs} AS SIGNED) - CAST(at_ms AS SIGNED) AS age_ms FROM ${table} ORDER BY event_id ${limit(1)}`,
    );
    return row === undefined ? null : Math.max(0, Number(row.age_ms));
  }
}
