import type { Room } from "./room.ts";
import type { User } from "./user.ts";

/** Why a participant is no longer in a room. */
export type PartReason =
  | "left"
  | "signed-off"
  | "connection-lost"
  | "session-expired"
  | "expelled"
  | "server-lost";

/** What happened, in the archive's words. More kinds join as the features that cause them do. */
export type ComplianceFact =
  | { readonly kind: "JOIN" }
  | { readonly kind: "PART"; readonly reason: PartReason }
  | {
      readonly kind: "CHAT" | "STORY";
      readonly number: number;
      readonly alert: boolean;
      readonly text: string;
      readonly rtf: string | null;
    }
  | {
      readonly kind: "BACKCHAT";
      readonly from: number;
      readonly to: number;
      readonly count: number;
      readonly limit: number;
    };

/** One recordable event: who, where, when, what. `user` and `room` are as they were at that moment. */
export interface ComplianceEvent {
  /** 32 hex digits, rising with time. */
  readonly eventId: string;
  /** `room:<id>` for what changes a room, `read:<incarnation>` for what was read from it. */
  readonly stream: string;
  /** Dense per stream, starting at 1. */
  readonly streamSeq: number;
  readonly atMs: number;
  readonly node: string;
  /** The dialog's token, a digest of it: it tells two endpoints of one user apart and opens nothing. */
  readonly session: string;
  readonly user: Pick<User, "id" | "uri" | "displayName" | "email">;
  readonly room: Pick<Room, "id" | "uri" | "name">;
  readonly fact: ComplianceFact;
}

/**
 * The canonical body: JSON, UTF-8, keys sorted at every level, no blanks, integers only (after RFC 8785), text exactly
 * as it was posted. Equal events give equal bytes on every machine.
 */
export function canonicalBody(event: ComplianceEvent): string {
  const { kind, ...detail } = event.fact;
  return canonicalJson({
    v: 1,
    eventId: event.eventId,
    stream: event.stream,
    streamSeq: event.streamSeq,
    kind,
    at: event.atMs,
    node: event.node,
    session: event.session,
    room: { id: event.room.id, uri: event.room.uri, name: event.room.name },
    actor: { id: event.user.id, uri: event.user.uri, name: event.user.displayName, email: event.user.email },
    detail,
  });
}

/** JSON with sorted keys and no blanks. Lone surrogates are written as escapes, as JSON.stringify does. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}
