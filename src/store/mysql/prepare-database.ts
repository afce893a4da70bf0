import { beginArchive } from "./archive-begin.ts";
import { guardArchive } from "./archive-guard.ts";
import { type Migration, migrate, readMigrations } from "./migrate.ts";

export interface Prepared {
  /** Versions of the schema that were missing. */
  readonly applied: readonly number[];
  /** Why this account may not let the database itself refuse changes to what is sealed; undefined when it does. */
  readonly unguarded: string | undefined;
  /** The archive begins here; what was recorded before goes to the adapter alone. */
  readonly archiveBegins: boolean;
}

/**
 * All that a database needs before a node or a worker starts on it; repeating it changes nothing.
 * @param onMigration told of each migration before it begins
 * @throws as `migrate` does
 */
export async function prepareDatabase(
  url: string,
  archived: boolean,
  onMigration?: (migration: Migration) => void,
): Promise<Prepared> {
  const applied = await migrate(url, readMigrations(), onMigration);
  const unguarded = await guardArchive(url);
  return { applied, unguarded, archiveBegins: archived && (await beginArchive(url)) };
}
