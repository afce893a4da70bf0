import { prepareDatabase } from "../../src/store/mysql/prepare-database.ts";
import { OperatorError } from "./operator-error.ts";

/** Brings the schema up to date, as `parlance migrate` does. @throws OperatorError with what is wrong */
export async function migrate(mysqlUrl: string, signal?: AbortSignal): Promise<void> {
  try {
    await prepareDatabase(mysqlUrl, true);
  } catch (error) {
    signal?.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    throw new OperatorError(`The database schema could not be brought up to date: ${why}`, { cause: error });
  }
}
