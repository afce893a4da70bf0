import type { SearchedCriteria } from "./history-search.ts";
import type { Room } from "./room.ts";

/** Why a participant is no longer in a room. */
export type PartReason =
  | "left"
  | "signed-off"
  | "connection-lost"
  | "session-expired"
  | "expelled"
  | "server-lost";

/** What an administrator, manager or creator did. Each is recorded with what was before and what is after. */
export type AdministrativeKind =
  | "ROOM_CREATED"
  | "ROOM_CHANGED"
  | "ROOM_DELETED"
  | "ROLE_CHANGED"
  | "CATEGORY_CREATED"
  | "CATEGORY_CHANGED"
  | "CATEGORY_DELETED"
  | "ADDIN_CHANGED"
  | "POLICY_CHANGED"
  /** What a user is called and his mail address; null before: he was added. */
  | "USER_CHANGED"
  | "GROUP_CHANGED"
  /** Whether a domain is served; null before: it is from now on, null after: no longer. */
  | "DOMAIN_CHANGED"
  | "SETTING_CHANGED"
  /** Old messages came into a room, all of them in one event: how many, which numbers, and a hash of them. */
  | "ROOM_IMPORTED"
  | "DOMAIN_IMPORTED"
  /** Somebody begins, or carries on, to write what the domain holds into files; recorded before the first of it is read. */
  | "DOMAIN_EXPORT"
  /** All of it is written: how much, and its hash. */
  | "DOMAIN_EXPORTED";

/** A message as it was before it was removed or replaced: its text stands nowhere else any more. */
export interface OldMessage {
  readonly number: number;
  readonly author: string;
  readonly atMs: number;
  readonly text: string;
  readonly rtf: string | null;
}

/** JSON with whole numbers only. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [member: string]: Json };

/** What a node says of itself, in its own stream. Its silence is a fault: no chat and no capture look different. */
export type NodeFact =
  /** Always number 1 of the stream. */
  | { readonly kind: "NODE_START"; readonly incarnation: string }
  /** Every few seconds. `databaseMs`: the database's clock at that moment, beside the node's own. */
  | { readonly kind: "NODE_HEARTBEAT"; readonly dialogs: number; readonly databaseMs: number }
  | {
      readonly kind: "NODE_STOP";
      /** `server-lost`: recorded by whoever took over, or by the next life, after the node had died. */
      readonly reason: "stopped" | "server-lost";
      /** Last number of the stream, this event's own: what is beyond it was never there, what is missing below it is lost. */
      readonly last: number;
      /** When the node last renewed its lease, by the database's clock. */
      readonly lastSeenMs: number;
    };

/** What happened, in the archive's words. More kinds join as the features that cause them do. */
export type ComplianceFact =
  | NodeFact
  /** A dialog was opened: the client was signed in at that moment, from there. */
  | { readonly kind: "LOGIN"; readonly epid: string; readonly source: string; readonly transport: string }
  | {
      readonly kind: "LOGOUT";
      /** `replaced`: the same client came back in another dialog, which goes on with this one's rooms. */
      readonly reason: PartReason | "replaced";
      /** Session of that dialog; null unless replaced. */
      readonly successor: string | null;
    }
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
    }
  | { readonly kind: "MESSAGE_REMOVED"; readonly reason: string; readonly old: OldMessage }
  | {
      readonly kind: "MESSAGE_REPLACED";
      readonly reason: string;
      readonly old: OldMessage;
      readonly text: string;
    }
  | {
      /** A step of clearing a room: its first messages, up to this number. A long clearing has many steps. */
      readonly kind: "ROOM_CLEARED";
      readonly reason: string;
      /** What was asked for: everything before this moment, or simply everything. */
      readonly beforeMs: number | null;
      readonly to: number;
      readonly old: readonly OldMessage[];
    }
  | {
      readonly kind: AdministrativeKind;
      /** Whom or what it concerns besides the room: an address, a category's or an add-in's name; empty for the room itself. */
      readonly subject: string;
      readonly before: Json;
      readonly after: Json;
    }
  | {
      readonly kind: "SEARCH";
      readonly criteria: SearchedCriteria;
      /** Numbers of the messages shown, ascending. */
      readonly shown: readonly number[];
      /** At least so many match; `exceeded`: not all of them are shown. */
      readonly matches: number;
      readonly exceeded: boolean;
    };

/** Stands for the room of an event that concerns no single one. */
export const NO_ROOM = { id: 0, uri: "", name: "" } as const;

/** Who did it. An administrator at the command line and a node are no users: id 0, and an address of another kind. */
export interface EventActor {
  readonly id: number;
  readonly uri: string;
  readonly displayName: string;
  readonly email: string | null;
}

