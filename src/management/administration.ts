import type { AddIn } from "../chat/add-in.ts";
import type { Category } from "../chat/category.ts";
import type { Role } from "../chat/principal.ts";
import type { Room } from "../chat/room.ts";
import type { Actor } from "./actor.ts";
import type { CategoryChange, NewCategory } from "./categories.ts";
import type { Management } from "./management.ts";
import type { MessageModeration, Moderated, RoomClearing } from "./moderation.ts";
import type { NewUser } from "./people.ts";
import type { RoomName } from "./ports.ts";
import { foundRoom, type NewRoom, type RoomChange } from "./room-changes.ts";
import type { SettingChange } from "./settings.ts";

/** As an administrator names a room: by id, by `ma-chan://` URI, or by name. */
export type NamedRoom = number | string;

/** As an administrator describes a room: its category by name. */
export type DescribedRoom = Omit<NewRoom, "category"> & { readonly category: string };
export type RoomWishes = Omit<RoomChange, "category"> & { readonly category?: string };

export function roomName(name: NamedRoom): RoomName {
  if (typeof name === "number") return { id: name };
  const [, domain, guid] = /^ma-chan:\/\/([^/]+)\/([0-9a-fA-F-]{36})$/.exec(name) ?? [];
  return domain !== undefined && guid !== undefined ? { domain, guid } : { name };
}

/**
 * `Management` in the words of somebody at the command line, who has every right.
 * @param who is recorded as the one who did it
 */
export function administrationBy(
  management: Management,
  findRoom: (name: RoomName) => Promise<Room | "several" | undefined>,
  who: string,
) {
  const me: Actor = { kind: "administrator", name: who };
  const changeRoom = (
    name: NamedRoom,
    { category, ...change }: RoomWishes,
    expected?: number,
  ): Promise<Room> =>
    management.changeRoom(
      me,
      roomName(name),
      { ...change, ...(category === undefined ? {} : { category: { name: category } }) },
      expected,
    );
  return {
    /** @throws {ChatError} ROOM_NOT_FOUND, BAD_REQUEST */
    findRoom: async (name: NamedRoom): Promise<Room> =>
      foundRoom(await findRoom(roomName(name)), roomName(name)),
    addRoom: ({ category, ...room }: DescribedRoom): Promise<Room> =>
      management.createRoom(me, { ...room, category: { name: category } }),
    changeRoom,
    setRoomDisabled: (name: NamedRoom, disabled: boolean): Promise<Room> => changeRoom(name, { disabled }),
    /** To one more user, group or domain. */
    addRole: (name: NamedRoom, uri: string, role: Role): Promise<Room> =>
      changeRoom(name, { roles: [{ role, change: "add", principals: [uri] }] }),
    removeRole: (name: NamedRoom, uri: string, role: Role): Promise<Room> =>
      changeRoom(name, { roles: [{ role, change: "remove", principals: [uri] }] }),
    removeRoom: (name: NamedRoom): Promise<void> => management.deleteRoom(me, roomName(name)),
    moderateMessages: (name: NamedRoom, wanted: MessageModeration): Promise<Moderated> =>
      management.moderateMessages(me, roomName(name), wanted),
    clearRoom: (name: NamedRoom, wanted: RoomClearing): Promise<Moderated> =>
      management.clearRoom(me, roomName(name), wanted),

    addCategory: (category: NewCategory): Promise<Category> => management.createCategory(me, category),
    changeCategory: (name: string, change: CategoryChange, expected?: number): Promise<Category> =>
      management.changeCategory(me, { name }, change, expected),
    removeCategory: (name: string): Promise<void> => management.deleteCategory(me, { name }),

    addAddIn: (addIn: Omit<AddIn, "id">): Promise<void> => management.createAddIn(me, addIn),
    changeAddIn: (name: string, change: Partial<Omit<AddIn, "id">>): Promise<void> =>
      management.changeAddIn(me, name, change),
    removeAddIn: (name: string): Promise<void> => management.deleteAddIn(me, name),

    addUser: (user: NewUser): Promise<number> => management.saveUser(me, user),
    changeUser: (user: NewUser): Promise<number> => management.saveUser(me, user, "exist"),
    setUserPolicy: (uri: string, enabled: boolean | null): Promise<void> =>
      management.setUserPolicy(me, uri, { enabled }),
    setCreatePolicy: (uri: string, mayCreateRooms: boolean | null): Promise<void> =>
      management.setUserPolicy(me, uri, { mayCreateRooms }),
    setAdministrator: (uri: string, administrator: boolean): Promise<void> =>
      management.setUserPolicy(me, uri, { administrator }),
    setGroupAdministers: (group: string, administrator: boolean): Promise<void> =>
      management.setGroupAdministers(me, group, administrator),
    setGlobalPolicy: (enabled: boolean): Promise<void> =>
      management.setGlobalPolicy(me, "enable-persistent-chat", enabled),
    setGlobalCreatePolicy: (on: boolean): Promise<void> => management.setGlobalPolicy(me, "create-rooms", on),
    setSetting: (name: string, given: string): Promise<SettingChange> =>
      management.setSetting(me, name, given),
    unsetSetting: (name: string): Promise<SettingChange> => management.unsetSetting(me, name),
    addDomainPrincipal: (domain: string): Promise<number> => management.saveDomain(me, domain),
    removeDomain: (domain: string, how: { readonly fromLists?: boolean } = {}): Promise<void> =>
      management.removeDomain(me, domain, how.fromLists === true),
    addGroup: (uri: string, displayName: string): Promise<number> =>
      management.saveGroup(me, uri, displayName),
  };
}
