import { administrationBy } from "../../management/administration.ts";
import { openManagement } from "../../management/management.ts";
import { bulkLoad } from "./administration-bulk.ts";
import { groupAdministration } from "./administration-groups.ts";
import { administrationView } from "./administration-view.ts";
import type { Database } from "./database.ts";
import { type ManagementStoreOptions, MysqlManagementStore } from "./management-store.ts";
import { MysqlRoomStore } from "./room-store.ts";

export interface AdministrationOptions extends Partial<ManagementStoreOptions> {
  /** Who administers, as recorded. */
  readonly administrator?: string;
}

/**
 * Everything an administrator can do and look at, for the command line, the demonstration and tests, beside a database whose
 * nodes learn of it by themselves.
 * @param servedDomain domain of rooms for which none is given
 */
export function openAdministration(
  database: Database,
  servedDomain: string,
  options: AdministrationOptions = {},
) {
  const { administrator = "local", ...given } = options;
  const store = new MysqlManagementStore(database, {
    compliance: true,
    node: "administration",
    nowMs: Date.now,
    ...given,
  });
  const management = openManagement({ store, rooms: new MysqlRoomStore(database), servedDomain });
  return {
    ...administrationBy(management, (name) => store.findRoom(name), administrator),
    ...groupAdministration(database, store, { kind: "administrator", name: administrator }),
    ...bulkLoad(database, servedDomain),
    ...administrationView(database),
  };
}

export type Administration = ReturnType<typeof openAdministration>;
