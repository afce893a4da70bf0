import {
  type ComplianceFact,
  canonicalBody,
  type EventActor,
  NO_ROOM,
  type NodeFact,
  nodeActor,
} from "../../chat/compliance-event.ts";
import type { Room } from "../../chat/room.ts";
import { sessionOf } from "../../chat/session-digest.ts";
import type { Recorder } from "../../ports.ts";
import type { FlushContext, FlushWrites, RoomState } from "./flush-state.ts";
import { bytes, int, json, text } from "./sql-values.ts";

/** What is to be recorded of one entry. */
export interface Happening {
  readonly by: Recorder;
  readonly room: Pick<Room, "id" | "uri" | "name">;
  readonly fact: ComplianceFact;
  readonly atMs: number;
}

/** Records under the next number of the room's stream; nothing, and no number, when compliance is off. */
export function recordInRoom(
  writes: FlushWrites,
  room: RoomState,
  happening: Happening,
  context: FlushContext,
): void {
  if (!context.compliance) return;
  room.events += 1;
  record(writes, `room:${room.id}`, room.lastEvent + room.events, bySomebody(happening), context);
}

/** Records what changes no room, under the next number of this life's own stream. */
export function recordHere(
  writes: FlushWrites,
  happening: Omit<Happening, "room"> & Partial<Pick<Happening, "room">>,
  context: FlushContext,
): void {
  recordInOwnStream(writes, bySomebody({ room: NO_ROOM, ...happening }), context);
}

/** As `recordHere`, of the node itself. */
export function recordNode(writes: FlushWrites, fact: NodeFact, context: FlushContext): void {
  const event = { user: nodeActor(context.node), session: "", room: NO_ROOM, fact, atMs: context.nowMs() };
  recordInOwnStream(writes, event, context);
}

/** As it is recorded, but for its place in a stream. */
interface Event {
  readonly user: EventActor;
  readonly session: string;
  readonly room: Pick<Room, "id" | "uri" | "name">;
  readonly fact: ComplianceFact;
  readonly atMs: number;
}

function bySomebody({ by, ...happening }: Happening): Event {
  return { ...happening, user: by.user, session: sessionOf(by.token) };
}

/** Records under the next number of this life's own stream. */
export function recordInOwnStream(writes: FlushWrites, event: Event, context: FlushContext): void {
  if (!context.compliance) return;
  writes.readEvents += 1;
  record(writes, ownStream(context.incarnation), context.readEvents + writes.readEvents, event, context);
}

/** Stream of what a life of a node records of itself. */
export function ownStream(incarnation: string): string {
  return `read:${incarnation}`;
}

/** Adds an event under a number of its stream. */
function record(
  writes: FlushWrites,
  stream: string,
  streamSeq: number,
  { user, session, room, fact, atMs }: Event,
  { nextEventId, node }: FlushContext,
): void {
  const eventId = nextEventId();
  const { id, uri, displayName, email } = user;
  const body = canonicalBody({
    eventId,
    stream,
    streamSeq,
    atMs,
    node,
    session,
    user: { id, uri, displayName, email },
    room: { id: room.id, uri: room.uri, name: room.name },
    fact,
  });
  writes.eventIds.push(eventId);
  writes.events.push(
    `(${bytes(eventId)},${text(stream)},${int(streamSeq)},'${fact.kind}',${int(atMs)},${int(room.id)},${json(body)})`,
  );
}
