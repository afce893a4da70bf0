import { administrationBy, type NamedRoom, roomName } from "../../management/administration.ts";
import { openManagement } from "../../management/management.ts";
import type { FoundPrincipals } from "../../management/ports.ts";
import { foundRoom } from "../../management/room-changes.ts";
import { bulkLoad } from "./administration-bulk.ts";
import { groupAdministration } from "./administration-groups.ts";
import { administrationReport } from "./administration-report.ts";
import { administrationSizes } from "./administration-sizes.ts";
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
    ...administrationReport(database),
    /** What is set at run time, by name. */
    settings: () => store.settings(),
    ...administrationSizes(database),
    /** Who can be a member of a room: in its category's scope, with this text in name or address. */
    eligible: async (name: NamedRoom, text: string, atMost: number): Promise<FoundPrincipals> => {
      const room = foundRoom(await store.findRoom(roomName(name)), roomName(name));
      return store.eligible(room.categoryId, text, undefined, atMost);
    },
  };
}

export type Administration = ReturnType<typeof openAdministration>;
