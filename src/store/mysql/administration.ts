import { administrationBy, type NamedRoom, roomName } from "../../management/administration.ts";
import { openManagement } from "../../management/management.ts";
import type { FoundPrincipals } from "../../management/ports.ts";
import { foundRoom } from "../../management/room-changes.ts";
import { bulkLoad } from "./administration-bulk.ts";
import { groupAdministration } from "./administration-groups.ts";
import { administrationReport } from "./administration-report.ts";
import { administrationSizes } from "./administration-sizes.ts";
import { administrationView, namedCategory } from "./administration-view.ts";
import type { Database } from "./database.ts";
import { type ManagementStoreOptions, MysqlManagementStore } from "./management-store.ts";
import { readEligible } from "./principal-scope.ts";
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
    /** Who can be a member of a room, or a presenter: in its category's scope, with this text in name or address. */
    eligible: async (
      name: NamedRoom,
      text: string,
      atMost: number,
      { presenters = false, usersOnly = false } = {},
    ): Promise<FoundPrincipals> => {
      const room = foundRoom(await store.findRoom(roomName(name)), roomName(name));
      const among = presenters && room.privacy !== "open" ? room.id : undefined;
      return readEligible(database, room.categoryId, text, among, atMost, usersOnly ? "user" : undefined);
    },
    /** Who can be a member of the rooms of a category. */
    eligibleIn: async (
      category: string,
      text: string,
      atMost: number,
      { usersOnly = false } = {},
    ): Promise<FoundPrincipals> => {
      const { id } = await namedCategory(database, category);
      return readEligible(database, id, text, undefined, atMost, usersOnly ? "user" : undefined);
    },
  };
}

export type Administration = ReturnType<typeof openAdministration>;
