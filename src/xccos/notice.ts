import { aibOfRoom, chanib, inv, uib, type WireInvitation, type WireRoom, type WireUser } from "./blocks.ts";
import { encodeGrpchat, type FeedMessage, type WireMessage } from "./grpchat.ts";
import { attributeNames, moderationNames, noticeNames } from "./names.ts";
import type { RoomRef } from "./uri.ts";
import { element } from "./xml-writer.ts";

/** A user and the rooms a notice says something about, with his permission mask in each. */
export interface UserInRooms extends WireUser {
  readonly rooms: readonly (Pick<RoomRef, "domain" | "value"> & { readonly mask: number })[];
}

/** A room and the users who left it. */
export interface RoomLeft {
  readonly roomUri: string;
  readonly users: readonly WireUser[];
}

function notice(name: string, data: string): string {
  return element("ntc", { id: `ntc:${name}`, seqid: "1" }, element("data", {}, data));
}

function usersInRooms(users: readonly UserInRooms[]): string {
  return users
    .map(({ rooms, ...user }) => uib(user, rooms.map((room) => aibOfRoom(room.mask, room)).join("")))
    .join("");
}

/**
 * Users entered rooms. For a joining user's first endpoint only, and only with rooms the receiver is in.
 *
 * @param name "bjoin" when the users came by a batch join
 */
export function encodeJoinNotice(users: readonly UserInRooms[], name: "join" | "bjoin" = "join"): string {
  return notice(name === "join" ? noticeNames.join : noticeNames.batchJoin, usersInRooms(users));
}

/** Users left rooms, by whatever way: clients know no other notice of it. The nesting is the reverse of join's. */
export function encodePartNotice(rooms: readonly RoomLeft[]): string {
  const blocks = rooms.map(({ roomUri, users }) =>
    chanib({ uri: roomUri }, users.map((user) => uib(user)).join("")),
  );
  return notice(noticeNames.part, blocks.join(""));
}

/** The receiver became a member of a room that invites: an entry as in the reply to `cmd:getinv`. */
export function encodeInviteNotice(room: WireRoom, invitation: WireInvitation): string {
  return notice(noticeNames.invite, chanib(room, inv(invitation)));
}

/** A room's properties changed; `room` holds the new values. */
export function encodeRoomModifiedNotice(room: WireRoom): string {
  return notice(noticeNames.roomModified, chanib(room));
}

/** Users' permission masks changed. */
export function encodePermissionNotice(users: readonly UserInRooms[]): string {
  return notice(noticeNames.permissionModified, usersInRooms(users));
}

/**
 * A message fits filters of the receiver, in a room he follows. Without its text: whoever is not in the room fetches it as history,
 * and that is recorded.
 */
export function encodeFeedNotice(
  room: WireRoom,
  message: Pick<FeedMessage, "author" | "chatId" | "ts">,
  filters: readonly { readonly instance: number; readonly name: string }[],
): string {
  const { author, chatId, ts } = message;
  const matches = filters.map(({ instance, name }) =>
    element(noticeNames.filterMatch, { instance, name, [attributeNames.chatId]: chatId, author, ts }),
  );
  return notice(noticeNames.filterMatch, chanib(room, matches.join("")));
}

/** Messages of a room are gone, or have another text: those as a history shows them. */
export function encodeMessagesModifiedNotice(
  room: Pick<WireRoom, "uri" | "name">,
  removed: readonly { readonly from: number; readonly to: number }[],
  replaced: readonly WireMessage[],
): string {
  const { from, to } = moderationNames;
  const gone = removed.map((span) => element(moderationNames.removed, { [from]: span.from, [to]: span.to }));
  const content = [...gone, ...replaced.map((message) => encodeGrpchat(message, "msg"))].join("");
  return notice(noticeNames.messagesModified, chanib(room, content));
}

/** The receiver is no longer in the room: his membership ended. */
export function encodeKickNotice(roomUri: string, user: WireUser): string {
  return notice(noticeNames.kick, chanib({ uri: roomUri }, uib(user)));
}
