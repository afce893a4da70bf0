import { type Json, NO_ROOM } from "../chat/compliance-event.ts";
import { ChatError } from "../chat/errors.ts";
import { descriptionProblem, nameProblem } from "../chat/limits.ts";
import type { Action } from "../chat/role.ts";
import type { Room } from "../chat/room.ts";
import type { Actor } from "./actor.ts";
import { domainName } from "./addresses.ts";
import type { CategoryName, ManagementUnit, RoomFields, RoomName } from "./ports.ts";
import type { Rights } from "./rights.ts";
import { byRole, changeRoles, type RoleChange, type RolesChanged } from "./role-changes.ts";

/** What may be said of a room; what is left out stays as it is, or as a new room is. */
export interface RoomChange {
  readonly name?: string;
  readonly description?: string;
  readonly category?: CategoryName;
  readonly privacy?: Room["privacy"];
  readonly type?: Room["type"];
  /** False: never, whatever the category says. */
  readonly invitations?: boolean;
  /** Name of a registered add-in; null for none. */
  readonly addIn?: string | null;
  readonly disabled?: boolean;
  readonly roles?: readonly RoleChange[];
}

export interface NewRoom extends RoomChange {
  readonly name: string;
  readonly category: CategoryName;
  /** Domain of its URI; the served one unless given. */
  readonly domain?: string;
  readonly guid?: string;
}

/**
 * Rooms and their lists. Each call is one transaction: all of it or nothing, with what the archive must know.
 * Whoever saw an older version than the room has is refused with COLLISION.
 */
export function roomManagement(rights: Rights, servedDomain: string) {
  const { store } = rights;
  return {
    /**
     * Its creator manages it. Closed, normal and without roles unless said otherwise.
     * @throws {ChatError} CATEGORY_NOT_FOUND, NOT_PERMITTED, NAME_TAKEN, what `changeRoles` throws
     */
    async createRoom(actor: Actor, wanted: NewRoom): Promise<Room> {
      const seen = await rights.inCategory(actor, wanted.category, "create");
      const domain = domainName(wanted.domain ?? servedDomain);
      return store.change(actor, async (unit) => {
        const category = await rights.sameCategory(unit, wanted.category, seen);
        const fields: RoomFields = {
          name: wanted.name,
          description: wanted.description ?? "",
          categoryId: category.id,
          privacy: wanted.privacy ?? "closed",
          type: wanted.type ?? "normal",
          inheritsInvitations: wanted.invitations ?? true,
          addInId: await addInId(unit, wanted.addIn),
          disabled: wanted.disabled ?? false,
        };
        await claimName(unit, wanted.name, domain);
        checkDescription(fields.description);
        const id = await unit.insertRoom(domain, wanted.guid, fields);
        const own: RoleChange[] =
          actor.kind === "user" && !actor.user.administrator
            ? [{ role: "manager", change: "add", principals: [actor.user.uri] }]
            : [];
        const roles = await changeRoles(unit, { ...fields, id }, [...(wanted.roles ?? []), ...own]);
        const room = await lockedRoom(unit, { id });
        const after: Json = { ...settingsOf(room), category: category.name, roles: byRole(roles.given) };
        unit.record({ kind: "ROOM_CREATED", subject: "", before: null, after }, room);
        return room;
      });
    },

    /**
     * @param expected version the change was made for; undefined: the version at which it was found to be permitted
     * @throws {ChatError} ROOM_NOT_FOUND, NOT_PERMITTED, COLLISION, NAME_TAKEN, CATEGORY_NOT_FOUND, what `changeRoles` throws
     */
    async changeRoom(actor: Actor, name: RoomName, change: RoomChange, expected?: number): Promise<Room> {
      const seen = await rights.inRoom(actor, name, actionsOf(change));
      const target = change.category
        ? { seen: await rights.inCategory(actor, change.category, "create"), name: change.category }
        : undefined;
      return store.change(actor, async (unit) => {
        const room = await lockedRoom(unit, seen ? { id: seen.id } : name);
        const version = expected ?? seen?.accessVersion;
        if (version !== undefined && version !== room.accessVersion) throw new ChatError("COLLISION");
        const category = target && (await rights.sameCategory(unit, target.name, target.seen));
        const fields = await changedFields(unit, room, change, category?.id);
        if (Object.keys(fields).length > 0) await unit.updateRoom(room.id, fields);
        const after = { ...room, ...fields };
        const moved = "categoryId" in fields;
        const listsMayChange = change.roles !== undefined || moved || "type" in fields || "privacy" in fields;
        const roles = listsMayChange ? await changeRoles(unit, after, change.roles ?? [], moved) : UNCHANGED;
        const rolesChanged = roles.given.length > 0 || roles.taken.length > 0;
        if (Object.keys(fields).length === 0) {
          if (!rolesChanged) return room;
          await unit.updateRoom(room.id, {});
        }
        unit.changed({ kind: "room", id: room.id });
        const changed = await lockedRoom(unit, { id: room.id });
        if (Object.keys(fields).length > 0) await recordChange(unit, room, changed);
        if (rolesChanged) {
          const [before, now] = [byRole(roles.taken), byRole(roles.given)];
          unit.record({ kind: "ROLE_CHANGED", subject: "", before, after: now }, changed);
        }
        return changed;
      });
    },

    /**
     * The room, its lists and its messages are gone for good; what the archive recorded stays there.
     * @throws {ChatError} ROOM_NOT_FOUND, NOT_PERMITTED, COLLISION
     */
    async deleteRoom(actor: Actor, name: RoomName, expected?: number): Promise<void> {
      const seen = await rights.inRoom(actor, name, ["delete"]);
      await store.change(actor, async (unit) => {
        const room = await lockedRoom(unit, seen ? { id: seen.id } : name);
        const version = expected ?? seen?.accessVersion;
        if (version !== undefined && version !== room.accessVersion) throw new ChatError("COLLISION");
        const category = await unit.category({ id: room.categoryId });
        const roles = byRole(await unit.roles(room.id));
        const messages = await unit.lastNumber(room.id);
        await unit.deleteRoom(room);
        const before: Json = { ...settingsOf(room), category: category?.name ?? "", messages, roles };
        unit.record({ kind: "ROOM_DELETED", subject: "", before, after: null }, room);
        unit.changed({ kind: "room", id: room.id });
      });
    },
  };
}

