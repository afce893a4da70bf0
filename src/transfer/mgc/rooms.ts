import {
  addInProblem,
  descriptionProblem,
  MAX_DESCRIPTION,
  MAX_NAME,
  nameProblem,
} from "../../chat/limits.ts";
import type { CategoryLine, RoomLine } from "../format.ts";
import { TransferError } from "../transfer-error.ts";
import type { Collected, MgcNode } from "./collected.ts";
import type { Mapping, Note, People } from "./people.ts";
import { AUDITORIUM, NORMAL, VISIBILITY } from "./schema.ts";

export interface Rooms {
  readonly categories: readonly CategoryLine[];
  readonly rooms: readonly RoomLine[];
  /** Addresses of rooms, by their number. */
  readonly uris: ReadonlyMap<number, string>;
}

type CategoryOnly = Extract<CategoryLine, { type: "category" }>;
type Lists<Line> = { -readonly [Name in keyof Line]: Line[Name] };

/** Categories and rooms with their lists, as they are here. @throws {TransferError} when it cannot be told what roles are */
export function roomsOf(collected: Collected, { uris: people }: People, mapping: Mapping): Rooms {
  const { note, served } = mapping;
  const { nodes, addIns } = collected;
  const names = new Set<string>();
  const categories = new Map<number, Lists<CategoryOnly>>();
  const rooms = new Map<number, Lists<RoomLine>>();
  const root = [...nodes.values()].find(({ id, parent }) => parent === id || parent === null);
  const inOrder = [...nodes.values()].sort((a, b) => (a.guid < b.guid ? -1 : 1));
  const hasRooms = new Set(inOrder.filter(({ isCategory }) => !isCategory).map(({ parent }) => parent));
  for (const node of inOrder) {
    if (!node.isCategory || (node === root && !hasRooms.has(node.id))) continue;
    if (node === root)
      note(`${node.where}: rooms hang under the root itself: it becomes the category "${node.name}"`);
    else if (node.parent !== root?.id)
      note(
        `${node.where}: the category "${node.name}" is in another one: it stands beside it here, with the scope it has itself`,
      );
    categories.set(node.id, categoryLine(node, names, note));
  }
  const known = new Map<string, string>();
  const lines: CategoryLine[] = [];
  for (const [guid, { name, url, where }] of [...addIns].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const problem = addInProblem({ name, url });
    if (problem) note(`${where}: the add-in "${name}" is left out: ${problem}`);
    else {
      known.set(guid, name);
      lines.push({ type: "addIn", name, url });
    }
  }
  for (const node of inOrder) {
    if (node.isCategory) continue;
    const category = categories.get(node.parent ?? 0);
    if (!category) {
      note(
        `${node.where}: the room "${node.name}" is left out, with its messages: it hangs under no category`,
      );
      continue;
    }
    rooms.set(node.id, roomLine(node, category, known, names, served, note));
  }
  addScopes(collected, categories, people, note);
  addRoles(collected, categories, rooms, people, note);
  for (const category of categories.values()) sortLists(category, ["allowed", "denied", "creators"]);
  for (const room of rooms.values()) sortLists(room, ["members", "managers", "presenters"]);
  return {
    categories: [...lines, ...categories.values()],
    rooms: [...rooms.values()],
    uris: new Map([...rooms].map(([id, { uri }]) => [id, uri])),
  };
}

function categoryLine(node: MgcNode, names: Set<string>, note: Note): Lists<CategoryOnly> {
  return {
    type: "category",
    guid: node.guid,
    name: nameOf(node, names, note),
    description: descriptionOf(node, note),
    invitations: node.invite ?? false,
    fileUpload: node.filePost ?? false,
    chatHistory: node.logged ?? true,
    reading: "strict",
    allowed: [],
    denied: [],
    creators: [],
  };
}

