import type { Database } from "./database.ts";

/**
 * Puts off what may take long and may be done twice until the change is committed: while it is made nobody else can change anything,
 * and posts to its room wait.
 */
export type Afterwards = (work: (database: Database) => Promise<void>) => void;
