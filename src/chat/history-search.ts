import type { StoredMessage } from "./message.ts";
import type { Room } from "./room.ts";
import type { TextMatcher, TextQuery } from "./search-text.ts";
import type { Aor } from "./user.ts";

/** What somebody asked for, as it is recorded; null for what was not asked. */
export interface SearchedCriteria extends TextQuery {
  /** Empty: everybody. */
  readonly authors: readonly Aor[];
  readonly fromMs: number | null;
  readonly toMs: number | null;
  /** Number of the first message looked at. */
  readonly start: number | null;
  /** From the newest, or from `start` towards the older ones. */
  readonly backwards: boolean;
  /** Messages shown of each room. */
  readonly limit: number;
}

export interface HistoryQuery {
  /** Undefined: any text. */
  readonly matcher: TextMatcher | undefined;
  readonly criteria: Omit<SearchedCriteria, keyof TextQuery>;
  /** Matches counted in one room; above `limit`. */
  readonly counted: number;
  /** Messages in all: no further room is looked into when there are so many. */
  readonly most: number;
  /** Monotonic clock: the search stops then, and says so. */
  readonly deadlineMs: number;
}

/** What was found in one room. */
export interface FoundInRoom {
  readonly roomId: number;
  /** The first ones in the direction of the search, in that order. */
  readonly messages: readonly StoredMessage[];
  /** All matches, or as many as were counted. */
  readonly matches: number;
  /** More match than are in `messages`, or the search stopped before it could know. */
  readonly exceeded: boolean;
}

export interface FoundInRooms {
  /** Rooms with matches, and those not looked through to the end, by id. */
  readonly rooms: readonly FoundInRoom[];
  /** Rooms after this one were not looked into; null when all were, to their ends. */
  readonly lastRoom: number | null;
}

/** What a search shows of one room; `id` 0 stands for all rooms of a search that shows nothing. */
export interface SearchedRoom {
  readonly room: Pick<Room, "id" | "uri" | "name" | "reading">;
  readonly shown: readonly number[];
  readonly matches: number;
  readonly exceeded: boolean;
}
