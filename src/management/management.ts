import type { Category } from "../chat/category.ts";
import { ChatError } from "../chat/errors.ts";
import { ROLES, type Role } from "../chat/principal.ts";
import { type Access, type CategoryAction, categoryRefusal, refusal } from "../chat/role.ts";
import type { Room } from "../chat/room.ts";
import type { User } from "../chat/user.ts";
import type { RoomStore } from "../ports.ts";
import type { Actor } from "./actor.ts";
import { addInManagement } from "./add-ins.ts";
import { categoryManagement } from "./categories.ts";
import { moderation } from "./moderation.ts";
import { peopleManagement } from "./people.ts";
import type {
  CategoryName,
  FoundPrincipals,
  ListPart,
  ManagementStore,
  RoleList,
  RoomAudit,
  RoomName,
} from "./ports.ts";
import { rightsOver } from "./rights.ts";
import { roomManagement } from "./room-changes.ts";
import { settingManagement } from "./settings.ts";

export interface ManagementPorts {
  readonly store: ManagementStore;
  readonly rooms: RoomStore;
  readonly servedDomain: string;
}

/** A user's, as XCCOS knows it. */
export type UserActor = Extract<Actor, { kind: "user" }>;

/**
 * Everything that can be administered, for managers, creators and administrators alike: the rules once, whoever asks and by
 * whatever way.
 */
export function openManagement({ store, rooms, servedDomain }: ManagementPorts) {
  const rights = rightsOver(store, rooms);
  return {
    ...roomManagement(rights, servedDomain),
    ...categoryManagement(rights),
    ...addInManagement(rights),
    ...peopleManagement(rights, servedDomain),
    ...moderation(rights),
    ...settingManagement(rights),

    addIns: () => store.addIns(),

    /** The room, and what binds the asker to it, when he may see it. @throws {ChatError} ROOM_NOT_FOUND, NOT_PERMITTED, ROOM_DISABLED */
    async lookAt({ user }: UserActor, name: RoomName): Promise<{ room: Room; access: Access }> {
      const room = "guid" in name ? await rooms.find(name.domain, name.guid) : undefined;
      const [access] = await rooms.access([room], user);
      const no = room && access ? refusal("see", room, access) : "ROOM_NOT_FOUND";
      if (no || !room || !access) throw new ChatError(no ?? "ROOM_NOT_FOUND");
      return { room, access };
    },

    /** For whoever may see the room, which `lookAt` says. */
    auditOf: (room: Room): Promise<RoomAudit> => store.audit(room.id),

    /**
     * A room's lists. Who manages a room stands on its card; the other lists are for those who manage it.
     * @throws {ChatError} ROOM_NOT_FOUND, NOT_PERMITTED, ROOM_DISABLED
     */
    async rolesOf(
      actor: UserActor,
      name: RoomName,
      wanted: readonly Role[] | undefined,
      part: ListPart,
    ): Promise<{ room: Room; lists: RoleList[] }> {
      const roles = wanted ?? ROLES;
      const { room, access } = await this.lookAt(actor, name);
      const no = roles.every((role) => role === "manager") ? undefined : refusal("manage", room, access);
      if (no) throw new ChatError(no);
      return { room, lists: await store.roles(room.id, roles, part) };
    },

    /** Categories the user may do this with, by name. */
    async categoriesFor(user: User, action: CategoryAction): Promise<Category[]> {
      const categories = await store.categories();
      const access = await store.categoryAccess(
        categories.map(({ id }) => id),
        user,
      );
      return categories.filter((_, index) => {
        const held = access[index];
        return held !== undefined && categoryRefusal(action, held) === undefined;
      });
    },

    /**
     * Who can be given a role: for managers of the room, or creators in the category. Only members can present.
     * @throws {ChatError} as `changeRoom` and `createRoom`
     */
    async eligible(
      actor: UserActor,
      where: { readonly room: RoomName } | { readonly category: CategoryName },
      query: { readonly text: string; readonly presenters: boolean; readonly limit: number },
    ): Promise<FoundPrincipals> {
      if ("room" in where) {
        const room = await rights.inRoom(actor, where.room, ["manage"]);
        const among = query.presenters && room?.privacy !== "open" ? room?.id : undefined;
        return store.eligible(room?.categoryId ?? 0, query.text, among, query.limit);
      }
      const category = await rights.inCategory(actor, where.category, "create");
      return store.eligible(category?.id ?? 0, query.text, undefined, query.limit);
    },
  };
}

export type Management = ReturnType<typeof openManagement>;
