import type { ComplianceFact, EventActor } from "./compliance-event.ts";
import type { SearchedCriteria, SearchedRoom } from "./history-search.ts";
import type { Room } from "./room.ts";

/** What is about to be shown of a room. */
export interface Reading {
  readonly room: Pick<Room, "id" | "uri" | "name">;
  readonly fact: Extract<ComplianceFact, { kind: "BACKCHAT" | "SEARCH" }>;
}

/** What one answer shows, as a node's spool holds it until it is on record. */
export interface SpooledReading {
  /** Rising within a life of a node. */
  readonly number: number;
  readonly atMs: number;
  /** See `sessionOf`: never the token itself. */
  readonly session: string;
  readonly user: EventActor;
  readonly readings: readonly Reading[];
}

/** Messages `from`..`to` of a room, `count` of them, when `limit` were asked for. */
export interface ReadSpan {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly limit: number;
}

export function historyReading({ id, uri, name }: Reading["room"], span: ReadSpan): Reading {
  return { room: { id, uri, name }, fact: { kind: "BACKCHAT", ...span } };
}

/** A search as it is recorded: once for each room. */
export function searchReadings(criteria: SearchedCriteria, rooms: readonly SearchedRoom[]): Reading[] {
  return rooms.map(({ room: { id, uri, name }, shown, matches, exceeded }) => {
    return { room: { id, uri, name }, fact: { kind: "SEARCH", criteria, shown, matches, exceeded } };
  });
}
