import { canonicalJson, type EventActor, type Json, NO_ROOM } from "../../chat/compliance-event.ts";
import { ARCHIVE_STREAM } from "../../compliance/log/rotation.ts";
import type { Database } from "./database.ts";
import { eventIds } from "./event-ids.ts";

/** What the archive records of itself. */
export interface ArchiveEvent {
  readonly kind: string;
  readonly detail: Json;
  readonly actor: EventActor;
  /** As recorded: where it was done. */
  readonly node: string;
  readonly atMs: number;
}

/** Records an event in the archive's own stream; it is sealed as every other. @returns its id */
export async function recordArchiveEvent(database: Database, event: ArchiveEvent): Promise<string> {
  const { kind, detail, actor, node, atMs } = event;
  const eventId = eventIds(() => atMs)();
  await database.transaction(async (queries) => {
    const { insertId: streamSeq } = await queries.change(
      "UPDATE counter SET value = LAST_INSERT_ID(value + 1) WHERE name = 'archive'",
    );
    const body = canonicalJson({
      actor: { email: actor.email, id: actor.id, name: actor.displayName, uri: actor.uri },
      at: atMs,
      detail,
      eventId,
      kind,
      node,
      room: NO_ROOM,
      session: "",
      stream: ARCHIVE_STREAM,
      streamSeq,
      v: 1,
    });
    await queries.change(
      "INSERT INTO compliance_outbox (event_id, stream, stream_seq, kind, at_ms, room_id, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
      [Buffer.from(eventId, "hex"), ARCHIVE_STREAM, streamSeq, kind, atMs, NO_ROOM.id, body],
    );
  });
  return eventId;
}
