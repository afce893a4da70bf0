import { canonicalJson, type EventActor, type Json, NO_ROOM } from "../../chat/compliance-event.ts";
import type { Room } from "../../chat/room.ts";
import { ARCHIVE_STREAM } from "../../compliance/log/rotation.ts";
import type { Database, Queries, Value } from "./database.ts";
import { eventIds } from "./event-ids.ts";
import { columns, idBytes } from "./handover-rows.ts";

/** What the archive records of itself. */
export interface ArchiveEvent {
  readonly kind: string;
  readonly detail: Json;
  readonly actor: EventActor;
  /** As recorded: where it was done. */
  readonly node: string;
  readonly atMs: number;
}

/** Where an event stands in the record. */
export interface EventPlace {
  readonly stream: string;
  readonly streamSeq: number;
  readonly room: Pick<Room, "id" | "uri" | "name">;
}

/** Records an event in the archive's own stream; it is sealed as every other. @returns its id */
export async function recordArchiveEvent(database: Database, event: ArchiveEvent): Promise<string> {
  return database.transaction(async (queries) => {
    const { insertId: streamSeq } = await queries.change(
      "UPDATE counter SET value = LAST_INSERT_ID(value + 1) WHERE name = 'archive'",
    );
    const [eventId = ""] = await recordAt(queries, event, [
      { stream: ARCHIVE_STREAM, streamSeq, room: NO_ROOM },
    ]);
    return eventId;
  });
}

/** Records the same under several numbers. @returns ids of the events */
export async function recordAt(
  queries: Queries,
  { kind, detail, actor, node, atMs }: ArchiveEvent,
  places: readonly EventPlace[],
): Promise<string[]> {
  const nextId = eventIds(() => atMs);
  const ids: string[] = [];
  const rows = places.map(({ stream, streamSeq, room }): Value[] => {
    const eventId = nextId();
    ids.push(eventId);
    const body = canonicalJson({
      actor: { email: actor.email, id: actor.id, name: actor.displayName, uri: actor.uri },
      at: atMs,
      detail,
      eventId,
      kind,
      node,
      room: { id: room.id, name: room.name, uri: room.uri },
      session: "",
      stream,
      streamSeq,
      v: 1,
    });
    return [idBytes(eventId), stream, streamSeq, kind, atMs, room.id, body];
  });
  if (rows.length > 0) await queries.change(`INSERT INTO compliance_outbox (${columns}) VALUES ?`, [rows]);
  return ids;
}
