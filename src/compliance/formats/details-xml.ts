import { timeAttributes } from "./lync-time.ts";
import { attributeText } from "./xml-text.ts";

/** What a room's record does not say of it, as it is when the file is written. */
export interface RoomDetails {
  readonly id: number;
  readonly uri: string;
  readonly name: string;
  readonly description: string;
  readonly category: string;
  readonly privacy: string;
  readonly type: string;
  readonly disabled: boolean;
  readonly addIn: string | null;
  readonly createdMs: number;
}

export interface UserDetails {
  readonly id: number;
  readonly uri: string;
  readonly name: string;
  readonly email: string | null;
  readonly administrator: boolean;
  /** Groups that he is in directly. */
  readonly groups: readonly { readonly uri: string; readonly name: string }[];
}

/** Of our own, so that nobody takes it for Lync's. */
export const DETAILS_NAMESPACE = "urn:parlance:compliance-details:1";

/** A file beside the parts. Null for what was not asked for. */
export function detailsXml(
  rooms: readonly RoomDetails[] | null,
  users: readonly UserDetails[] | null,
): Buffer {
  const lines = ['<?xml version="1.0" encoding="utf-8"?>', `<Details xmlns="${DETAILS_NAMESPACE}">`];
  for (const { createdMs, ...room } of rooms ?? [])
    lines.push(
      ` <ChatRoom${attributes(room)}>`,
      `  <CreatedUTC ${timeAttributes(createdMs)}/>`,
      " </ChatRoom>",
    );
  for (const { groups, ...user } of users ?? [])
    lines.push(
      ` <User${attributes(user)}>`,
      ...groups.map((group) => `  <Group${attributes(group)}/>`),
      " </User>",
    );
  lines.push("</Details>", "");
  return Buffer.from(lines.join("\n"), "utf8");
}

function attributes(of: Readonly<Record<string, string | number | boolean | null>>): string {
  return Object.entries(of)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => ` ${name}="${attributeText(String(value)).xml}"`)
    .join("");
}