const UNCHANGED: RolesChanged = { given: [], taken: [] };

/** Every right that a change needs: each is asked for, so that one command cannot carry out what another is refused. */
function actionsOf({ disabled, category, ...settings }: RoomChange): Action[] {
  const actions: Action[] = [];
  if (disabled !== undefined) actions.push(disabled ? "disable" : "enable");
  if (category !== undefined) actions.push("changeCategory");
  if (Object.keys(settings).length > 0 || actions.length === 0) actions.push("manage");
  return actions;
}

async function changedFields(
  unit: ManagementUnit,
  room: Room,
  change: RoomChange,
  categoryId: number | undefined,
): Promise<Partial<RoomFields>> {
  if (change.name !== undefined && change.name !== room.name)
    await claimName(unit, change.name, room.domain, room.id);
  if (change.description !== undefined) checkDescription(change.description);
  const wanted: { [Field in keyof RoomFields]: RoomFields[Field] | undefined } = {
    name: change.name,
    description: change.description,
    categoryId,
    privacy: change.privacy,
    type: change.type,
    inheritsInvitations: change.invitations,
    addInId: change.addIn === undefined ? undefined : await addInId(unit, change.addIn),
    disabled: change.disabled,
  };
  const now: RoomFields = { ...room, addInId: room.addIn?.id ?? null };
  const names = Object.keys(wanted) as (keyof RoomFields)[]; // of the object above
  return Object.fromEntries(
    names
      .filter((field) => wanted[field] !== undefined && wanted[field] !== now[field])
      .map((field) => [field, wanted[field]]),
  );
}

/** Only what is different, with names in place of ids. */
async function recordChange(unit: ManagementUnit, before: Room, after: Room): Promise<void> {
  const category = async ({ categoryId }: Room) => (await unit.category({ id: categoryId }))?.name ?? "";
  const moved = before.categoryId !== after.categoryId;
  const values = async (room: Room): Promise<Record<string, Json>> => ({
    ...settingsOf(room),
    ...(moved ? { category: await category(room) } : {}),
  });
  const [was, is] = [await values(before), await values(after)];
  const different = (of: Record<string, Json>) =>
    Object.fromEntries(Object.entries(of).filter(([field]) => was[field] !== is[field]));
  unit.record({ kind: "ROOM_CHANGED", subject: "", before: different(was), after: different(is) }, after);
}

/** A room as it is recorded. */
export function settingsOf(room: Room): Record<string, Json> {
  return {
    addIn: room.addIn?.name ?? null,
    description: room.description,
    disabled: room.disabled,
    invitations: room.inheritsInvitations ? "inherit" : "never",
    name: room.name,
    privacy: room.privacy,
    type: room.type,
  };
}

/** @throws {ChatError} ROOM_NOT_FOUND; BAD_REQUEST when rooms of several domains have the name */
export async function lockedRoom(unit: ManagementUnit, name: RoomName): Promise<Room> {
  return foundRoom(await unit.room(name), name);
}

/** @throws {ChatError} as `lockedRoom` */
export function foundRoom(found: Room | "several" | undefined, name: RoomName): Room {
  const said = "name" in name ? JSON.stringify(name.name) : "of that address";
  if (found === "several")
    throw new ChatError("BAD_REQUEST", { detail: `Several domains have a room ${said}: give its URI.` });
  if (!found)
    throw new ChatError("ROOM_NOT_FOUND", "name" in name ? { detail: `There is no room ${said}.` } : {});
  return found;
}

/** A room's name is unique in its domain and no category's, a category's is no room's. @throws {ChatError} */
export async function claimName(
  unit: ManagementUnit,
  name: string,
  domain: string | undefined,
  self: number = NO_ROOM.id,
): Promise<void> {
  const problem = nameProblem(name);
  if (problem) throw new ChatError("BAD_REQUEST", { detail: problem });
  const holder = await unit.holderOf(name, domain);
  const isSelf = holder?.id === self && holder.kind === (domain === undefined ? "category" : "room");
  if (!holder || isSelf) return;
  // Which of both is not said: the asker may not know of the room.
  throw new ChatError("NAME_TAKEN", { detail: `A room or category is called "${name}" already.` });
}

/** @throws {ChatError} BAD_REQUEST */
export function checkDescription(description: string): void {
  const problem = descriptionProblem(description);
  if (problem) throw new ChatError("BAD_REQUEST", { detail: problem });
}

/** @throws {ChatError} ADD_IN_NOT_FOUND */
async function addInId(unit: ManagementUnit, name: string | null | undefined): Promise<number | null> {
  if (name === null || name === undefined) return null;
  const addIn = await unit.addIn(name);
  if (!addIn) throw new ChatError("ADD_IN_NOT_FOUND", { detail: `There is no add-in "${name}".` });
  return addIn.id;
}
