import { bulkAdministration } from "./administration-bulk.ts";
import { categoryAdministration } from "./administration-categories.ts";
import { peopleAdministration } from "./administration-people.ts";
import { roomAdministration } from "./administration-rooms.ts";
import { administrationView } from "./administration-view.ts";
import type { Database } from "./database.ts";

/**
 * Everything an administrator can do, for the command line, the demonstration and tests.
 * @param servedDomain domain of rooms for which none is given
 */
export function openAdministration(database: Database, servedDomain: string) {
  return {
    ...peopleAdministration(database),
    ...categoryAdministration(database),
    ...roomAdministration(database, servedDomain),
    ...bulkAdministration(database, servedDomain),
    ...administrationView(database),
  };
}

export type Administration = ReturnType<typeof openAdministration>;
