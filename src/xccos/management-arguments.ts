import { countOf, type InvalidCommand, invalid, MAX_CRITERIA_LENGTH, roomOfChanib } from "./arguments.ts";
import { childNamed, childrenNamed, isTrue } from "./element.ts";
import { decodeModeration, type WireModeration } from "./moderation-arguments.ts";
import { attributeNames, infoIds, managementCommands, managementNames, propIds } from "./names.ts";
import { type CategoryRef, parseCategoryUri, type RoomRef } from "./uri.ts";
import type { XmlElement } from "./xml.ts";

type Name = typeof managementCommands;

export type WireRole = "MEMBER" | "MANAGER" | "PRESENTER";

/** A change of one of a room's lists. */
export interface WireRoleChange {
  readonly role: WireRole;
  readonly change: "ADD" | "REMOVE" | "REPLACE";
  /** Addresses of users, groups (`ma-grp:`) and domains, as written. */
  readonly uris: readonly string[];
}

/** What a client says of a room; what is undefined it does not speak of. */
export interface WireRoomChange {
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly parent: CategoryRef | undefined;
  readonly behavior: "NORMAL" | "AUDITORIUM" | undefined;
  readonly visibility: "private" | "scoped" | "open" | undefined;
  readonly invite: boolean | undefined;
  /** "" for none. */
  readonly addIn: string | undefined;
  readonly disabled: boolean | undefined;
  readonly roles: readonly WireRoleChange[];
}

/** Commands of room management. */
export type ManagementCommand =
  | { readonly kind: Name["createRoom"]; readonly room: WireRoomChange }
  | {
      readonly kind: Name["changeRoom"];
      readonly room: RoomRef;
      readonly version: number | undefined;
      readonly change: WireRoomChange;
    }
  | { readonly kind: Name["deleteRoom"]; readonly room: RoomRef; readonly version: number | undefined }
  | { readonly kind: Name["roomInfo"]; readonly room: RoomRef }
  | { readonly kind: Name["permissions"]; readonly room: RoomRef }
  | { readonly kind: Name["participants"]; readonly room: RoomRef }
  /** `role` undefined asks for all lists; one alone can be asked for in parts. */
  | {
      readonly kind: Name["roles"];
      readonly room: RoomRef;
      readonly role: WireRole | undefined;
      readonly maxResults: number | undefined;
      readonly after: string | undefined;
    }
  | WireModeration
  | { readonly kind: Name["creatable"] }
  | { readonly kind: Name["categories"] }
  | { readonly kind: Name["addIns"] }
  /** Who could be given a role in this room, or in a new room of this category. */
  | {
      readonly kind: Name["principals"];
      readonly where: { readonly room: RoomRef } | { readonly category: CategoryRef };
      readonly criteria: string;
      readonly presenters: boolean;
      readonly maxResults: number | undefined;
    };

/** More addresses in one command are refused with 413; a longer list is given in several, by ADD. */
export const MAX_PRINCIPALS_PER_COMMAND = 1_000;
const MAX_URI_LENGTH = 600;

const ROLES: ReadonlyMap<string, WireRole> = new Map(
  (["MEMBER", "MANAGER", "PRESENTER"] as const).map((role) => [role, role]),
);
const CHANGES: ReadonlyMap<string, WireRoleChange["change"]> = new Map(
  (["ADD", "REMOVE", "REPLACE"] as const).map((change) => [change, change]),
);
const VISIBILITIES: ReadonlyMap<string, "private" | "scoped" | "open"> = new Map(
  (["private", "scoped", "open"] as const).map((visibility) => [visibility, visibility]),
);
const BEHAVIORS: ReadonlyMap<string, "NORMAL" | "AUDITORIUM"> = new Map(
  (["NORMAL", "AUDITORIUM"] as const).map((behavior) => [behavior, behavior]),
);

/** What is wrong with an argument; becomes an `InvalidCommand`. */
class BadArgument extends Error {
  readonly code: 400 | 413;
  constructor(problem: string, code: 400 | 413 = 400) {
    super(problem);
    this.code = code;
  }
}

/** Reads `data` of a command of room management; undefined for every other name. Never throws. */
export function decodeManagement(
  name: string,
  data: XmlElement | undefined,
): ManagementCommand | InvalidCommand | undefined {
  try {
    return decode(name, data);
  } catch (error) {
    if (error instanceof BadArgument) return invalid(name, error.message, error.code);
    throw error;
  }
}

function decode(name: string, data: XmlElement | undefined): ManagementCommand | InvalidCommand | undefined {
  const {
    createRoom,
    changeRoom,
    deleteRoom,
    roomInfo,
    permissions,
    participants,
    roles,
    creatable,
    categories,
    addIns,
    principals,
    moderate,
  } = managementCommands;
  switch (name) {
    case createRoom:
      return newRoom(data);
    case changeRoom:
      return {
        kind: name,
        room: roomOf(data),
        version: versionOf(data),
        change: changeOf(childNamed(data, "chanib")),
      };
    case deleteRoom:
      return { kind: name, room: roomOf(data), version: versionOf(data) };
    case roomInfo:
    case permissions:
    case participants:
      return { kind: name, room: roomOf(data) };
    case roles:
      return roleQuery(data);
    case creatable:
    case categories:
    case addIns:
      return { kind: name };
    case principals:
      return principalQuery(data);
    case moderate:
      return decodeModeration(data);
    default:
      return undefined;
  }
}

