import { DELIVERY, DELIVERY_STREAM, type Delivery } from "../../compliance/delivery.ts";
import type { ArchiveRun, BatchLimits, HandoverRow, HandoverStore, Lease } from "../../compliance/ports.ts";
import { type ArchiveEvent, recordForSealer } from "./archive-events.ts";
import { ComplianceLeases } from "./compliance-lease.ts";
import { type Database, limit, type Queries } from "./database.ts";
import { columns, dbNowMs, idBytes, idList, idText, inChunks, rowsOf } from "./handover-rows.ts";

interface RunColumns {
  readonly run_id: string;
  readonly config_hash: string;
  readonly event_ids: Buffer;
  readonly attempts: number;
  readonly wait_ms: number;
}

/** Each statement stays well below the limit of a statement, whatever the size of the events. */
const rowsPerStatement = 500;

/** The hand-over table, the run in hand and the lease. */
export class MysqlHandoverStore implements HandoverStore {
  readonly #database: Database;
  readonly #archive: boolean;
  readonly #leases: ComplianceLeases;

  /** @param archive whether deliveries are recorded in the permanent archive, which somebody must seal then */
  constructor(database: Database, archive: boolean) {
    this.#database = database;
    this.#archive = archive;
    this.#leases = new ComplianceLeases(database);
  }

  takeLease(adapter: string, holder: string, leaseMs: number): Promise<Lease | undefined> {
    return this.#leases.take(adapter, holder, leaseMs);
  }

  renewLease(lease: Lease, leaseMs: number): Promise<void> {
    return this.#leases.renew(lease, leaseMs);
  }

  releaseLease(lease: Lease): Promise<void> {
    return this.#leases.release(lease);
  }

  async sinceLastRun(adapter: string): Promise<number | undefined> {
    const [row] = await this.#database.rows<{ since: number }>(
      `SELECT CAST(${dbNowMs} AS SIGNED) - CAST(last_run_ms AS SIGNED) AS since FROM compliance_lease ` +
        "WHERE adapter = ? AND last_run_ms > 0",
      [adapter],
    );
    return row === undefined ? undefined : Number(row.since);
  }

  async noteRun(lease: Lease): Promise<void> {
    await this.#leases.under(lease, (queries) =>
      queries.change(`UPDATE compliance_lease SET last_run_ms = ${dbNowMs} WHERE adapter = ?`, [
        lease.adapter,
      ]),
    );
  }

  async openRun(adapter: string): Promise<ArchiveRun | undefined> {
    const [row] = await this.#database.rows<RunColumns>(
      "SELECT run_id, config_hash, event_ids, attempts, " +
        `CAST(next_attempt_ms AS SIGNED) - CAST(${dbNowMs} AS SIGNED) AS wait_ms ` +
        "FROM compliance_run WHERE adapter = ?",
      [adapter],
    );
    if (row === undefined) return undefined;
    return {
      runId: row.run_id,
      configHash: row.config_hash,
      eventIds: unpack(row.event_ids),
      attempts: Number(row.attempts),
      waitMs: Math.max(0, Number(row.wait_ms)),
    };
  }

  async beginRun(
    lease: Lease,
    limits: BatchLimits,
    configHash: string,
    name: (eventIds: readonly string[]) => string,
  ): Promise<ArchiveRun | undefined> {
    return this.#leases.under(lease, async (queries) => {
      const rows = await queries.rows<{ event_id: Buffer; bytes: number }>(
        `SELECT event_id, LENGTH(body) AS bytes FROM compliance_handover ORDER BY event_id ${limit(limits.maxEvents)}`,
      );
      const eventIds = prefix(rows, limits.maxBodyBytes);
      if (eventIds.length === 0) return undefined;
      const runId = name(eventIds);
      await queries.change(
        "INSERT INTO compliance_run (adapter, run_id, config_hash, event_ids) VALUES (?, ?, ?, ?)",
        [lease.adapter, runId, configHash, pack(eventIds)],
      );
      return { runId, configHash, eventIds, attempts: 0, waitMs: 0 };
    });
  }

  async rows(run: ArchiveRun): Promise<HandoverRow[]> {
    const found: HandoverRow[] = [];
    for (const chunk of inChunks(run.eventIds, rowsPerStatement)) {
      const rows = await this.#database.rows<{ event_id: Buffer; body: Buffer }>(
        "SELECT event_id, body FROM compliance_handover WHERE event_id IN (?) ORDER BY event_id",
        [chunk.map(idBytes)],
      );
      for (const row of rows) found.push({ eventId: idText(row.event_id), body: row.body });
    }
    return found;
  }

  async finishRun(lease: Lease, run: ArchiveRun, delivery: Delivery | undefined): Promise<void> {
    await this.#leases.under(lease, async (queries) => {
      await deleteRows(queries, run.eventIds);
      const ended = await deleteRun(queries, lease, run);
      // Not into the hand-over table: it would be delivered in its turn, for ever.
      if (ended && delivery && this.#archive)
        await recordForSealer(queries, deliveryEvent(delivery), DELIVERY_STREAM);
    });
  }

  async postponeRun(lease: Lease, run: ArchiveRun, waitMs: number, reason: string): Promise<void> {
    await this.#leases.under(lease, (queries) =>
      queries.change(
        `UPDATE compliance_run SET attempts = attempts + 1, next_attempt_ms = ${dbNowMs} + ?, last_error = ? ` +
          "WHERE adapter = ? AND run_id = ?",
        [waitMs, reason.slice(0, 255), lease.adapter, run.runId],
      ),
    );
  }

  async forgetRun(lease: Lease, run: ArchiveRun): Promise<void> {
    await this.#leases.under(lease, async (queries) => {
      await deleteRun(queries, lease, run);
    });
  }

  async quarantine(
    lease: Lease,
    run: ArchiveRun,
    rows: readonly { eventId: string; reason: string }[],
  ): Promise<void> {
    const gone = new Set(rows.map(({ eventId }) => eventId));
    await this.#leases.under(lease, async (queries) => {
      for (const { eventId, reason } of rows) {
        await queries.change(
          `INSERT INTO compliance_quarantine (${columns}, body_sha256, reason, quarantined_ms) ` +
            `SELECT ${columns}, UNHEX(SHA2(body, 256)), ?, ${dbNowMs} FROM compliance_handover WHERE event_id = ? ` +
            "ON DUPLICATE KEY UPDATE reason = VALUES(reason)",
          [reason.slice(0, 255), idBytes(eventId)],
        );
      }
      await deleteRows(queries, [...gone]);
      const left = run.eventIds.filter((eventId) => !gone.has(eventId));
      await queries.change("UPDATE compliance_run SET event_ids = ? WHERE adapter = ? AND run_id = ?", [
        pack(left),
        lease.adapter,
        run.runId,
      ]);
    });
  }
}

