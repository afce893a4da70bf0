import { createHash } from "node:crypto";
import { type ComplianceFact, canonicalBody } from "../../chat/compliance-event.ts";
import type { Room } from "../../chat/room.ts";
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
  record(writes, `room:${room.id}`, room.lastEvent + room.events, happening, context);
}

/** Adds an event under a number of its stream. */
export function record(
  writes: FlushWrites,
  stream: string,
  streamSeq: number,
  { by, room, fact, atMs }: Happening,
  { nextEventId, node }: FlushContext,
): void {
  const eventId = nextEventId();
  const { id, uri, displayName, email } = by.user;
  const body = canonicalBody({
    eventId,
    stream,
    streamSeq,
    atMs,
    node,
    session: sessionOf(by.token),
    user: { id, uri, displayName, email },
    room: { id: room.id, uri: room.uri, name: room.name },
    fact,
  });
  writes.eventIds.push(eventId);
  writes.events.push(
    `(${bytes(eventId)},${text(stream)},${int(streamSeq)},'${fact.kind}',${int(atMs)},${int(room.id)},${json(body)})`,
  );
}

const MAX_SESSIONS = 50_000;
const sessions = new Map<string, string>();

/** First 16 hex digits of SHA-256 of the token: tells two endpoints of one user apart and opens nothing. */
function sessionOf(token: string): string {
  const known = sessions.get(token);
  if (known) return known;
  if (sessions.size >= MAX_SESSIONS) sessions.clear();
  const session = createHash("sha256").update(token).digest("hex").slice(0, 16);
  sessions.set(token, session);
  return session;
}