function newRoom(data: XmlElement | undefined): ManagementCommand {
  const room = changeOf(childNamed(data, "chanib"));
  if (room.name === undefined) throw new BadArgument("The room has no name");
  if (room.parent === undefined) throw new BadArgument("The room has no category");
  return { kind: managementCommands.createRoom, room };
}

function roleQuery(data: XmlElement | undefined): ManagementCommand {
  const list = childNamed(data, managementNames.roleList);
  const type = list?.attributes.get(managementNames.roleType);
  const role = type === undefined ? undefined : oneOf(ROLES, type.toUpperCase(), "The role is not known");
  const maxResults = count(list, "maxResults");
  const after = list?.attributes.get(managementNames.after);
  if (after !== undefined && role === undefined) throw new BadArgument("Which list goes on is not said");
  if (after !== undefined && after.length > MAX_URI_LENGTH) throw new BadArgument("The address is too long");
  return { kind: managementCommands.roles, room: roomOf(data), role, maxResults, after };
}

function principalQuery(data: XmlElement | undefined): ManagementCommand {
  const query = childNamed(data, managementNames.principalQuery);
  const criteria = query?.attributes.get("criteria") ?? "";
  if (criteria.length > MAX_CRITERIA_LENGTH) throw new BadArgument("The search text is too long", 413);
  const category = childNamed(data, managementNames.category)?.attributes.get("uri");
  return {
    kind: managementCommands.principals,
    where: category === undefined ? { room: roomOf(data) } : { category: categoryOf(category) },
    criteria,
    presenters: isTrue(query?.attributes.get(managementNames.presenters)),
    maxResults: count(query, "maxResults"),
  };
}

function changeOf(chanib: XmlElement | undefined): WireRoomChange {
  if (!chanib) throw new BadArgument("No room is described");
  const said = (attribute: string) => chanib.attributes.get(attribute);
  const named = (element: "info" | "prop", id: string) =>
    childrenNamed(chanib, element)
      .find((child) => child.attributes.get("id") === id)
      ?.text.trim();
  const parent = said(attributeNames.parent);
  const behavior = said(attributeNames.behavior);
  const visibility = named("info", infoIds.visibility);
  return {
    name: said("name"),
    description: said("description"),
    parent: parent === undefined ? undefined : categoryOf(parent),
    behavior:
      behavior === undefined
        ? undefined
        : oneOf(BEHAVIORS, behavior.toUpperCase(), "The behavior is not known"),
    visibility:
      visibility === undefined
        ? undefined
        : oneOf(VISIBILITIES, visibility.toLowerCase(), "The visibility is not known"),
    invite: switchOf(named("prop", propIds.invite), "invite"),
    addIn: said(managementNames.addInName),
    disabled: switchOf(said(attributeNames.disabled), "disabled"),
    roles: roleChanges(chanib),
  };
}

function roleChanges(chanib: XmlElement): WireRoleChange[] {
  const lists = childrenNamed(chanib, managementNames.roleList).map((list) => {
    const said = (attribute: string) => list.attributes.get(attribute)?.toUpperCase() ?? "";
    return {
      role: oneOf(ROLES, said(managementNames.roleType), "The role is not known"),
      change: oneOf(CHANGES, said(managementNames.roleChange), "The change of the list is not known"),
      uris: childrenNamed(list, "uib").map(uriOf),
    };
  });
  const uris = lists.reduce((sum, list) => sum + list.uris.length, 0);
  if (uris > MAX_PRINCIPALS_PER_COMMAND)
    throw new BadArgument(`More than ${MAX_PRINCIPALS_PER_COMMAND} addresses in one command`, 413);
  return lists;
}

function uriOf(uib: XmlElement): string {
  const uri = uib.attributes.get("uri") ?? "";
  if (uri === "" || uri.length > MAX_URI_LENGTH) throw new BadArgument("An address is missing or too long");
  return uri;
}

function roomOf(data: XmlElement | undefined): RoomRef {
  const chanib = childNamed(data, "chanib");
  const room = chanib && roomOfChanib(chanib);
  if (!room) throw new BadArgument("No room is named");
  return room;
}

function categoryOf(uri: string): CategoryRef {
  const category = parseCategoryUri(uri);
  if (!category) throw new BadArgument("The category is not named properly");
  return category;
}

function versionOf(data: XmlElement | undefined): number | undefined {
  return count(childNamed(data, "chanib"), managementNames.version);
}

function count(element: XmlElement | undefined, attribute: string): number | undefined {
  const value = countOf(element, attribute);
  if (value === "bad") throw new BadArgument(`${attribute} is not a sensible number`);
  return value;
}

/** A switch is on or off: what is neither must not turn anything off. */
function switchOf(value: string | undefined, what: string): boolean | undefined {
  if (value === undefined) return undefined;
  if (isTrue(value)) return true;
  if (value === "0" || value.toLowerCase() === "false") return false;
  throw new BadArgument(`${what} is neither true nor false`);
}

function oneOf<Value>(values: ReadonlyMap<string, Value>, word: string, problem: string): Value {
  const value = values.get(word);
  if (value === undefined) throw new BadArgument(problem);
  return value;
}