function roomLine(
  node: MgcNode,
  category: CategoryOnly,
  addIns: ReadonlyMap<string, string>,
  names: Set<string>,
  served: string,
  note: Note,
): Lists<RoomLine> {
  const name = nameOf(node, names, note);
  const privacy = VISIBILITY[node.visibility ?? 0];
  if (privacy === undefined)
    note(
      `${node.where}: visibility ${node.visibility} of the room "${name}" is not known: it is secret here`,
    );
  if (node.behavior !== NORMAL && node.behavior !== AUDITORIUM)
    note(
      `${node.where}: behavior ${node.behavior} of the room "${name}" is not known: it is an auditorium here`,
    );
  const addIn = node.addIn === null ? null : (addIns.get(node.addIn) ?? null);
  if (node.addIn !== null && addIn === null)
    note(`${node.where}: the room "${name}" has no add-in here: ${node.addIn} is not known`);
  return {
    type: "room",
    uri: `ma-chan://${served}/${node.guid}`,
    name,
    description: descriptionOf(node, note),
    category: { guid: category.guid, name: category.name },
    privacy: privacy ?? "secret",
    auditorium: node.behavior !== NORMAL,
    invitations: node.invite !== false,
    addIn,
    disabled: node.disabled,
    createdMs: node.addedMs ?? 0,
    withHistory: true,
    members: [],
    managers: [],
    presenters: [],
  };
}

/** Names are compared as the database does, about: without case and accents. */
function nameOf({ id, name, isCategory, where }: MgcNode, names: Set<string>, note: Note): string {
  let good = name.replace(/[\p{Cc}\ufffe\uffff]/gu, " ").trim();
  if (nameProblem(good))
    good = [...good].slice(0, MAX_NAME).join("").trim() || `${isCategory ? "Category" : "Room"} ${id}`;
  const base = [...good].slice(0, MAX_NAME - 6).join("");
  for (let number = 2; names.has(folded(good)); number++) good = `${base} (${number})`;
  names.add(folded(good));
  if (good !== name) note(`${where}: "${name}" is called "${good}" here`);
  return good;
}

function folded(name: string): string {
  return name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trimEnd();
}

function descriptionOf({ description, where }: MgcNode, note: Note): string {
  if (descriptionProblem(description) === undefined) return description;
  const good = description.replace(/(?![\t\r\n])[\p{Cc}\ufffe\uffff]/gu, " ");
  note(`${where}: the description is not taken over as it stands: it is too long, or has control characters`);
  return [...good].slice(0, MAX_DESCRIPTION).join("");
}

function addScopes(
  { scopes, nodes }: Collected,
  categories: ReadonlyMap<number, Lists<CategoryOnly>>,
  people: ReadonlyMap<number, string>,
  note: Note,
): void {
  for (const { node, principal, denied, where } of scopes) {
    const category = categories.get(node);
    const uri = people.get(principal);
    if (!category)
      note(
        `${where}: a scope of ${nodes.has(node) ? `"${nodes.get(node)?.name}", which is no category here` : `node ${node}, which is not there`}: left out`,
      );
    else if (uri === undefined)
      note(`${where}: principal ${principal} is not taken over: left out of the scope of "${category.name}"`);
    else (denied ? category.denied : category.allowed).push(uri);
  }
}

function addRoles(
  { roles, roleTypes, nodes }: Collected,
  categories: ReadonlyMap<number, Lists<CategoryOnly>>,
  rooms: ReadonlyMap<number, Lists<RoomLine>>,
  people: ReadonlyMap<number, string>,
  note: Note,
): void {
  if (roles.length > 0 && roleTypes.size === 0)
    throw new TransferError(
      "tblRoleType is missing: it says what the numbers in prinRoleTypeID of tblPrincipalRole mean",
    );
  for (const { node, principal, type, where } of roles) {
    const role = roleTypes.get(type);
    if (role === undefined) throw new TransferError(`${where}: prinRoleTypeID ${type} is not in tblRoleType`);
    const [category, room, uri] = [categories.get(node), rooms.get(node), people.get(principal)];
    const name = nodes.get(node)?.name ?? `node ${node}`;
    if (uri === undefined)
      note(`${where}: principal ${principal} is not taken over: left out as ${role} of "${name}"`);
    else if (category && role === "creator") category.creators.push(uri);
    else if (room && role === "member") room.members.push(uri);
    else if (room && role === "manager") room.managers.push(uri);
    else if (room && role === "presenter") room.presenters.push(uri);
    else note(`${where}: ${uri} as ${role} of "${name}" has no place here: left out`);
  }
}

function sortLists<Line, Name extends keyof Line>(line: Line, names: readonly Name[]): void {
  for (const name of names) {
    const list = line[name] as string[]; // lists of addresses, by the callers
    const unique = [...new Set(list)].sort();
    list.splice(0, list.length, ...unique);
  }
}
