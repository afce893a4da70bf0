import type { MoveOutcome, OutboxStore, Span } from "../../compliance/ports.ts";
import { OTHER_EVENT } from "../../compliance/quarantine.ts";
import { type Database, limit, type Queries } from "./database.ts";
import { columns, dbNowMs, idBytes, idList, idText, rowsOf, sharedColumns } from "./handover-rows.ts";
import { StoreError, troubleOf } from "./store-error.ts";

/** Where a row of the outbox goes. */
interface Target {
  readonly table: string;
  /** Further column and its value. */
  readonly more: readonly [column: string, value: string] | undefined;
}

const HANDOVER: Target = { table: "compliance_handover", more: undefined };
const INTAKE: Target = { table: "archive_intake", more: ["arrived_ms", dbNowMs] };

/** The outbox from its reading end. Bodies move inside the database, only ids travel. */
export class MysqlOutboxStore implements OutboxStore {
  readonly #database: Database;
  readonly #targets: readonly Target[];

  /** @param archive whether events also go into the permanent archive, which somebody must seal then */
  constructor(database: Database, archive: boolean) {
    this.#database = database;
    this.#targets = archive ? [HANDOVER, INTAKE] : [HANDOVER];
  }

  async move(eventIds: readonly string[]): Promise<MoveOutcome> {
    if (eventIds.length === 0) return { moved: 0, conflicts: [] };
    return this.#database.transaction(async (queries) => {
      // Rows that another worker has claimed are its business; the claim is the row lock and ends with the transaction.
      const rows = await queries.rows<{ event_id: Buffer }>(
        `SELECT t.event_id FROM ${rowsOf("compliance_outbox")} FOR UPDATE SKIP LOCKED`,
        [idList(eventIds)],
      );
      if (rows.length === 0) return { moved: 0, conflicts: [] };
      const claimed = idList(rows.map(({ event_id }) => idText(event_id)));
      const conflicts = new Set<string>();
      for (const target of this.#targets)
        for (const eventId of await insert(queries, claimed, target)) conflicts.add(eventId);
      await queries.change(`DELETE t FROM ${rowsOf("compliance_outbox")}`, [claimed]);
      return { moved: rows.length - conflicts.size, conflicts: [...conflicts] };
    });
  }

  async overdue({ fromMs, toMs }: Span, after: string | null, rows: number): Promise<string[]> {
    const found = await this.#database.rows<{ event_id: Buffer }>(
      `SELECT event_id FROM compliance_outbox WHERE (at_ms < ? OR at_ms > ?) AND event_id > ? ORDER BY event_id ${limit(rows)}`,
      [fromMs, toMs, idBytes(after ?? "0".repeat(32))],
    );
    return found.map(({ event_id }) => idText(event_id));
  }

  async waiting(atMost: number): Promise<number> {
    const [row] = await this.#database.rows<{ waiting: number }>(
      `SELECT COUNT(*) AS waiting FROM (SELECT 1 FROM compliance_outbox ${limit(atMost)}) AS found`,
    );
    return Number(row?.waiting ?? 0);
  }
}

/**
 * Nearly always there are no duplicates: a plain insert says so at no cost. A failed statement is undone alone, the
 * transaction goes on. @returns ids that are known with another body.
 */
async function insert(queries: Queries, claimed: string, { table, more }: Target): Promise<string[]> {
  const [column, value] = more ? [`, ${more[0]}`, `, ${more[1]}`] : ["", ""];
  const statement = `INSERT INTO ${table} (${columns}${column}) SELECT ${sharedColumns}${value} FROM ${rowsOf("compliance_outbox")}`;
  try {
    await queries.change(statement, [claimed]);
    return [];
  } catch (error) {
    if (!(error instanceof StoreError) || troubleOf(error) !== "duplicate") throw error;
  }
  const rows = await queries.rows<{ event_id: Buffer }>(
    `SELECT t.event_id FROM ${rowsOf("compliance_outbox")} ` +
      `JOIN ${table} AS h ON h.event_id = t.event_id WHERE SHA2(t.body, 256) <> SHA2(h.body, 256)`,
    [claimed],
  );
  const conflicts = rows.map(({ event_id }) => idText(event_id));
  if (conflicts.length > 0) await keepBoth(queries, idList(conflicts));
  // Never INSERT IGNORE: it would also hide what was cut off.
  await queries.change(`${statement} ON DUPLICATE KEY UPDATE ${table}.event_id = ${table}.event_id`, [
    claimed,
  ]);
  return conflicts;
}

/** The body that came first stands and is delivered; the other one must not get lost: it is evidence. */
async function keepBoth(queries: Queries, conflicts: string): Promise<void> {
  await queries.change(
    `INSERT INTO compliance_quarantine (${columns}, body_sha256, reason, quarantined_ms) ` +
      `SELECT ${sharedColumns}, UNHEX(SHA2(t.body, 256)), ?, ${dbNowMs} ` +
      `FROM ${rowsOf("compliance_outbox")} ` +
      "ON DUPLICATE KEY UPDATE compliance_quarantine.event_id = compliance_quarantine.event_id",
    [OTHER_EVENT.body, conflicts],
  );
}
