import { attributeNames, FAILURE_KEY, infoIds, managementNames, propIds } from "./names.ts";
import type { RoomRef } from "./uri.ts";
import { element, escapeText, type XmlAttributes } from "./xml-writer.ts";

/** A room as replies and notices describe it. What is undefined is not written. */
export interface WireRoom {
  readonly uri: string;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  /** Shown by first-generation clients only. */
  readonly topic?: string | undefined;
  /** URI of the category. */
  readonly parent?: string | undefined;
  readonly behavior?: "NORMAL" | "AUDITORIUM" | undefined;
  readonly disabled?: boolean | undefined;
  readonly visibility?: "private" | "scoped" | "open" | undefined;
  readonly addIn?: { readonly name: string; readonly url: string } | undefined;
  /** See `managementNames.version`. */
  readonly version?: number | undefined;
  /** Users joined now. */
  readonly participants?: number | undefined;
  /** Messages the receiver has not read. */
  readonly unread?: number | undefined;
  readonly props?: RoomProps | undefined;
}

export interface RoomProps {
  readonly filepost?: boolean | undefined;
  readonly invite?: boolean | undefined;
  readonly logged?: boolean | undefined;
}

/** A user as replies and notices describe him. */
export interface WireUser {
  /** SIP address of record. */
  readonly uri: string;
  readonly displayName?: string | undefined;
}

/** Channel information block: attributes, then `inner` (encoded aib, msg, uib, inv), then info and prop. */
export function chanib(room: WireRoom, inner = ""): string {
  let content = inner;
  if (room.participants !== undefined) content += info(infoIds.participantCount, String(room.participants));
  if (room.unread !== undefined) content += info(infoIds.unread, String(room.unread));
  if (room.visibility !== undefined) content += info(infoIds.visibility, room.visibility);
  const props = room.props;
  if (props?.logged !== undefined) content += prop(propIds.logged, props.logged);
  if (props?.filepost !== undefined) content += prop(propIds.filepost, props.filepost);
  if (props?.invite !== undefined) content += prop(propIds.invite, props.invite);
  return element(
    "chanib",
    {
      uri: room.uri,
      name: room.name,
      description: room.description,
      [attributeNames.topic]: room.topic,
      [attributeNames.parent]: room.parent,
      [attributeNames.behavior]: room.behavior,
      [attributeNames.disabled]: room.disabled,
      [managementNames.addInName]: room.addIn?.name,
      [managementNames.addInUrl]: room.addIn?.url,
      [managementNames.version]: room.version,
    },
    content,
  );
}

function info(id: string, text: string): string {
  return element("info", { id }, escapeText(text));
}

function prop(id: string, value: boolean): string {
  return element("prop", { id }, String(value));
}

/** User information block. `id` is local to one message and only in join replies. */
export function uib(user: WireUser, inner = "", id?: number, more: XmlAttributes = {}): string {
  return element(
    "uib",
    { id, uri: user.uri, [attributeNames.displayName]: user.displayName, ...more },
    inner,
  );
}

/** In a join reply, inside a chanib: the users (ids of uibs) who have this permission mask in the room. */
export function aibOfUsers(mask: number, ids: readonly number[]): string {
  return element("aib", { key: mask, value: ids.join(",") });
}

/** In a notice, inside a uib: a room the user has this permission mask in. */
export function aibOfRoom(mask: number, room: Pick<RoomRef, "domain" | "value">): string {
  return element("aib", { key: mask, domain: room.domain, value: room.value });
}

/** Failure information block: stands where the chanib of a room would, had it been joined. */
export function fib(room: Pick<RoomRef, "domain" | "value">): string {
  return element("fib", { key: FAILURE_KEY, value: room.value, domain: room.domain });
}

export interface WireInvitation {
  readonly inviteId: number | bigint;
  readonly domain: string;
  /** ISO 8601 UTC, as `encodeTime` writes it. */
  readonly createdOn: string;
}

/** An invitation, inside the chanib of its room. */
export function inv(invitation: WireInvitation): string {
  return element("inv", {
    inviteId: String(invitation.inviteId),
    domain: invitation.domain,
    [attributeNames.createdOn]: invitation.createdOn,
  });
}
