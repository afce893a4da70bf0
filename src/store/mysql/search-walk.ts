import type { FoundInRoom, HistoryQuery } from "../../chat/history-search.ts";
import type { Queries } from "./database.ts";
import { type ReadMessage, type RowFilter, readSpans } from "./search-reader.ts";
import { type RoomSource, sizeOf } from "./search-source.ts";

/** Messages read at once: more when few of them match, and they are not long. */
const READ_MESSAGES = 256;
const MORE_MESSAGES = 900;
const MOST_CHARACTERS = 500_000;
/** Messages looked at at once when the database leaves out most of them, and rows that may come back then. */
const MOST_READ_MESSAGES = 16_384;
const READ_ROWS = 512;
/** The index errs seldom, but it may. */
const LEAST_CANDIDATES = 16;

export type Found = Omit<FoundInRoom, "messages"> & { readonly messages: readonly ReadMessage[] };

interface Walked {
  readonly source: RoomSource;
  readonly messages: ReadMessage[];
  matches: number;
  done: boolean;
}

/**
 * Reads what may match, room after room, and keeps what does. Many rooms share a read. Ends when the first rooms have given
 * `most` messages, or at the deadline.
 * @returns rooms with matches and rooms that were not read to the end, in the order given; the last room looked into, null when
 *   all were, to their ends
 */
export async function walk(
  queries: Queries,
  sources: readonly RoomSource[],
  query: HistoryQuery,
  filter: RowFilter,
  most: number,
): Promise<{ rooms: Found[]; lastRoom: number | null }> {
  const rooms = sources
    .filter(({ isEmpty }) => !isEmpty)
    .map((source): Walked => ({ source, messages: [], matches: 0, done: false }));
  const isFiltered = filter.authorIds !== undefined || filter.fromMs !== null || filter.toMs !== null;
  let width = READ_MESSAGES;
  let front = 0;
  let shown = 0;
  for (;;) {
    for (; shown < most && rooms[front]?.done; front++) shown += rooms[front]?.messages.length ?? 0;
    if (front === rooms.length || shown >= most || performance.now() > query.deadlineMs) break;
    const asked = portion(rooms, front, width, query.counted);
    const found = await readSpans(
      queries,
      asked.map(({ room: { source }, size }) => ({ roomId: source.roomId, span: source.next(size) })),
      filter,
      isFiltered && width > READ_MESSAGES ? READ_ROWS : undefined,
    );
    if (isFiltered && found.length >= READ_ROWS && width > READ_MESSAGES) {
      width = READ_MESSAGES; // more came back than was thought, and some of it is missing
      continue;
    }
    const kept = keep(asked, found, query);
    if (isFiltered && found.length < READ_ROWS / 8) width = Math.min(MOST_READ_MESSAGES, width * 4);
    else if (!isFiltered) width = isPoor(found, kept) ? MORE_MESSAGES : READ_MESSAGES;
  }
  const reached = shown >= most ? rooms.slice(0, front) : rooms;
  return {
    rooms: reached
      .filter(({ matches, done }) => matches > 0 || !done)
      .map(({ source: { roomId }, messages, matches, done }) => {
        return { roomId, messages, matches, exceeded: !done || matches > messages.length };
      }),
    lastRoom: front === rooms.length ? null : (reached.at(-1)?.source.roomId ?? 0),
  };
}

interface Asked {
  readonly room: Walked;
  readonly size: number;
}

/** What to read next, `width` messages of the first rooms that are not done. */
function portion(rooms: readonly Walked[], front: number, width: number, counted: number): Asked[] {
  const asked: Asked[] = [];
  let left = width;
  for (let at = front; at < rooms.length && left > 0; at++) {
    const room = rooms[at];
    if (!room || room.done) continue;
    // What the index found is likely to match: no more of it is read than is wanted.
    const wanted = room.source.isUnsifted ? left : Math.max(LEAST_CANDIDATES, counted - room.matches);
    const size = Math.min(left, sizeOf(room.source.next(Math.min(left, wanted))));
    asked.push({ room, size });
    left -= size;
  }
  return asked;
}

function isPoor(found: readonly ReadMessage[], kept: number): boolean {
  return kept * 4 < found.length && found.reduce((sum, { text }) => sum + text.length, 0) < MOST_CHARACTERS;
}

/** @returns how many match */
function keep(asked: readonly Asked[], found: readonly ReadMessage[], query: HistoryQuery): number {
  const { matcher, criteria, counted } = query;
  const byRoom = new Map<number, ReadMessage[]>();
  for (const message of found) {
    const list = byRoom.get(message.roomId);
    if (list) list.push(message);
    else byRoom.set(message.roomId, [message]);
  }
  let kept = 0;
  for (const { room, size } of asked) {
    const messages = byRoom.get(room.source.roomId) ?? [];
    messages.sort((a, b) => (criteria.backwards ? b.number - a.number : a.number - b.number));
    for (const message of messages) {
      if (room.matches >= counted) break;
      if (matcher && !matcher.matches(message.text)) continue;
      room.matches += 1;
      kept += 1;
      if (room.messages.length < criteria.limit) room.messages.push(message);
    }
    room.source.advance(size);
    room.done = room.source.isEmpty || room.matches >= counted;
  }
  return kept;
}
