import {
  aibOfUsers,
  chanib,
  fib,
  inv,
  uib,
  type WireInvitation,
  type WireRoom,
  type WireUser,
} from "./blocks.ts";
import { encodeGrpchat, encodeTime, type WireMessage } from "./grpchat.ts";
import { attributeNames, type ResponseName, replyNames, responseCodes } from "./names.ts";
import type { RoomRef } from "./uri.ts";
import { element, escapeText } from "./xml-writer.ts";

export interface Reply {
  /** The command's name, without "cmd:"; the reply's own name is looked up. */
  readonly name: string;
  /** Position of the reply in its own envelope, "1" by default. */
  readonly seqid?: string;
  /** Of the command's envelope, as received. */
  readonly envid: string;
  readonly commandSeqid: string;
  readonly code: number;
  /** Clients show it to the user when the code is not 200. */
  readonly text: string;
  /** Encoded content of `<data>`; "" writes it empty, it is never missing. */
  readonly data?: string;
}

/** `<rpl>`: the answer to one command, found again by `commandid`. */
export function encodeReply(reply: Reply): string {
  const name = replyNames.get(reply.name) ?? reply.name;
  return element(
    "rpl",
    { id: `rpl:${name}`, seqid: reply.seqid ?? "1" },
    element("commandid", { seqid: reply.commandSeqid, envid: reply.envid }) +
      element("resp", { code: reply.code }, escapeText(reply.text)) +
      element("data", {}, reply.data),
  );
}

/** Code and text of a response: `SUCCESS_OK`, or `ERROR_NAME: a sentence for the user`. */
export function response(name: ResponseName, sentence?: string): { code: number; text: string } {
  return { code: responseCodes[name], text: sentence === undefined ? name : `${name}: ${sentence}` };
}

/** A user in a room's list, with his permission mask there. */
export interface WireParticipant extends WireUser {
  readonly mask: number;
}

export interface JoinedRoom extends WireRoom {
  readonly participants?: never; // the count is for searches; here the users are listed
  readonly members: readonly WireParticipant[];
}

export interface JoinData {
  readonly rooms: readonly JoinedRoom[];
  readonly failed: readonly Pick<RoomRef, "domain" | "value">[];
}

/**
 * Data of `rpl:join` and `rpl:bjoin`. Each user stands once in the message under one id, however many rooms he
 * is in, and in one aib of each room: a client shows him twice otherwise. Addresses that differ in case
 * are one user; masks given twice for one room are united.
 */
export function joinData({ rooms, failed }: JoinData): string {
  const ids = new Map<string, number>();
  let users = "";
  const idOf = (user: WireUser): number => {
    const key = user.uri.toLowerCase();
    const known = ids.get(key);
    if (known !== undefined) return known;
    const id = ids.size;
    ids.set(key, id);
    users += uib(user, "", id);
    return id;
  };

  let blocks = "";
  for (const room of rooms) {
    const maskById = new Map<number, number>();
    for (const member of room.members) {
      const id = idOf(member);
      maskById.set(id, (maskById.get(id) ?? 0) | member.mask);
    }
    const idsByMask = new Map<number, number[]>();
    for (const [id, mask] of maskById) {
      const sharing = idsByMask.get(mask);
      if (sharing) sharing.push(id);
      else idsByMask.set(mask, [id]);
    }
    let aibs = "";
    for (const [mask, sharing] of idsByMask) aibs += aibOfUsers(mask, sharing);
    blocks += chanib(room, aibs);
  }
  for (const room of failed) blocks += fib(room);
  return blocks + users;
}

/** Data of `rpl:chansrch` and `rpl:getassociations`: room snapshots in the order to be shown. */
export function roomListData(rooms: readonly WireRoom[]): string {
  return rooms.map((room) => chanib(room)).join("");
}

/** Data of `rpl:part`. A client forgets the room only when it finds the URI it joined. */
export function partData(roomUris: readonly string[]): string {
  return roomUris.map((uri) => chanib({ uri })).join("");
}

/** Bytes of UTF-8. Larger replies keep a client busy and a proxy's buffers full. */
export const MAX_HISTORY_BYTES = 200_000;

/**
 * Data of `rpl:bccontext`: one room, oldest message first. Beyond `maxBytes` the oldest are left out, never the newest one.
 *
 * @param messages oldest first
 * @param bytesOf what an encoded message counts; its UTF-8 bytes unless given
 * @returns the data, and how many of the newest messages are in it
 */
export function historyData(
  roomUri: string,
  messages: readonly WireMessage[],
  maxBytes = MAX_HISTORY_BYTES,
  bytesOf: (encoded: string) => number = Buffer.byteLength,
): { data: string; shown: number } {
  const kept: string[] = [];
  let bytes = 0;
  for (const message of messages.toReversed()) {
    const encoded = encodeGrpchat(message, "msg");
    bytes += bytesOf(encoded);
    if (bytes > maxBytes && kept.length > 0) break;
    kept.push(encoded);
  }
  return { data: chanib({ uri: roomUri }, kept.reverse().join("")), shown: kept.length };
}

/** Data of `rpl:requri`: the URI to invite for the session. */
export function serverUriData(uri: string): string {
  return uib({ uri });
}

export interface ServerInfo {
  readonly serverTimeMs: number;
  /** Rooms in one search reply. */
  readonly searchLimit: number;
  readonly messageSizeLimitBytes: number;
  readonly storySizeLimitBytes: number;
  /** URI of the root category. */
  readonly rootUri: string;
  readonly dbVersion: string;
  readonly displayName?: string | undefined;
  readonly roomManagementUrl?: string | undefined;
}

/** Mask of the six values a server information block was seen with; our block always has all. */
const ALL_SERVER_INFO = 123;

/** Data of the reply to `cmd:getserverinfo`. */
export function serverInfoData(server: ServerInfo): string {
  return element("sib", {
    infoType: ALL_SERVER_INFO,
    serverTime: encodeTime(server.serverTimeMs),
    searchLimit: server.searchLimit,
    messageSizeLimit: server.messageSizeLimitBytes,
    storySizeLimit: server.storySizeLimitBytes,
    rootUri: server.rootUri,
    dbVersion: server.dbVersion,
    [attributeNames.poolDisplayName]: server.displayName,
    [attributeNames.roomManagementUrl]: server.roomManagementUrl,
  });
}

/** Data of `rpl:getinv`: each invitation inside the snapshot of its room. */
export function invitationData(
  invitations: readonly { readonly room: WireRoom; readonly invitation: WireInvitation }[],
): string {
  return invitations.map(({ room, invitation }) => chanib(room, inv(invitation))).join("");
}

export interface WirePreference {
  readonly label: string;
  readonly version: number;
  readonly createDefault?: boolean | undefined;
  /** Base64; left out when the client's copy is current. */
  readonly content?: string | undefined;
}

/** Data of `rpl:getpref` and `rpl:setpref`. */
export function preferenceData(preference: WirePreference): string {
  return element("pref", {
    label: preference.label,
    seqid: preference.version,
    createdefault: preference.createDefault,
    content: preference.content,
  });
}
