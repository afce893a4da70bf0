import { type ChatCopy, readChat } from "./xccos-body.ts";
import { attribute, children, type XmlElement } from "./xml-reader.ts";

/** A room as replies describe it. */
export interface RoomInfo {
  /** "ma-chan://…" */
  readonly uri: string;
  readonly name: string;
  readonly description: string;
  /** "private", "scoped", "open", or "" when not said. */
  readonly visibility: string;
  /** Number of joined users; undefined when not said. */
  readonly userCount: number | undefined;
  /** Messages this user has not read; undefined when not said. */
  readonly unread: number | undefined;
  readonly participants: readonly Participant[];
  /** Every attribute of the block, for what has no field here. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Text of the `prop` and `info` children by the last part of their id ("logged", "ucnt", …). */
  readonly properties: Readonly<Record<string, string>>;
}

export interface Participant {
  readonly address: string;
  readonly name: string;
  /** Permission mask (`aib@key`). */
  readonly permissions: number;
}

export interface Invitation {
  readonly inviteId: number;
  readonly room: RoomInfo;
  readonly createdOn: string;
}

/** Every `chanib` of a reply. Users stand beside the rooms and are named by id in the rooms' `aib`. */
export function readRooms(data: XmlElement): RoomInfo[] {
  const users = new Map(children(data, "uib").map((user) => [attribute(user, "id"), user]));
  return children(data, "chanib").map((block) => readRoom(block, users));
}

function readRoom(block: XmlElement, users: ReadonlyMap<string, XmlElement>): RoomInfo {
  const properties: Record<string, string> = {};
  for (const item of block.children) {
    if (item.name !== "info" && item.name !== "prop") continue;
    properties[attribute(item, "id").replace(/^.*:/, "")] = item.text;
  }
  const participants: Participant[] = [];
  for (const aib of children(block, "aib")) {
    for (const id of attribute(aib, "value").split(",")) {
      const user = users.get(id);
      if (!user) continue;
      participants.push({
        address: attribute(user, "uri"),
        name: attribute(user, "disname"),
        permissions: Number(attribute(aib, "key")),
      });
    }
  }
  return {
    uri: attribute(block, "uri"),
    name: attribute(block, "name"),
    description: attribute(block, "description"),
    // The wire spells it without the second i.
    visibility: properties.visibilty ?? "",
    userCount: properties.ucnt === undefined ? undefined : Number(properties.ucnt),
    unread: properties.unread === undefined ? undefined : Number(properties.unread),
    participants,
    attributes: block.attributes,
    properties,
  };
}

/** Rooms a bjoin could not enter, as "ma-chan://…". */
export function readFailedRooms(data: XmlElement): string[] {
  return children(data, "fib").map(
    (fib) => `ma-chan://${attribute(fib, "domain")}/${attribute(fib, "value")}`,
  );
}

/** Messages of the history reply in document order (oldest first). */
export function readHistory(data: XmlElement): ChatCopy[] {
  return children(data, "chanib").flatMap((block) => children(block, "msg").map(readChat));
}

export function readInvitations(data: XmlElement): Invitation[] {
  return children(data, "chanib").flatMap((block) =>
    children(block, "inv").map((inv) => ({
      inviteId: Number(attribute(inv, "inviteId")),
      room: readRoom(block, new Map()),
      createdOn: attribute(inv, "createdOn"),
    })),
  );
}
