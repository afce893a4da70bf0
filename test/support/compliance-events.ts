import { type ComplianceEvent, type ComplianceFact, canonicalBody } from "../../src/chat/compliance-event.ts";
import type { Aor } from "../../src/chat/user.ts";
import type { Database } from "../../src/store/mysql/database.ts";
import { eventIds } from "../../src/store/mysql/event-ids.ts";

/** A seeded sequence of numbers in [0, 1): the same seed gives the same test (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface EventPlan {
  readonly roomId?: number;
  readonly userId?: number;
  readonly atMs?: number;
  readonly name?: string;
  readonly roomName?: string;
  readonly fact?: ComplianceFact;
  readonly stream?: string;
  readonly streamSeq?: number;
}

/** Makes events as the chat's journal does: ids rising, stream numbers dense. One maker per test. */
export function eventMaker(tag: string): (plan?: EventPlan) => ComplianceEvent {
  const nextId = eventIds(() => Date.now());
  const sequences = new Map<string, number>();
  return (plan = {}) => {
    const roomId = plan.roomId ?? 1;
    const userId = plan.userId ?? 17;
    const stream = plan.stream ?? `room:${tag}${roomId}`;
    const streamSeq = plan.streamSeq ?? (sequences.get(stream) ?? 0) + 1;
    sequences.set(stream, streamSeq);
    return {
      eventId: nextId(),
      stream,
      streamSeq,
      atMs: plan.atMs ?? Date.now(),
      node: "n1-1",
      session: "0123456789abcdef",
      user: {
        id: userId,
        uri: `sip:user${userId}@example.com` as Aor, // lower case and without parameters, as an Aor is
        displayName: plan.name ?? `User ${userId}`,
        email: `user${userId}@example.com`,
      },
      room: {
        id: roomId,
        uri: `ma-chan://example.com/room-${roomId}`,
        name: plan.roomName ?? `Room ${roomId}`,
      },
      fact: plan.fact ?? {
        kind: "CHAT",
        number: streamSeq,
        alert: false,
        text: `message ${streamSeq}`,
        rtf: null,
      },
    };
  };
}

/** Writes the rows as the chat's transaction does. */
export async function insertOutbox(database: Database, events: readonly ComplianceEvent[]): Promise<void> {
  for (let start = 0; start < events.length; start += 500) {
    const rows = events
      .slice(start, start + 500)
      .map((event) => [
        Buffer.from(event.eventId, "hex"),
        event.stream,
        event.streamSeq,
        event.fact.kind,
        event.atMs,
        event.room.id,
        Buffer.from(canonicalBody(event)),
      ]);
    await database.change(
      "INSERT INTO compliance_outbox (event_id, stream, stream_seq, kind, at_ms, room_id, body) VALUES ?",
      [rows],
    );
  }
}
