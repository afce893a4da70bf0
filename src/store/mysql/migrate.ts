import { readdirSync, readFileSync } from "node:fs";
import {
  type Connection,
  type ConnectionOptions,
  createConnection,
  type RowDataPacket,
} from "mysql2/promise";
import { connectionOptions, SESSION } from "./connection-options.ts";
import { refusalOf, StoreError } from "./store-error.ts";

const FOLDER = new URL("./migrations/", import.meta.url);
/** A large table may take long to change; a second migrator waits this long for the first. */
const STATEMENT_LIMIT_MS = 600_000;
const LOCK_WAIT_S = 120;
/** Table, column or key is there already; column or key is gone already. */
const ALREADY_DONE = new Set([1050, 1060, 1061, 1091]);

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: readonly string[];
}

/** The schema and this version of the program do not fit together; the message says what to do. */
export class SchemaError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "SchemaError";
  }
}

/** Every numbered file, in order. @throws {SchemaError} when a number is missing or given twice */
export function readMigrations(folder: URL = FOLDER): Migration[] {
  const files = readdirSync(folder).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name));
  const migrations = files.sort().map((name) => ({
    version: Number(name.slice(0, 4)),
    name: name.slice(5, -4),
    statements: statementsOf(readFileSync(new URL(name, folder), "utf8")),
  }));
  migrations.forEach(({ version, name }, index) => {
    if (version !== index + 1)
      throw new SchemaError(`Migration ${name} has number ${version}, expected ${index + 1}`);
  });
  return migrations;
}

/** Splits at ";" at the end of a line; lines of comment and blank lines go. */
export function statementsOf(sql: string): string[] {
  const lines = sql.split(/\r?\n/).filter((line) => line.trim() !== "" && !/^\s*--/.test(line));
  return lines
    .join("\n")
    .split(/;[ \t]*(?:\n|$)/)
    .filter((statement) => statement.trim() !== "");
}

/**
 * Brings the schema up to date, one migrator at a time. The version's row is there before its first statement and counts
 * the statements done, since DDL cannot be rolled back: an interrupted migration goes on where it stopped.
 * @param onBegin told of each migration before its first statement: one may take long
 * @returns the versions applied, empty when there was nothing to do
 * @throws {SchemaError} when the database is newer than this program, or another migrator does not come to an end
 */
export async function migrate(
  url: string,
  migrations: readonly Migration[] = readMigrations(),
  onBegin: (migration: Migration) => void = () => {},
): Promise<number[]> {
  const connection = await connect({ ...connectionOptions(url), connectTimeout: 10_000 });
  const run = async (sql: string, values: (string | number)[] = []): Promise<RowDataPacket[]> => {
    try {
      const [rows] = await connection.query<RowDataPacket[]>({ sql, values, timeout: STATEMENT_LIMIT_MS });
      return rows;
    } catch (error) {
      throw refusalOf(error);
    }
  };
  try {
    await run(SESSION);
    const lock = "CONCAT('parlance-migrate-', LEFT(SHA2(DATABASE(), 256), 32))";
    const [locked] = await run(`SELECT GET_LOCK(${lock}, ${LOCK_WAIT_S}) AS held`);
    if (Number(locked?.held) !== 1)
      throw new SchemaError("Another migration is running and does not come to an end");
    await run(VERSION_TABLE);
    const applied: number[] = [];
    const rows = await run("SELECT version, statements_done AS done, finished FROM schema_version");
    refuseNewer(Math.max(0, ...rows.map((row) => Number(row.version))), migrations.length);
    for (const migration of migrations) {
      const row = rows.find(({ version }) => Number(version) === migration.version);
      if (row && Number(row.finished) === 1) continue;
      onBegin(migration);
      await apply(migration, row ? Number(row.done) : undefined, run);
      applied.push(migration.version);
    }
    return applied;
  } finally {
    connection.destroy(); // ends the lock too
  }
}

/** @throws {ChatError} STORE_DOWN */
function connect(options: ConnectionOptions): Promise<Connection> {
  return createConnection(options).catch((error: unknown) => {
    throw refusalOf(error);
  });
}

/** For a program that starts. @throws {SchemaError} unless the schema is exactly the one this program was written for */
export async function requireSchema(url: string): Promise<void> {
  const known = readMigrations().length;
  const connection = await connect(connectionOptions(url));
  try {
    const [rows] = await connection.query<RowDataPacket[]>(
      "SELECT COALESCE(MAX(CASE WHEN finished = 1 THEN version END), 0) AS done, MAX(version) AS begun FROM schema_version",
    );
    refuseNewer(Number(rows[0]?.begun ?? 0), known);
    const done = Number(rows[0]?.done ?? 0);
    if (done < known)
      throw new SchemaError(`The database has schema ${done}, ${known} is needed: run "parlance migrate"`);
  } catch (error) {
    if (error instanceof SchemaError) throw error;
    const cause = new StoreError(error);
    if (cause.errno === 1146) throw new SchemaError('The database has no schema yet: run "parlance migrate"');
    throw refusalOf(cause);
  } finally {
    connection.destroy();
  }
}

const VERSION_TABLE =
  "CREATE TABLE IF NOT EXISTS schema_version (version INT UNSIGNED NOT NULL, name VARCHAR(64) NOT NULL, " +
  "statements_done INT UNSIGNED NOT NULL DEFAULT 0, finished TINYINT UNSIGNED NOT NULL DEFAULT 0, " +
  "PRIMARY KEY (version)) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

async function apply(
  { version, name, statements }: Migration,
  done: number | undefined,
  run: (sql: string, values?: (string | number)[]) => Promise<unknown>,
): Promise<void> {
  if (done === undefined)
    await run("INSERT INTO schema_version (version, name) VALUES (?, ?)", [version, name]);
  for (const [index, statement] of statements.entries()) {
    if (index < (done ?? 0)) continue;
    try {
      await run(statement);
    } catch (error) {
      // The interruption may have come between the statement and its mark.
      const repeated = done !== undefined && index === done;
      if (!(repeated && error instanceof StoreError && ALREADY_DONE.has(error.errno))) throw error;
    }
    await run("UPDATE schema_version SET statements_done = ? WHERE version = ?", [index + 1, version]);
  }
  await run("UPDATE schema_version SET finished = 1 WHERE version = ?", [version]);
}

function refuseNewer(found: number, known: number): void {
  if (found > known)
    throw new SchemaError(
      `The database has schema ${found}, this version of Parlance knows ${known} at most: install the newer Parlance`,
    );
}
