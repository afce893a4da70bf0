import { createConnection, type RowDataPacket } from "mysql2/promise";
import { connectionOptions, ISOLATION, SESSION } from "./connection-options.ts";
import { columns } from "./handover-rows.ts";
import { ADMINISTRATION_STREAM } from "./management-records.ts";
import { SchemaError } from "./migrate.ts";
import { StoreError } from "./store-error.ts";

/** All rooms change in one statement. */
const STATEMENT_LIMIT_MS = 600_000;

/**
 * A domain that recorded events before it had the permanent archive (under an older version, or with `compliance.archive.enabled:
 * false`) has streams whose first numbers are gone for good: the archive would wait for them for ever. Such a domain's archive
 * begins here: what was recorded goes the way it went before, and every stream counts from 1 again.
 * @returns whether that was done; false where the archive holds anything, or begins by itself with number 1 of every stream
 * @throws {SchemaError} while nodes live, who count on. @throws {StoreError}
 */
export async function beginArchive(url: string): Promise<boolean> {
  const connection = await createConnection(connectionOptions(url)).catch((error: unknown) => {
    throw new StoreError(error);
  });
  const ask = async (sql: string): Promise<boolean> => {
    const [rows] = await connection.query<RowDataPacket[]>({ sql, timeout: STATEMENT_LIMIT_MS });
    return rows.length > 0;
  };
  try {
    for (const statement of [SESSION, ISOLATION, "START TRANSACTION"]) await connection.query(statement);
    if (!(await ask(MUST_BEGIN))) return false;
    if (await ask(LIVING)) throw new SchemaError(NODES_LIVE);
    for (const sql of BEGIN) await connection.query({ sql, timeout: STATEMENT_LIMIT_MS });
    // Asked again: whoever began in between counts on from what stood there.
    if (await ask(LIVING)) throw new SchemaError(NODES_LIVE);
    await connection.query("COMMIT");
    return true;
  } catch (error) {
    throw error instanceof SchemaError ? error : new StoreError(error);
  } finally {
    connection.destroy(); // ends a transaction that was not committed
  }
}

const NODES_LIVE =
  "The domain recorded events before it had an archive, and that begins while no node runs: stop the nodes, " +
  'run "parlance migrate" and start them again';

/** A stream that has counted, and whose first event waits no longer. */
const counted = (table: string, stream: string, count: string) =>
  `EXISTS (SELECT 1 FROM ${table} t WHERE ${count} > 0 AND NOT EXISTS ` +
  `(SELECT 1 FROM compliance_outbox o WHERE o.stream = ${stream} AND o.stream_seq = 1))`;

/** In one statement, that is of one moment: somebody may just be moving the first events. */
const MUST_BEGIN =
  "SELECT 1 FROM counter t WHERE t.name = '" +
  `${ADMINISTRATION_STREAM}' AND NOT EXISTS (SELECT 1 FROM archive_leaf) AND NOT EXISTS (SELECT 1 FROM archive_intake) ` +
  `AND (${counted("room", "CONCAT('room:', t.id)", "t.last_event")} ` +
  `OR ${counted("incarnation", "CONCAT('read:', t.incarnation)", "t.read_events")} ` +
  "OR t.value > 0 AND NOT EXISTS (SELECT 1 FROM compliance_outbox o WHERE o.stream = t.name AND o.stream_seq = 1))";

const LIVING = "SELECT 1 FROM node_lease WHERE expires_at > NOW(3) LIMIT 1";

/** The counts first: their locks keep out whoever would record under an old number. */
const BEGIN = [
  "UPDATE room SET before_archive = last_number, last_event = 0",
  "UPDATE incarnation SET read_events = 0",
  `UPDATE counter SET value = 0 WHERE name = '${ADMINISTRATION_STREAM}'`,
  // Lives that record nothing any more: nobody looks for their events.
  "INSERT INTO compliance_compared (stream, event_seq, number, messages, digest, closed) " +
    "SELECT CONCAT('read:', i.incarnation), 0, 0, 0, REPEAT(CHAR(0), 32), 1 FROM incarnation i " +
    "WHERE NOT EXISTS (SELECT 1 FROM node_lease l WHERE l.incarnation = i.incarnation) " +
    "ON DUPLICATE KEY UPDATE closed = 1",
  `INSERT INTO compliance_handover (${columns}) SELECT ${columns} FROM compliance_outbox ` +
    "ON DUPLICATE KEY UPDATE compliance_handover.event_id = compliance_handover.event_id",
  "DELETE FROM compliance_outbox",
];
