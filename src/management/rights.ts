import type { Category } from "../chat/category.ts";
import { ChatError } from "../chat/errors.ts";
import {
  type Access,
  type Action,
  type CategoryAction,
  categoryRefusal,
  NO_ACCESS,
  refusal,
} from "../chat/role.ts";
import type { Room } from "../chat/room.ts";
import type { RoomStore } from "../ports.ts";
import type { Actor } from "./actor.ts";
import type { CategoryName, ManagementStore, ManagementUnit, RoomName } from "./ports.ts";

/** What the rules are asked with. */
export interface Rights {
  readonly store: ManagementStore;
  /**
   * The room under whose version the actor was found to be entitled to all of these; undefined for an administrator at the
   * command line, who need not be asked.
   * @throws {ChatError} the refusal of the first that is not permitted
   */
  inRoom(actor: Actor, name: RoomName, actions: readonly Action[]): Promise<Room | undefined>;
  /** @throws {ChatError} CATEGORY_NOT_FOUND, NOT_PERMITTED */
  inCategory(actor: Actor, name: CategoryName, action: CategoryAction): Promise<Category | undefined>;
  /** The category in the transaction, still as it was found. @throws {ChatError} CATEGORY_NOT_FOUND, COLLISION */
  sameCategory(unit: ManagementUnit, name: CategoryName, seen: Category | undefined): Promise<Category>;
  /** @throws {ChatError} NOT_PERMITTED */
  administrator(actor: Actor): void;
}

export function rightsOver(store: ManagementStore, rooms: RoomStore): Rights {
  return {
    store,
    async inRoom(actor, name, actions) {
      if (actor.kind === "administrator") return undefined;
      // Users name rooms by URI only. A secret room costs an outsider the same looks as one that does not exist.
      const room = "guid" in name ? await rooms.find(name.domain, name.guid) : undefined;
      const [access] = await rooms.access([room], actor.user);
      if (!room || !access) throw new ChatError("ROOM_NOT_FOUND");
      for (const action of actions) {
        const no = refusal(action, room, access);
        if (no) throw new ChatError(no);
      }
      return room;
    },
    async inCategory(actor, name, action) {
      if (actor.kind === "administrator") return undefined;
      const category = (await store.categories()).find((one) => isNamed(one, name));
      const access = await accessToCategory(store, category, actor);
      const no = categoryRefusal(action, access);
      if (no || !category) throw new ChatError(no ?? "CATEGORY_NOT_FOUND");
      return category;
    },
    async sameCategory(unit, name, seen) {
      const found = await unit.category(seen ? { id: seen.id } : name);
      if (!found)
        throw new ChatError(
          "CATEGORY_NOT_FOUND",
          "name" in name ? { detail: `There is no category "${name.name}".` } : {},
        );
      if (seen && seen.version !== found.version) throw new ChatError("COLLISION");
      return found;
    },
    administrator(actor) {
      if (actor.kind === "user" && !actor.user.administrator) throw new ChatError("NOT_PERMITTED");
    },
  };
}

async function accessToCategory(
  store: ManagementStore,
  category: Category | undefined,
  actor: Extract<Actor, { kind: "user" }>,
): Promise<Access> {
  const [access] = await store.categoryAccess([category?.id ?? 0], actor.user);
  return category && access ? access : NO_ACCESS;
}

function isNamed(category: Category, name: CategoryName): boolean {
  if ("id" in name) return category.id === name.id;
  return "guid" in name ? category.guid === name.guid : category.name === name.name;
}
