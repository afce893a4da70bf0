import { type ComplianceFact, canonicalBody, type EventActor, NO_ROOM } from "../../chat/compliance-event.ts";
import type { Room } from "../../chat/room.ts";
import type { Queries, Value } from "./database.ts";
import { chunks } from "./management-rows.ts";
import { lockedChunksOf } from "./membership-rows.ts";

/** The stream of what concerns no single room. */
export const ADMINISTRATION_STREAM = "administration";

export interface RecordsContext {
  /** Off: nothing is recorded and no stream counts. */
  readonly compliance: boolean;
  readonly node: string;
  readonly nowMs: () => number;
  readonly nextEventId: () => string;
}

/** What happened, and where. */
export interface Recorded {
  readonly room: Pick<Room, "id" | "uri" | "name">;
  readonly fact: ComplianceFact;
}

interface Waiting extends Recorded {
  readonly by: EventActor;
  readonly session: string;
}

/** What a transaction of the administration records; written at its end, in the order in which it was said. */
export class ManagementRecords {
  readonly #context: RecordsContext;
  readonly #waiting: Waiting[] = [];
  /** Last recorded event of rooms that are locked. */
  readonly #lastEvents = new Map<number, number>();

  constructor(context: RecordsContext) {
    this.#context = context;
  }

  /** Under the room's lock. */
  locked(roomId: number, lastEvent: number): void {
    this.#lastEvents.set(roomId, lastEvent);
  }

  add(waiting: Waiting): void {
    this.#waiting.push(waiting);
  }

  /** All that was said, whether it is written or not. */
  get all(): readonly Recorded[] {
    return this.#waiting;
  }

  /** Nothing is numbered before: a room of the list must be locked, or just made. @returns ids of the events */
  async write(queries: Queries): Promise<string[]> {
    if (!this.#context.compliance || this.#waiting.length === 0) return [];
    const { nowMs, nextEventId, node } = this.#context;
    const counted = new Map<number, number>();
    for (const { room } of this.#waiting) counted.set(room.id, (counted.get(room.id) ?? 0) + 1);
    const next = await this.#reserve(queries, counted);
    const atMs = nowMs();
    const eventIds: string[] = [];
    const rows = this.#waiting.map(({ by, session, room, fact }): Value[] => {
      const eventId = nextEventId();
      const streamSeq = next.get(room.id) ?? 1;
      next.set(room.id, streamSeq + 1);
      const stream = room.id === NO_ROOM.id ? ADMINISTRATION_STREAM : `room:${room.id}`;
      const { id, uri, name } = room;
      const event = {
        eventId,
        stream,
        streamSeq,
        atMs,
        node,
        session,
        user: by,
        room: { id, uri, name },
        fact,
      };
      eventIds.push(eventId);
      return [Buffer.from(eventId, "hex"), stream, streamSeq, fact.kind, atMs, room.id, canonicalBody(event)];
    });
    for (const chunk of chunks(rows))
      await queries.change(
        "INSERT INTO compliance_outbox (event_id, stream, stream_seq, kind, at_ms, room_id, body) VALUES ?",
        [chunk],
      );
    return eventIds;
  }

  /** @returns the first of so many numbers of each stream */
  async #reserve(queries: Queries, counted: ReadonlyMap<number, number>): Promise<Map<number, number>> {
    const first = new Map<number, number>();
    const byCount = new Map<number, number[]>();
    for (const [roomId, count] of counted) {
      if (roomId === NO_ROOM.id) {
        const { insertId } = await queries.change(
          "UPDATE counter SET value = LAST_INSERT_ID(value + ?) WHERE name = 'administration'",
          [count],
        );
        first.set(roomId, insertId - count + 1);
        continue;
      }
      const last = this.#lastEvents.get(roomId);
      if (last === undefined) throw new Error("a room whose change is recorded must be locked");
      first.set(roomId, last + 1);
      const rooms = byCount.get(count);
      if (rooms) rooms.push(roomId);
      else byCount.set(count, [roomId]);
    }
    // Mostly one of each: a group that goes may stand in the lists of thousands of rooms.
    for (const [count, roomIds] of byCount)
      for (const chunk of lockedChunksOf(roomIds))
        await queries.change("UPDATE room SET last_event = last_event + ? WHERE id IN (?)", [count, chunk]);
    return first;
  }
}
