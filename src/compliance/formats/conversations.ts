import type { ArchivedEvent } from "../archived-event.ts";

/** One room in one batch, under the name it had; a rename begins another. Events in the order they happened. */
export interface Conversation {
  readonly room: ArchivedEvent["room"];
  readonly events: readonly ArchivedEvent[];
}

/** Groups a batch by room. The order depends on the events alone, not on the order given. */
export function groupByRoom(events: readonly ArchivedEvent[]): Conversation[] {
  const byRoom = new Map<number, ArchivedEvent[]>();
  for (const event of events) {
    const list = byRoom.get(event.room.id);
    if (list === undefined) byRoom.set(event.room.id, [event]);
    else list.push(event);
  }
  const rooms = [...byRoom].sort(([left], [right]) => left - right);
  return rooms.flatMap(([, list]) => splitByName(inOrder(list)));
}

/**
 * Within a stream the dense number decides: clocks of two nodes may disagree, the room's own count does not. Between
 * streams time decides.
 */
function inOrder(events: readonly ArchivedEvent[]): ArchivedEvent[] {
  const sorted = [...events].sort(
    (left, right) => compare(left.stream, right.stream) || left.streamSeq - right.streamSeq,
  );
  let stream = "";
  let latestMs = 0;
  const timed = sorted.map((event) => {
    latestMs = event.stream === stream ? Math.max(latestMs, event.atMs) : event.atMs;
    stream = event.stream;
    return { event, latestMs };
  });
  // Stable: events of one stream never overtake each other, their times only rise.
  return timed.sort((left, right) => left.latestMs - right.latestMs).map(({ event }) => event);
}

function splitByName(events: readonly ArchivedEvent[]): Conversation[] {
  const found: { room: ArchivedEvent["room"]; events: ArchivedEvent[] }[] = [];
  for (const event of events) {
    const last = found.at(-1);
    if (last !== undefined && last.room.name === event.room.name && last.room.uri === event.room.uri) {
      last.events.push(event);
    } else {
      found.push({ room: event.room, events: [event] });
    }
  }
  return found;
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
