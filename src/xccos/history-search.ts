import { chanib, type WireRoom } from "./blocks.ts";
import { childNamed, childrenNamed, isTrue, parseCount } from "./element.ts";
import { encodeGrpchat, type WireMessage } from "./grpchat.ts";
import { searchMatches, searchNames } from "./names.ts";
import { parseRoomUri, type RoomRef } from "./uri.ts";
import type { XmlElement } from "./xml.ts";
import { element } from "./xml-writer.ts";

/** `cmd:bcbydate` and `cmd:bcbymsgid`. What is undefined was not asked for. */
export interface HistorySearchCommand {
  readonly kind: "bcbydate" | "bcbymsgid";
  /** Distinct, in the order given; empty: every room the user may read. */
  readonly rooms: readonly RoomRef[];
  /** "" matches every text. */
  readonly text: string;
  readonly match: "any" | "all" | "phrase";
  readonly caseSensitive: boolean;
  /** Addresses as received; empty: everybody. */
  readonly authors: readonly string[];
  /** Milliseconds since 1970; of bcbydate only. */
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  /** Of bcbymsgid: the first message to look at. */
  readonly start: number | undefined;
  /** Newest first: which messages are found when not all are shown. */
  readonly backwards: boolean;
  /** Newest first: how those that were found are ordered. */
  readonly newestFirst: boolean;
  /** Messages of each room; not capped here. */
  readonly limit: number | undefined;
}

/** More is refused with 413. */
export const MAX_SEARCHED_ROOMS = 500;
export const MAX_SEARCH_TEXT_LENGTH = 256;
export const MAX_SEARCH_AUTHORS = 50;
const MAX_NUMBER = 2 ** 32 - 1;
/** ISO 8601 as clients write it: seconds and any fraction may be missing, and so may the zone, which is UTC then. */
const TIME = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d))?(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?$/i;

/** @returns what is wrong when it makes no sense, with the code to answer */
export function historySearch(
  kind: HistorySearchCommand["kind"],
  data: XmlElement | undefined,
): HistorySearchCommand | { readonly problem: string; readonly code: 400 | 413 } {
  const blocks = childrenNamed(data, "chanib");
  if (blocks.length > MAX_SEARCHED_ROOMS)
    return tooMany(`More than ${MAX_SEARCHED_ROOMS} rooms in one search`);
  const rooms = new Map<string, RoomRef>();
  for (const block of blocks) {
    const room = parseRoomUri(block.attributes.get("uri") ?? "");
    if (!room) return bad("A room is not named properly");
    rooms.set(room.uri, room);
  }
  const query = childNamed(data, "bcq");
  const text = childNamed(query, searchNames.text);
  if ((text?.text.length ?? 0) > MAX_SEARCH_TEXT_LENGTH) return tooMany("The search text is too long");
  const match = searchMatches.get(text?.attributes.get(searchNames.match)?.toUpperCase() ?? "ANY");
  if (!match) return bad("The way to match is not known");
  const authors = childrenNamed(query, searchNames.author).map(
    (author) => author.attributes.get("uri") ?? "",
  );
  if (authors.length > MAX_SEARCH_AUTHORS)
    return tooMany(`More than ${MAX_SEARCH_AUTHORS} authors in one search`);
  const limit = countOf(childNamed(query, searchNames.limit), "cnt");
  const start = kind === "bcbymsgid" ? countOf(childNamed(query, searchNames.start), "id") : undefined;
  if (limit === "bad" || limit === 0) return bad("The number of messages is not a sensible number");
  if (start === "bad") return bad("The message id is not a sensible number");
  if (kind === "bcbymsgid" && start === undefined) return bad("No message id is given");
  const date = kind === "bcbydate" ? childNamed(query, searchNames.date) : undefined;
  const fromMs = timeOf(date, "from");
  const toMs = timeOf(date, "to");
  if (fromMs === "bad" || toMs === "bad") return bad("A date is not understood");
  const flag = (name: string) => isTrue(childNamed(query, name)?.text.trim());
  return {
    kind,
    rooms: [...rooms.values()],
    text: text?.text ?? "",
    match,
    caseSensitive: isTrue(text?.attributes.get(searchNames.caseSensitive)),
    authors,
    fromMs,
    toMs,
    start,
    backwards: flag(searchNames.backwards),
    newestFirst: flag(searchNames.newestFirst),
    limit,
  };
}

function bad(problem: string): { problem: string; code: 400 } {
  return { problem, code: 400 };
}

function tooMany(problem: string): { problem: string; code: 413 } {
  return { problem, code: 413 };
}

function countOf(found: XmlElement | undefined, attribute: string): number | undefined | "bad" {
  const text = found?.attributes.get(attribute);
  if (text === undefined) return undefined;
  const count = parseCount(text);
  return count === undefined || count > MAX_NUMBER ? "bad" : count;
}

export function timeOf(found: XmlElement | undefined, attribute: string): number | undefined | "bad" {
  const text = found?.attributes.get(attribute);
  if (text === undefined || text === "") return undefined;
  const [whole, day, minute = "00:00", second = "00", fraction = "", zone = "Z"] = TIME.exec(text) ?? [];
  if (whole === undefined) return "bad";
  const millis = fraction.slice(0, 3).padEnd(3, "0");
  const timeMs = Date.parse(`${day}T${minute}:${second}.${millis}${zone.toUpperCase()}`);
  return Number.isNaN(timeMs) || timeMs < 0 ? "bad" : timeMs;
}

/** What a reply tells of one room. */
export interface SearchedWireRoom {
  readonly room: Pick<WireRoom, "uri" | "name">;
  /** In the order to be shown, each as `encodeFound` gave it. */
  readonly messages: readonly string[];
  readonly matches: number;
  readonly exceeded: boolean;
}

/** A message as search replies hold it. */
export function encodeFound(message: WireMessage): string {
  return encodeGrpchat(message, "msg");
}

/**
 * The rooms of `rpl:bcbydate` and `rpl:bcbymsgid`.
 * @param unfinished rooms were left out: told beside the rooms, with the matches that are known
 */
export function searchData(rooms: readonly SearchedWireRoom[], unfinished: boolean): string {
  const count = (matches: number, exceeded: boolean) =>
    element(searchNames.matchCount, { cnt: matches, [searchNames.exceeded]: exceeded });
  const blocks = rooms.map(({ room, messages, matches, exceeded }) =>
    chanib(room, count(matches, exceeded) + messages.join("")),
  );
  const total = rooms.reduce((sum, { matches }) => sum + matches, 0);
  return blocks.join("") + (unfinished ? count(total, true) : "");
}
