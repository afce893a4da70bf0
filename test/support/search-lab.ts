import type { FoundInRooms, HistoryQuery, SearchedCriteria } from "../../src/chat/history-search.ts";
import { compileSearch, type TextQuery } from "../../src/chat/search-text.ts";
import type { Aor } from "../../src/chat/user.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { isAskedFor } from "./search-oracle.ts";

/** A message as a test keeps it, to know what a search must find. */
export interface KnownMessage {
  readonly roomId: number;
  readonly number: number;
  readonly author: Aor;
  readonly atMs: number;
  readonly text: string;
}

const NOTHING: SearchedCriteria = {
  text: "",
  match: "all",
  caseSensitive: false,
  authors: [],
  fromMs: null,
  toMs: null,
  start: null,
  backwards: false,
  limit: 100,
};

/** A query as the command makes it, with as much time as it needs. */
export function historyQuery(
  criteria: Partial<SearchedCriteria>,
  more: Partial<Pick<HistoryQuery, "counted" | "most" | "deadlineMs">> = {},
): HistoryQuery {
  const { text, match, caseSensitive, ...rest } = { ...NOTHING, ...criteria };
  const asked: TextQuery = { text, match, caseSensitive };
  const matcher = text === "" ? undefined : compileSearch(asked);
  if (text !== "" && !matcher) throw new Error(`nothing in ${text} can be found`);
  return {
    matcher,
    criteria: rest,
    counted: 10_000,
    most: 10_000,
    deadlineMs: performance.now() + 60_000,
    ...more,
  };
}

/** What reading every message gives: room by room in the order of ids, each in the direction of the search. */
export function bruteForce(
  messages: readonly KnownMessage[],
  criteria: Partial<SearchedCriteria>,
  { counted, most }: Pick<HistoryQuery, "counted" | "most">,
  roomIds: readonly number[],
): { roomId: number; numbers: number[]; matches: number; exceeded: boolean }[] {
  const asked = { ...NOTHING, ...criteria };
  const found = [];
  let shown = 0;
  for (const roomId of [...roomIds].sort((a, b) => a - b)) {
    if (shown >= most) break;
    const all = messages
      .filter((message) => message.roomId === roomId && isAskedFor(asked, message))
      .map(({ number }) => number)
      .sort((a, b) => (asked.backwards ? b - a : a - b));
    if (all.length === 0) continue;
    const numbers = all.slice(0, asked.limit);
    const matches = Math.min(all.length, counted);
    found.push({ roomId, numbers, matches, exceeded: matches > numbers.length });
    shown += numbers.length;
  }
  return found;
}

export function numbersOf({ rooms }: FoundInRooms): ReturnType<typeof bruteForce> {
  return rooms.map(({ roomId, messages, matches, exceeded }) => ({
    roomId,
    numbers: messages.map(({ number }) => number),
    matches,
    exceeded,
  }));
}

/** Puts messages into rooms behind the journal's back: many, quickly, and of any time. Each room's numbers rise from its last. */
export async function putMessages(
  { database }: Stores,
  messages: readonly (KnownMessage & { readonly authorId: number })[],
): Promise<void> {
  for (let at = 0; at < messages.length; at += 2_000) {
    const rows = messages
      .slice(at, at + 2_000)
      .map((one) => [one.roomId, one.number, one.authorId, one.atMs, 0, one.text]);
    await database.change("INSERT INTO message (room_id, number, author_id, at_ms, alert, text) VALUES ?", [
      rows,
    ]);
  }
  const last = new Map<number, number>();
  for (const { roomId, number } of messages) last.set(roomId, Math.max(number, last.get(roomId) ?? 0));
  for (const [roomId, number] of last)
    await database.change("UPDATE room SET last_number = ? WHERE id = ?", [number, roomId]);
}
