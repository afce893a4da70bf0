import { createPool, type Pool, type PoolConnection } from "mysql2";
import { ChatError } from "../../chat/errors.ts";
import { connectionOptions, ISOLATION, SESSION, STATEMENT_TIMEOUT_MS } from "./connection-options.ts";
import { refusalOf, StoreError, troubleOf } from "./store-error.ts";

/** A value the client escapes: text, numbers, bytes, NULL, and lists of them for `IN (?)` and `VALUES ?`. */
export type Value = string | number | bigint | boolean | Uint8Array | null | readonly Value[];

export interface Change {
  /** Rows matched, whether or not they changed. */
  readonly affectedRows: number;
  readonly insertId: number;
}

/** Statements on one connection or, outside of a transaction, on any. */
export interface Queries {
  rows<Row extends object>(sql: string, values?: readonly Value[]): Promise<Row[]>;
  change(sql: string, values?: readonly Value[]): Promise<Change>;
}

export interface DatabaseOptions {
  readonly url: string;
  /** Connections at most. */
  readonly connections?: number;
  /** Requests that may wait for a connection; more are refused at once. */
  readonly queued?: number;
  /** How long a statement, and a connection for it, may take, milliseconds; 1.8 s unless somebody waits who has more time than a chat. */
  readonly statementMs?: number;
}

/** For whoever reads the archive at length: a database that is busy is waited for. */
export const PATIENT_MS = 30_000;

/** How long a request waits at least for a connection of the pool. */
const BORROW_TIMEOUT_MS = 1_800;
const MAX_ATTEMPTS = 6;

/**
 * A bounded pool with the session settings every statement relies on. Whatever happens, an answer comes within about two
 * seconds per statement: a database that is stopped, hung or full is ChatError("STORE_DOWN").
 */
export class Database implements Queries {
  readonly #pool: Pool;
  readonly #statementMs: number;
  readonly #borrowMs: number;

  constructor({
    url,
    connections = 10,
    queued = 1_000,
    statementMs = STATEMENT_TIMEOUT_MS,
  }: DatabaseOptions) {
    this.#statementMs = statementMs;
    this.#borrowMs = Math.max(BORROW_TIMEOUT_MS, statementMs);
    this.#pool = createPool({
      ...connectionOptions(url),
      ...(statementMs > STATEMENT_TIMEOUT_MS ? { connectTimeout: statementMs } : {}),
      connectionLimit: connections,
      queueLimit: queued,
    });
    this.#pool.on("connection", (connection) => {
      const end = (error: unknown) => {
        if (error) connection.destroy();
      };
      connection.query(SESSION, end);
      connection.query(ISOLATION, end);
    });
  }

  rows<Row extends object>(sql: string, values: readonly Value[] = []): Promise<Row[]> {
    return this.#with((connection) => new Borrowed(connection, this.#statementMs).rows<Row>(sql, values));
  }

  change(sql: string, values: readonly Value[] = []): Promise<Change> {
    return this.#with((connection) => new Borrowed(connection, this.#statementMs).change(sql, values));
  }

  /**
   * Runs `work` in one transaction; again from its beginning after a deadlock or a lock wait that took too long.
   * @throws {ChatError} STORE_DOWN; then it is unknown whether the transaction was committed when it was lost in COMMIT
   */
  async transaction<Result>(work: (queries: Queries) => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#with((connection) => transact(new Borrowed(connection, this.#statementMs), work));
      } catch (error) {
        const cause = error instanceof ChatError ? error.cause : error;
        const trouble = cause instanceof StoreError ? troubleOf(cause) : "other";
        if ((trouble !== "deadlock" && trouble !== "lock-timeout") || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#pool.end(() => resolve()));
  }

  async #with<Result>(work: (connection: PoolConnection) => Promise<Result>): Promise<Result> {
    const connection = await this.#borrow();
    try {
      const result = await work(connection);
      connection.release();
      return result;
    } catch (error) {
      // After a time-out the answer may still come: the connection must never meet another statement.
      if (error instanceof StoreError && troubleOf(error) === "unreachable") connection.destroy();
      else connection.release();
      throw error instanceof StoreError ? refusalOf(error) : error;
    }
  }

  #borrow(): Promise<PoolConnection> {
    return new Promise((resolve, reject) => {
      let waiting = true;
      const timer = setTimeout(() => {
        waiting = false;
        reject(new ChatError("STORE_DOWN"));
      }, this.#borrowMs);
      this.#pool.getConnection((error, connection) => {
        clearTimeout(timer);
        if (!waiting) connection?.release();
        else if (!error) resolve(connection);
        else if (error.message === "Queue limit reached.") reject(new ChatError("OVERLOADED"));
        else reject(new ChatError("STORE_DOWN", { cause: new StoreError(error) }));
      });
    });
  }
}

class Borrowed implements Queries {
  readonly #connection: PoolConnection;
  readonly #statementMs: number;

  constructor(connection: PoolConnection, statementMs: number) {
    this.#connection = connection;
    this.#statementMs = statementMs;
  }

  async rows<Row extends object>(sql: string, values: readonly Value[] = []): Promise<Row[]> {
    return (await this.#run(sql, values)) as Row[]; // the statement's author knows its columns
  }

  async change(sql: string, values: readonly Value[] = []): Promise<Change> {
    return (await this.#run(sql, values)) as Change; // the answer to a statement that returns no rows
  }

  #run(sql: string, values: readonly Value[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#connection.query(
        // Null: the client looks for no place of a value, character by character, in a statement that may be a megabyte.
        { sql, values: values.length > 0 ? [...values] : null, timeout: this.#statementMs },
        (error, result) => (error ? reject(new StoreError(error)) : resolve(result)),
      );
    });
  }
}

async function transact<Result>(
  queries: Borrowed,
  work: (queries: Queries) => Promise<Result>,
): Promise<Result> {
  await queries.change("START TRANSACTION");
  try {
    const result = await work(queries);
    await queries.change("COMMIT");
    return result;
  } catch (error) {
    if (!(error instanceof StoreError && troubleOf(error) === "unreachable"))
      await queries.change("ROLLBACK");
    throw error;
  }
}

/** `LIMIT n` as SQL text: bound as a parameter a number arrives as DOUBLE, which MySQL 8 refuses there. */
export function limit(rows: number): string {
  if (!Number.isSafeInteger(rows) || rows < 0)
    throw new RangeError("A limit is a whole number, not below zero");
  return `LIMIT ${rows}`;
}

/** A list for `IN (?)`, which may not be empty: no id is 0. */
export function ids(list: readonly number[]): readonly number[] {
  return list.length > 0 ? list : [0];
}
