import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { programArgs } from "./node.ts";
import { OperatorError } from "./operator-error.ts";

const run = promisify(execFile);

/**
 * Brings the schema up to date with `parlance migrate`.
 * @throws OperatorError with the command's last words.
 */
export async function migrate(fromSources: boolean, configFile: string, signal?: AbortSignal): Promise<void> {
  try {
    await run(process.execPath, [...programArgs(fromSources), "migrate", "--config", configFile], {
      timeout: 120_000,
    });
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    signal?.throwIfAborted();
    const { stderr = "" } = error as { stderr?: string }; // execFile adds what the command wrote
    const last = stderr.trim().split("\n").slice(-2).join(" | ");
    throw new OperatorError(`The database schema could not be brought up to date: ${last || String(error)}`, {
      cause: error,
    });
  }
}
