import { createConnection } from "mysql2/promise";
import { connectionOptions } from "./connection-options.ts";
import { StoreError } from "./store-error.ts";

const GUARDED = ["archive_leaf", "archive_checkpoint"] as const;
const EVENTS = ["UPDATE", "DELETE"] as const;
/** May not create triggers; may not while the server writes a binary log and distrusts creators; needs a global right. */
const NOT_ALLOWED = new Set([1142, 1227, 1370, 1419]);

/**
 * Lets the database itself refuse to change or delete what is sealed. That stops mistakes, not somebody who may drop the trigger:
 * he is found by `parlance compliance verify`.
 * @returns undefined when it is so now; else why this account may not do it
 */
export async function guardArchive(url: string): Promise<string | undefined> {
  const connection = await createConnection({ ...connectionOptions(url), connectTimeout: 10_000 });
  try {
    for (const table of GUARDED)
      for (const event of EVENTS)
        await connection.query({
          sql:
            `CREATE TRIGGER IF NOT EXISTS ${table}_no_${event.toLowerCase()} BEFORE ${event} ON ${table} FOR EACH ROW ` +
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'What is sealed is never changed'",
          timeout: 10_000,
        });
    return undefined;
  } catch (error) {
    const cause = new StoreError(error);
    if (!NOT_ALLOWED.has(cause.errno)) throw cause;
    return cause.errno === 1419
      ? "the server writes a binary log and lets only a superuser create triggers (log_bin_trust_function_creators)"
      : "its account has not the privilege TRIGGER";
  } finally {
    connection.destroy();
  }
}
