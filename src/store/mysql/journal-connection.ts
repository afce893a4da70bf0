import { createHash } from "node:crypto";
import { type Connection, createConnection } from "mysql2";
import { CONNECT_TIMEOUT_MS, connectionOptions, ISOLATION, SESSION } from "./connection-options.ts";
import { int, text } from "./sql-values.ts";
import { StoreError } from "./store-error.ts";

/** A commit waits for the disk; longer than this and the server counts as gone, see `Journal` for what follows. */
const RUN_TIMEOUT_MS = 1_800;

/** Sends statements in one round trip; one answer each. @throws {StoreError} of the first that fails; those after it are not run */
type Run = (statements: readonly string[]) => Promise<readonly unknown[]>;

/** The journal's own connection. */
export interface JournalConnection {
  readonly run: Run;
  /** What the last life of this connection had written. */
  readonly counters: { readonly flushes: number; readonly readEvents: number; readonly superseded: boolean };
  /** No statement may be sent any more: broken, or an answer is overdue. */
  readonly broken: boolean;
  destroy(): void;
}

/**
 * Name of the lock that the journal's connection holds while it lives: it tells a successor which connection to end, also
 * after the server was restarted and numbers its connections anew. One lock per database and incarnation.
 */
export function journalLockName(database: string, incarnation: string): string {
  return `parlance-${createHash("sha256").update(`${database}:${incarnation}`).digest("hex").slice(0, 40)}`;
}

/**
 * Connects, ends an older connection of the same journal with whatever transaction it left open, and reads the counters.
 * @throws {StoreError}
 */
export async function openJournalConnection(url: string, incarnation: string): Promise<JournalConnection> {
  const options = connectionOptions(url);
  const connection = createConnection({ ...options, multipleStatements: true });
  let broken = false;
  connection.on("error", () => {
    broken = true;
  });
  const run: Run = (statements) =>
    new Promise((resolve, reject) => {
      connection.query(
        { sql: statements.join(";"), values: null, timeout: RUN_TIMEOUT_MS },
        (error, answer) => {
          // One statement alone answers without a list around it.
          if (!error) return resolve(statements.length === 1 ? [answer] : (answer as unknown as unknown[]));
          const failure = new StoreError(error);
          if (failure.sqlState === "" || error.fatal) broken = true;
          reject(failure);
        },
      );
    });
  try {
    await connected(connection);
    await run([SESSION, ISOLATION]);
    await endOlderConnection(run, journalLockName(options.database ?? "", incarnation));
    const [rows] = await run([
      `SELECT flushes, read_events, successor IS NOT NULL OR stopped AS superseded FROM incarnation WHERE incarnation = ${text(incarnation)}`,
    ]);
    const [row] = rows as { flushes: number; read_events: number; superseded: number }[]; // the columns above
    return {
      run,
      counters: {
        flushes: Number(row?.flushes ?? 0),
        readEvents: Number(row?.read_events ?? 0),
        superseded: row === undefined || Number(row.superseded) === 1,
      },
      get broken() {
        return broken;
      },
      destroy: () => connection.destroy(),
    };
  } catch (error) {
    connection.destroy();
    throw error instanceof StoreError ? error : new StoreError(error);
  }
}

/** Takes the lock from an older connection that the server still believes in; its transaction is rolled back or committed by then. */
async function endOlderConnection(run: Run, name: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const [rows] = await run([`SELECT GET_LOCK(${text(name)}, ${attempt === 1 ? 0 : 1}) AS held`]);
    const [row] = rows as { held: number | null }[]; // the column above
    if (Number(row?.held) === 1) return;
    if (attempt === 3) throw new StoreError({ code: "ER_LOCK_WAIT_TIMEOUT", errno: 1205, message: "" });
    await endConnectionHolding(run, name);
  }
}

/** Ends the connection that holds the lock, when there is one. The same database user may always end its own connections. */
export async function endConnectionHolding(run: Run, name: string): Promise<void> {
  const [rows] = await run([`SELECT IS_USED_LOCK(${text(name)}) AS id`]);
  const [row] = rows as { id: number | null }[]; // the column above
  if (row === undefined || row.id === null) return;
  try {
    await run([`KILL ${int(Number(row.id))}`]);
  } catch (error) {
    // 1094: gone meanwhile. Anything else shows itself when the lock cannot be had.
    if (!(error instanceof StoreError) || error.sqlState === "") throw error;
  }
}

/** The driver limits the wait for the connection only; a stopped server accepts it and says nothing. */
function connected(connection: Connection): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new StoreError({ code: "ETIMEDOUT" })), CONNECT_TIMEOUT_MS);
    connection.connect((error) => {
      clearTimeout(timer);
      if (error) reject(error);
      else resolve();
    });
  });
}
