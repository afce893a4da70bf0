import { lockForFlush } from "./flush-lock.ts";
import { planFlush } from "./flush-plan.ts";
import { packets, statementsOf } from "./flush-rows.ts";
import type { FlushContext, FlushWrites } from "./flush-state.ts";
import type { JournalConnection } from "./journal-connection.ts";
import type { Entry } from "./journal-entry.ts";
import { StoreError } from "./store-error.ts";

/** The connection was lost after COMMIT had been sent: whether it happened must be read back. */
export class UnknownOutcomeError extends Error {
  readonly writes: FlushWrites;
  constructor(writes: FlushWrites, cause: unknown) {
    super("the connection was lost during COMMIT", { cause });
    this.name = "UnknownOutcomeError";
    this.writes = writes;
  }
}

/**
 * One transaction in two round trips: lock and read, then write and commit.
 * @returns what was committed; nothing of it has been answered yet
 * @throws {StoreError} nothing is stored; the transaction is rolled back, or its connection is broken
 * @throws {UnknownOutcomeError}
 * @throws {SupersededError | RangeError} nothing is stored
 */
export async function flush(
  connection: JournalConnection,
  entries: readonly Entry[],
  context: FlushContext,
): Promise<FlushWrites> {
  let committing: FlushWrites | undefined;
  try {
    const state = await lockForFlush(connection, entries, context);
    planFlush(state, entries, context);
    const [...rounds] = packets([...statementsOf(state, context), "COMMIT"]);
    for (const [index, statements] of rounds.entries()) {
      if (index === rounds.length - 1) committing = state.writes;
      await connection.run(statements);
    }
    return state.writes;
  } catch (error) {
    if (connection.broken) {
      connection.destroy();
      throw committing ? new UnknownOutcomeError(committing, error) : error;
    }
    await connection.run(["ROLLBACK"]).catch((failure: unknown) => {
      connection.destroy(); // the server rolls back what its client has left
      if (!(failure instanceof StoreError)) throw failure;
    });
    throw error;
  }
}
