import type { Database, Queries } from "./database.ts";

class Rehearsed extends Error {
  readonly result: unknown;
  constructor(result: unknown) {
    super("a rehearsal is undone");
    this.result = result;
  }
}

/** Does the work in one transaction. With `undo` it is undone in the end: the result says what would have been. */
export async function rehearsable<Result>(
  database: Database,
  undo: boolean,
  work: (queries: Queries) => Promise<Result>,
): Promise<Result> {
  try {
    return await database.transaction(async (queries) => {
      const result = await work(queries);
      if (undo) throw new Rehearsed(result);
      return result;
    });
  } catch (error) {
    if (error instanceof Rehearsed) return error.result as Result; // what `work` gave above
    throw error;
  }
}
