import { canonicalJson, type EventActor, type Json, NO_ROOM } from "../../chat/compliance-event.ts";
import type { Room } from "../../chat/room.ts";
import { ARCHIVE_STREAM } from "../../compliance/log/rotation.ts";
import type { Database, Queries, Value } from "./database.ts";
import { eventIds } from "./event-ids.ts";
import { columns, dbNowMs, idBytes } from "./handover-rows.ts";

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
  return database.transaction((queries) => recordArchiveEventIn(queries, event));
}

/** The same within a transaction, together with what it tells of. */
export async function recordArchiveEventIn(queries: Queries, event: ArchiveEvent): Promise<string> {
  const [eventId = ""] = await recordAt(queries, event, [await nextPlace(queries, ARCHIVE_STREAM)]);
  return eventId;
}

/** The same for what no adapter is given: it goes straight to where the sealer finds it. @param stream one that `counter` counts */
export async function recordForSealer(queries: Queries, event: ArchiveEvent, stream: string): Promise<void> {
  const { rows } = rowsAt(event, [await nextPlace(queries, stream)]);
  await queries.change(
    `INSERT INTO archive_intake (${columns}, arrived_ms) VALUES (${rows[0]?.map(() => "?").join(", ")}, ${dbNowMs})`,
    rows[0] ?? [],
  );
}

/** Whoever takes it holds up the others until he has committed. */
async function nextPlace(queries: Queries, stream: string): Promise<EventPlace> {
  const { insertId: streamSeq } = await queries.change(
    "UPDATE counter SET value = LAST_INSERT_ID(value + 1) WHERE name = ?",
    [stream],
  );
  return { stream, streamSeq, room: NO_ROOM };
}

/** Records the same under several numbers. @returns ids of the events */
export async function recordAt(
  queries: Queries,
  event: ArchiveEvent,
  places: readonly EventPlace[],
): Promise<string[]> {
  const { ids, rows } = rowsAt(event, places);
  if (rows.length > 0) await queries.change(`INSERT INTO compliance_outbox (${columns}) VALUES ?`, [rows]);
  return ids;
}

function rowsAt(
  { kind, detail, actor, node, atMs }: ArchiveEvent,
  places: readonly EventPlace[],
): { readonly ids: string[]; readonly rows: Value[][] } {
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
  return { ids, rows };
}