/** A node as the one who did it. */
export function nodeActor(node: string): EventActor {
  return { id: 0, uri: `node:${node}`, displayName: node, email: null };
}

/** One recordable event: who, where, when, what. `user` and `room` are as they were at that moment. */
export interface ComplianceEvent {
  /** 32 hex digits, rising with time. */
  readonly eventId: string;
  /**
   * `room:<id>` for what changes a room; `read:<incarnation>` for what a life of a node records of itself: its start and end, who
   * signed in there, and what was read; `administration` for all else.
   */
  readonly stream: string;
  /** Dense per stream, starting at 1. */
  readonly streamSeq: number;
  readonly atMs: number;
  readonly node: string;
  /** The dialog's token, a digest of it: it tells two endpoints of one user apart and opens nothing. */
  readonly session: string;
  readonly user: EventActor;
  readonly room: Pick<Room, "id" | "uri" | "name">;
  readonly fact: ComplianceFact;
}

/**
 * The canonical body: JSON, UTF-8, keys sorted at every level, no blanks, integers only (after RFC 8785), text exactly
 * as it was posted. Equal events give equal bytes on every machine. The same as `canonicalJson` of these members, which are
 * written in their order here because this is done for every post.
 */
export function canonicalBody(event: ComplianceEvent): string {
  const { user, room, fact } = event;
  return JSON.stringify({
    actor: { email: user.email, id: user.id, name: user.displayName, uri: user.uri },
    at: event.atMs,
    detail: detailOf(fact),
    eventId: event.eventId,
    kind: fact.kind,
    node: event.node,
    room: { id: room.id, name: room.name, uri: room.uri },
    session: event.session,
    stream: event.stream,
    streamSeq: event.streamSeq,
    v: 1,
  });
}

function detailOf(fact: ComplianceFact): Record<string, unknown> {
  switch (fact.kind) {
    case "JOIN":
      return {};
    case "NODE_START":
      return { incarnation: fact.incarnation };
    case "NODE_HEARTBEAT":
      return { databaseMs: fact.databaseMs, dialogs: fact.dialogs };
    case "NODE_STOP":
      return { last: fact.last, lastSeenMs: fact.lastSeenMs, reason: fact.reason };
    case "LOGIN":
      return { epid: fact.epid, source: fact.source, transport: fact.transport };
    case "LOGOUT":
      return { reason: fact.reason, successor: fact.successor };
    case "PART":
      return { reason: fact.reason };
    case "CHAT":
    case "STORY":
      return { alert: fact.alert, number: fact.number, rtf: fact.rtf, text: fact.text };
    case "BACKCHAT":
      return { count: fact.count, from: fact.from, limit: fact.limit, to: fact.to };
    case "SEARCH": {
      const { exceeded, matches, shown } = fact;
      const { authors, backwards, caseSensitive, fromMs, limit, match, start, text, toMs } = fact.criteria;
      const criteria = { authors, backwards, caseSensitive, fromMs, limit, match, start, text, toMs };
      return { criteria, exceeded, matches, shown };
    }
    case "MESSAGE_REMOVED":
      return { old: oldDetail(fact.old), reason: fact.reason };
    case "MESSAGE_REPLACED":
      return { old: oldDetail(fact.old), reason: fact.reason, text: fact.text };
    case "ROOM_CLEARED":
      return { beforeMs: fact.beforeMs, old: fact.old.map(oldDetail), reason: fact.reason, to: fact.to };
    case "ROOM_CREATED":
    case "ROOM_CHANGED":
    case "ROOM_DELETED":
    case "ROLE_CHANGED":
    case "CATEGORY_CREATED":
    case "CATEGORY_CHANGED":
    case "CATEGORY_DELETED":
    case "ADDIN_CHANGED":
    case "POLICY_CHANGED":
    case "USER_CHANGED":
    case "GROUP_CHANGED":
    case "DOMAIN_CHANGED":
    case "SETTING_CHANGED":
    case "ROOM_IMPORTED":
    case "DOMAIN_IMPORTED":
    case "DOMAIN_EXPORT":
    case "DOMAIN_EXPORTED":
      return { after: inKeyOrder(fact.after), before: inKeyOrder(fact.before), subject: fact.subject };
    default:
      return fact satisfies never;
  }
}

function oldDetail({ atMs, author, number, rtf, text }: OldMessage): Record<string, unknown> {
  return { atMs, author, number, rtf, text };
}

/** The same value; written, its keys come in their order. */
function inKeyOrder(value: Json): Json {
  return JSON.parse(canonicalJson(value));
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
