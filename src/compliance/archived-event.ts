import type { HandoverRow } from "./ports.ts";

/** An event as a format sees it: decoded from its canonical body; `kind` may be newer than the format. */
export interface ArchivedEvent {
  readonly eventId: string;
  readonly stream: string;
  readonly streamSeq: number;
  readonly kind: string;
  readonly atMs: number;
  readonly room: { readonly id: number; readonly uri: string; readonly name: string };
  readonly actor: {
    readonly id: number;
    readonly uri: string;
    readonly name: string;
    readonly email: string | null;
  };
  readonly detail: Readonly<Record<string, unknown>>;
  /** The canonical body itself. */
  readonly body: string;
}

/** The row is no event of ours. The message names the field, never its value. */
export class InvalidEvent extends Error {
  constructor(field: string) {
    super(`not a compliance event: ${field}`);
    this.name = "InvalidEvent";
  }
}

/** @throws InvalidEvent */
export function decodeEvent({ eventId, body }: HandoverRow): ArchivedEvent {
  const text = body.toString("utf8");
  const value = readObject(parse(text), "body");
  if (value.v !== 1) throw new InvalidEvent("v");
  if (value.eventId !== eventId) throw new InvalidEvent("eventId");
  const room = readObject(value.room, "room");
  const actor = readObject(value.actor, "actor");
  if (actor.email !== null && typeof actor.email !== "string") throw new InvalidEvent("actor.email");
  return {
    eventId,
    stream: readText(value.stream, "stream"),
    streamSeq: readInteger(value.streamSeq, "streamSeq"),
    kind: readText(value.kind, "kind"),
    atMs: readInteger(value.at, "at"),
    room: {
      id: readInteger(room.id, "room.id"),
      uri: readText(room.uri, "room.uri"),
      name: readText(room.name, "room.name"),
    },
    actor: {
      id: readInteger(actor.id, "actor.id"),
      uri: readText(actor.uri, "actor.uri"),
      name: readText(actor.name, "actor.name"),
      email: actor.email,
    },
    detail: readObject(value.detail, "detail"),
    body: text,
  };
}

/** A whole number of the event's detail. @throws InvalidEvent */
export function detailInteger(event: ArchivedEvent, name: string): number {
  return readInteger(event.detail[name], `detail.${name}`);
}

/** A text of the event's detail. @throws InvalidEvent */
export function detailText(event: ArchivedEvent, name: string): string {
  return readText(event.detail[name], `detail.${name}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidEvent("body");
  }
}

function readObject(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new InvalidEvent(field);
  return { ...value };
}

function readText(value: unknown, field: string): string {
  if (typeof value !== "string") throw new InvalidEvent(field);
  return value;
}

function readInteger(value: unknown, field: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw new InvalidEvent(field);
  return value;
}