async function deleteRows(queries: Queries, eventIds: readonly string[]): Promise<void> {
  for (const chunk of inChunks(eventIds, rowsPerStatement)) {
    await queries.change(`DELETE t FROM ${rowsOf("compliance_handover")}`, [idList(chunk)]);
  }
}

/** @returns whether it was there */
async function deleteRun(queries: Queries, lease: Lease, run: ArchiveRun): Promise<boolean> {
  const { affectedRows } = await queries.change(
    "DELETE FROM compliance_run WHERE adapter = ? AND run_id = ?",
    [lease.adapter, run.runId],
  );
  return affectedRows > 0;
}

function deliveryEvent(delivery: Delivery): ArchiveEvent {
  const { adapter, runId, configHash, events, first, last, countsByKind, unmapped, node, atMs } = delivery;
  const files = delivery.files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }));
  return {
    kind: DELIVERY,
    detail: { adapter, configHash, countsByKind, events, files, first, last, runId, unmapped },
    actor: { id: 0, uri: `adapter:${adapter}`, displayName: adapter, email: null },
    node,
    atMs,
  };
}

/** The oldest rows that fit; always at least one. */
function prefix(rows: readonly { event_id: Buffer; bytes: number }[], maxBytes: number): string[] {
  const eventIds: string[] = [];
  let bytes = 0;
  for (const row of rows) {
    bytes += Number(row.bytes);
    if (eventIds.length > 0 && bytes > maxBytes) break;
    eventIds.push(idText(row.event_id));
  }
  return eventIds;
}

function pack(eventIds: readonly string[]): Buffer {
  return Buffer.from(eventIds.join(""), "hex");
}

function unpack(bytes: Buffer): string[] {
  return bytes.toString("hex").match(/.{32}/g) ?? [];
}
