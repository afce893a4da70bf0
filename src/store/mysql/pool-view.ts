import type { ArchiveFigures, PoolFigures, PoolView, ProcessKind } from "../../alerts/ports.ts";
import { GAP_MS, SILENT_MS } from "../../alerts/times.ts";
import { type Waiting, waitingOf } from "./archive-rows.ts";
import { MysqlArchiveStatus } from "./archive-status.ts";
import { type Database, limit } from "./database.ts";
import { differencesOf } from "./differences.ts";
import { dbNowMs } from "./handover-rows.ts";

const COUNT_TO = 10_000;
const MOST_DEAD = 50;
const MOST_DIFFERENCES = 20;

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
    const waiting = await waitingOf(this.#database, GAP_MS);
    const archive = await this.#archive(waiting);
    const [processes, outbox, handover, quarantined, failing, silent, differences, since] = await Promise.all(
      [
        this.#database.rows<{ name: string; kind: ProcessKind; silent_ms: number }>(
          `SELECT name, kind, CAST(${dbNowMs} AS SIGNED) - CAST(seen_ms AS SIGNED) AS silent_ms FROM process ORDER BY name ${limit(COUNT_TO)}`,
        ),
        this.#oldest("compliance_outbox"),
        this.#oldest("compliance_handover"),
        this.#database.rows<{ n: number }>(
          `SELECT COUNT(*) AS n FROM (SELECT 1 FROM compliance_quarantine WHERE accepted_ms IS NULL ${limit(COUNT_TO)}) AS counted`,
        ),
        this.#database.rows<{ adapter: string; attempts: number; last_error: string | null }>(
          "SELECT adapter, attempts, last_error FROM compliance_run WHERE attempts > 0 ORDER BY adapter",
        ),
        this.#database.rows<{ incarnation: string; silent_ms: number | null }>(
          `SELECT i.incarnation, CAST(${dbNowMs} AS SIGNED) - CAST(i.heartbeat_ms AS SIGNED) AS silent_ms FROM node_lease l ` +
            "JOIN incarnation i ON i.incarnation = l.incarnation WHERE l.expires_at > NOW(3) ORDER BY i.incarnation",
        ),
        this.#differences(waiting),
        this.#database.rows<{ since_ms: number }>(
          `SELECT CAST(${dbNowMs} AS SIGNED) - CAST(at_ms AS SIGNED) AS since_ms FROM compliance_reconciliation ORDER BY id DESC LIMIT 1`,
        ),
      ],
    );
    const dead = processes.filter(({ silent_ms }) => Number(silent_ms) > SILENT_MS);
    return {
      clockAheadMs,
      archive,
      dead: dead
        .slice(0, MOST_DEAD)
        .map(({ name, kind, silent_ms }) => ({ name, kind, silentMs: Number(silent_ms) })),
      workers: processes.filter(({ kind, silent_ms }) => kind === "worker" && Number(silent_ms) <= SILENT_MS)
        .length,
      oldestOutboxMs: outbox,
      oldestHandoverMs: handover,
      quarantined: Number(quarantined[0]?.n ?? 0),
      silent: silent.map(({ incarnation, silent_ms }) => ({
        incarnation,
        silentMs: silent_ms === null ? null : Number(silent_ms),
      })),
      differences,
      sinceReconciledMs: since[0] ? Number(since[0].since_ms) : null,
      failing: failing.map(({ adapter, attempts, last_error }) => ({
        adapter,
        attempts: Number(attempts),
        reason: last_error ?? "",
      })),
    };
  }

  async #archive({ readyMs }: Waiting): Promise<ArchiveFigures> {
    const [unsigned] = await this.#database.rows<{ age_ms: number }>(
      `SELECT CAST(${dbNowMs} AS SIGNED) - CAST(JSON_VALUE(leaf, '$.at') AS SIGNED) AS age_ms FROM archive_leaf ` +
        "WHERE seq = (SELECT COALESCE(MAX(size), 0) FROM archive_checkpoint)",
    );
    const [check] = await this.#database.rows<{ verdict: string }>(
      `SELECT verdict FROM archive_verification ORDER BY id DESC ${limit(1)}`,
    );
    const changed = await new MysqlArchiveStatus(this.#database).changed();
    return {
      oldestReadyMs: readyMs,
      unsignedMs: unsigned === undefined ? null : Number(unsigned.age_ms),
      verdict: check?.verdict ?? null,
      changed: changed ? { event: changed.firstBad ?? 0, field: changed.field ?? "" } : null,
    };
  }

  /** Of the last comparison, and streams that wait for an event now. */
  async #differences({ gaps }: Waiting): Promise<PoolFigures["differences"]> {
    const known = await differencesOf(this.#database, MOST_DIFFERENCES);
    const waited = gaps.filter(({ stream }) => !known.some((difference) => difference.stream === stream));
    return [
      ...known,
      ...waited.map(({ stream, missing }) => ({ what: "missing", stream, first: missing, last: missing })),
    ].slice(0, MOST_DIFFERENCES);
  }

  /** Ids rise with time: the first one is the oldest, to the millisecond. */
  async #oldest(table: "compliance_outbox" | "compliance_handover"): Promise<number | null> {
    const [row] = await this.#database.rows<{ age_ms: number }>(
      `SELECT CAST(${dbNowMs} AS SIGNED) - CAST(at_ms AS SIGNED) AS age_ms FROM ${table} ORDER BY event_id ${limit(1)}`,
    );
    return row === undefined ? null : Math.max(0, Number(row.age_ms));
  }
}
