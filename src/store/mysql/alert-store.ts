import { ALERTS, type Alert, type AlertName, POOL } from "../../alerts/alert.ts";
import type { AlertStore, ProcessKind, StoredAlert } from "../../alerts/ports.ts";
import { SILENT_MS } from "../../alerts/times.ts";
import { type Database, limit } from "./database.ts";
import { dbNowMs } from "./handover-rows.ts";

/** A process that restarts is back sooner. */
const ORPHANED_MS = 300_000;
const MOST_ROWS = 1_000;
const MOST_SUBJECT = 160;
const MOST_DETAIL = 500;

interface Row {
  owner: string;
  name: string;
  subject: string;
  detail: string;
  since_ms: number;
  told_ms: number | null;
}

const COLUMNS = "owner, name, subject, detail, since_ms, told_ms";

export class MysqlAlertStore implements AlertStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async watch(process: string, kind: ProcessKind): Promise<boolean> {
    await this.#database.change(
      `INSERT INTO process (name, kind, seen_ms) VALUES (?, ?, ${dbNowMs}) ` +
        "ON DUPLICATE KEY UPDATE kind = VALUES(kind), seen_ms = VALUES(seen_ms)",
      [process, kind],
    );
    const { affectedRows } = await this.#database.change(
      `UPDATE pool_watch SET holder = ?, expires_ms = ${dbNowMs} + ? WHERE id = 1 AND (holder = ? OR expires_ms <= ${dbNowMs})`,
      [process, SILENT_MS, process],
    );
    return affectedRows === 1;
  }

  async leave(process: string): Promise<void> {
    await this.#database.change("UPDATE pool_watch SET expires_ms = 0 WHERE id = 1 AND holder = ?", [
      process,
    ]);
    await this.#database.change("DELETE FROM process WHERE name = ?", [process]);
  }

  async save(alerts: readonly Alert[], gone: readonly Alert[]): Promise<void> {
    for (const { owner, name, subject } of gone)
      await this.#database.change("DELETE FROM alert WHERE owner = ? AND name = ? AND subject = ?", [
        owner,
        name,
        stored(subject),
      ]);
    if (alerts.length === 0) return;
    await this.#database.change(
      `INSERT INTO alert (owner, name, subject, detail, since_ms, seen_ms) VALUES ${alerts.map(() => `(?, ?, ?, ?, ?, ${dbNowMs})`).join(", ")} ` +
        "ON DUPLICATE KEY UPDATE detail = VALUES(detail), seen_ms = VALUES(seen_ms)",
      alerts.flatMap(({ owner, name, subject, detail, sinceMs }) => [
        owner,
        name,
        stored(subject),
        detail.slice(0, MOST_DETAIL),
        sinceMs,
      ]),
    );
  }

  async told(alerts: readonly Alert[], atMs: number): Promise<void> {
    for (const { owner, name, subject } of alerts)
      await this.#database.change(
        "UPDATE alert SET told_ms = ? WHERE owner = ? AND name = ? AND subject = ?",
        [atMs, owner, name, stored(subject)],
      );
  }

  async of(owner: string): Promise<StoredAlert[]> {
    return alertsOf(
      await this.#database.rows<Row>(
        `SELECT ${COLUMNS} FROM alert WHERE owner = ? ORDER BY since_ms ${limit(MOST_ROWS)}`,
        [owner],
      ),
    );
  }

  async orphans(): Promise<StoredAlert[]> {
    return alertsOf(
      await this.#database.rows<Row>(
        `SELECT ${COLUMNS} FROM alert WHERE owner <> ? AND seen_ms + ? < ${dbNowMs} ORDER BY since_ms ${limit(MOST_ROWS)}`,
        [POOL, ORPHANED_MS],
      ),
    );
  }

  async list(): Promise<Alert[]> {
    return this.#database
      .rows<Row>(`SELECT ${COLUMNS} FROM alert ORDER BY since_ms, name, subject ${limit(MOST_ROWS)}`)
      .then(alertsOf);
  }

  async forget(process: string): Promise<boolean> {
    const { affectedRows } = await this.#database.change(
      `DELETE FROM process WHERE name = ? AND seen_ms + ? < ${dbNowMs}`,
      [process, SILENT_MS],
    );
    return affectedRows === 1;
  }
}

function stored(subject: string): string {
  return subject.slice(0, MOST_SUBJECT);
}

/** Alerts that a newer version raises are not ours to judge. */
function alertsOf(rows: readonly Row[]): StoredAlert[] {
  return rows
    .filter(({ name }) => Object.hasOwn(ALERTS, name))
    .map(({ owner, name, subject, detail, since_ms, told_ms }) => ({
      owner,
      name: name as AlertName, // looked up above
      subject,
      detail,
      sinceMs: Number(since_ms),
      toldMs: told_ms === null ? null : Number(told_ms),
    }));
}
