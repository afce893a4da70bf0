import { ClientError } from "./client-error.ts";
import type { Reply } from "./pending-commands.ts";
import {
  type Invitation,
  type RoomInfo,
  readFailedRooms,
  readHistory,
  readInvitations,
  readRooms,
} from "./room-data.ts";
import type { ChatCopy } from "./xccos-body.ts";
import { child, escapeXml } from "./xml-reader.ts";

/** How the commands below reach the server. Resolves with all replies to the one command. */
export type SendCommand = (
  name: string,
  dataXml: string,
  complete?: (replies: readonly Reply[]) => boolean,
) => Promise<Reply[]>;

export interface RoomsReply extends Reply {
  readonly rooms: RoomInfo[];
}

export interface BatchJoinReply extends RoomsReply {
  /** Rooms that could not be joined. */
  readonly failed: string[];
}

export interface HistoryReply extends Reply {
  readonly messages: ChatCopy[];
}

export interface InvitationsReply extends Reply {
  readonly invitations: Invitation[];
}

export interface ServerInfoReply extends Reply {
  /** Attributes of `sib`: searchLimit, messageSizeLimit, rootUri, … */
  readonly info: Readonly<Record<string, string>>;
}

export async function getServerInfo(send: SendCommand, domain: string): Promise<ServerInfoReply> {
  const reply = only(await send("getserverinfo", `<sib domain="${escapeXml(domain)}" infoType="123"/>`));
  return { ...reply, info: child(reply.data, "sib")?.attributes ?? {} };
}

export async function getAssociations(
  send: SendCommand,
  domain: string,
  type: "MEMBER" | "MANAGER",
  maxResults: number,
): Promise<RoomsReply> {
  const data = `<association domain="${escapeXml(domain)}" type="${type}" maxResults="${maxResults}"/>`;
  return withRooms(only(await send("getassociations", data)));
}

/** `cmd:chansrch`; empty criteria = every visible room. */
export async function search(send: SendCommand, criteria: string, extended: boolean): Promise<RoomsReply> {
  const data = `<qib qtype="BYNAME" criteria="${escapeXml(criteria)}" extended="${extended}"/>`;
  return withRooms(only(await send("chansrch", data)));
}

export async function join(send: SendCommand, room: string): Promise<RoomsReply> {
  return withRooms(only(await send("join", chanid(room, 0))));
}

/** All rooms in one command. A reply that comes in parts is put together again. */
export async function bjoin(send: SendCommand, rooms: readonly string[]): Promise<BatchJoinReply> {
  const settled = (reply: Reply) => readRooms(reply.data).length + readFailedRooms(reply.data).length;
  const replies = await send("bjoin", rooms.map(chanid).join(""), (parts) => {
    const total = parts.reduce((sum, part) => sum + settled(part), 0);
    return total >= rooms.length || parts.some((part) => part.code !== 200);
  });
  return {
    ...only(replies),
    rooms: replies.flatMap((reply) => readRooms(reply.data)),
    failed: replies.flatMap((reply) => readFailedRooms(reply.data)),
  };
}

export async function part(send: SendCommand, room: string): Promise<RoomsReply> {
  return withRooms(only(await send("part", `<chanib uri="${escapeXml(room)}"/>`)));
}

/** `cmd:bccontext`: the last `count` messages, oldest first. */
export async function history(send: SendCommand, room: string, count: number): Promise<HistoryReply> {
  const data = `<chanib uri="${escapeXml(room)}"/><bcq><last cnt="${count}"/></bcq>`;
  const reply = only(await send("bccontext", data));
  return { ...reply, messages: readHistory(reply.data) };
}

/** Invitations with an id greater than `after`. */
export async function getInvitations(
  send: SendCommand,
  domain: string,
  after: number,
): Promise<InvitationsReply> {
  const reply = only(await send("getinv", `<inv inviteId="${after}" domain="${escapeXml(domain)}"/>`));
  return { ...reply, invitations: readInvitations(reply.data) };
}

function withRooms(reply: Reply): RoomsReply {
  return { ...reply, rooms: readRooms(reply.data) };
}

function only(replies: readonly Reply[]): Reply {
  const first = replies[0];
  if (!first) throw new ClientError("state", "command settled without a reply");
  return first;
}

/** join and bjoin name a room by the two halves of its URI. @throws ClientError kind "syntax" */
function chanid(room: string, key: number): string {
  const match = /^ma-chan:\/\/([^/]*)\/(.*)$/s.exec(room);
  if (!match) throw new ClientError("syntax", "not a ma-chan:// room URI");
  const [, domain = "", value = ""] = match;
  return `<chanid key="${key}" domain="${escapeXml(domain)}" value="${escapeXml(value)}"/>`;
}
