import { ChatError, type ChatErrorCode } from "../chat/errors.ts";
import type { FoundInRoom, SearchedCriteria, SearchedRoom } from "../chat/history-search.ts";
import { NO_ACCESS, refusal } from "../chat/role.ts";
import type { Room } from "../chat/room.ts";
import { compileSearch } from "../chat/search-text.ts";
import type { Aor } from "../chat/user.ts";
import { wireMessage } from "../delivery/fanout.ts";
import { normaliseAor } from "../sip/aor.ts";
import { fib } from "../xccos/blocks.ts";
import { encodeFound, type HistorySearchCommand, searchData } from "../xccos/history-search.ts";
import { travellingBytes } from "../xccos/travelling.ts";
import type { RoomRef } from "../xccos/uri.ts";
import { type CommandResult, type Context, mostReplyBytes, type Services } from "./context.ts";
import { fill } from "./search-fill.ts";

/** A search ends after this, with what it has by then. Requests of the same dialog wait for it, and a post waits 1.5 s at most. */
const SEARCH_MS = 1_000;
/** Rooms of a search that names none; when there are more, it says that it did not look through all. */
const MAX_ROOMS = 20_000;
/** Matches counted in all, shared out to the rooms; so many as are shown in a room are counted in any case. */
const MAX_COUNTED = 2_000;
/** A short message as it travels: more of them than would fill a reply are not looked for. */
const SHORT_MESSAGE_BYTES = 350;
/** The envelope and the reply around the rooms. */
const AROUND_ROOMS_BYTES = 2_000;

/**
 * `cmd:bcbydate`, `cmd:bcbymsgid`: messages of rooms whose history the user may read, in them or not. What is shown is recorded
 * before it is shown.
 */
export async function searchHistory(command: HistorySearchCommand, context: Context): Promise<CommandResult> {
  const { session, services } = context;
  const { limits, clock, readings, search } = services;
  const deadlineMs = clock.monotonicMs() + SEARCH_MS;
  const criteria = criteriaOf(command, limits.searchLimit);
  const matcher = criteria.text === "" ? undefined : compileSearch(criteria);
  if (criteria.text !== "" && !matcher) throw new ChatError("BAD_REQUEST");
  const isNamed = command.rooms.length > 0;
  const { readable, refused } = isNamed ? await namedRooms(command.rooms, context) : NO_ROOMS;
  const [onlyRefused] = refused.values();
  if (onlyRefused && command.rooms.length === 1) throw new ChatError(onlyRefused);
  const failures = command.rooms
    .filter(({ uri }) => refused.has(uri))
    .map(fib)
    .join("");
  const mostBytes = mostReplyBytes(context) - AROUND_ROOMS_BYTES - travellingBytes(failures);
  if (mostBytes < 0) throw new ChatError("LIMIT_EXCEEDED");
  const all = isNamed
    ? readable.filter(({ keepsHistory }) => keepsHistory).map(({ id }) => id)
    : await services.rooms.readable(session.user, MAX_ROOMS + 1);
  const ids = all.slice(0, MAX_ROOMS);
  const found = await search.find(
    {
      matcher,
      criteria,
      counted: Math.max(criteria.limit + 1, Math.floor(MAX_COUNTED / Math.max(1, ids.length))),
      most: Math.min(limits.searchLimit, Math.ceil(mostReplyBytes(context) / SHORT_MESSAGE_BYTES)),
      deadlineMs,
    },
    ids,
  );
  const isUnfinished = found.lastRoom !== null || ids.length < all.length;
  const matching = new Map(found.rooms.map((room) => [room.roomId, room]));
  const rooms = isNamed ? readable : await stillReadable([...matching.keys()], context);
  const results = rooms.map((room) => {
    const unseen = found.lastRoom !== null && room.id > found.lastRoom && room.keepsHistory;
    return { room, ...(matching.get(room.id) ?? { messages: [], matches: 0, exceeded: unseen }) };
  });
  const { data, shown } = describe(results, command, isUnfinished, mostBytes);
  if (services.recordsReading) {
    const matched = shown.filter(({ matches }) => matches > 0);
    const [only] = readable;
    const whole = only && readable.length === 1 ? only : poolAsRoom(services);
    const nothing = [{ room: whole, shown: [], matches: 0, exceeded: isUnfinished }];
    await readings.searched(session, criteria, matched.length > 0 ? matched : nothing);
  }
  for (const { room, shown: numbers } of shown)
    services.readMarks.note(session.user.id, room.id, numbers.at(-1) ?? 0);
  return {
    data: data + failures,
    ...(readable.length === 1 && isNamed ? { turn: readable[0]?.id ?? 0 } : {}),
  };
}

const NO_ROOMS = { readable: [] as Room[], refused: new Map<string, ChatErrorCode>() };

function criteriaOf(command: HistorySearchCommand, searchLimit: number): SearchedCriteria {
  const { match, caseSensitive, backwards } = command;
  const authors = command.authors.map((author) => {
    const aor = normaliseAor(author);
    if (aor === undefined) throw new ChatError("BAD_REQUEST");
    return aor as Aor; // just made one
  });
  return {
    text: command.text.trim(),
    match,
    caseSensitive,
    authors: [...new Set(authors)],
    fromMs: command.fromMs ?? null,
    toMs: command.toMs ?? null,
    start: command.start ?? null,
    backwards,
    limit: Math.min(command.limit ?? searchLimit, searchLimit),
  };
}

/** In the order named. */
async function namedRooms(
  refs: readonly RoomRef[],
  { session, services }: Context,
): Promise<{ readable: Room[]; refused: Map<string, ChatErrorCode> }> {
  const found = await Promise.all(refs.map(({ domain, value }) => services.rooms.find(domain, value)));
  const access = await services.rooms.access(found, session.user);
  const refused = new Map<string, ChatErrorCode>();
  const readable = refs.flatMap(({ uri }, index) => {
    const [room, held] = [found[index], access[index]];
    const no = room && held ? refusal("read", room, held) : "ROOM_NOT_FOUND";
    if (no) refused.set(uri, no);
    return room && !no ? [room] : [];
  });
  return { readable, refused };
}

/** The list of readable rooms was made by a statement of its own: the one table of rights has the last word. By name. */
async function stillReadable(ids: readonly number[], { session, services }: Context): Promise<Room[]> {
  const rooms = await services.rooms.byIds(ids);
  const access = await services.rooms.access(rooms, session.user);
  return rooms
    .filter((room, index) => room.keepsHistory && !refusal("read", room, access[index] ?? NO_ACCESS))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

type Result = Pick<FoundInRoom, "messages" | "matches" | "exceeded"> & { readonly room: Room };

/** The reply, and what of each room is in it. Rooms without a match give way to those that have one. */
function describe(
  results: readonly Result[],
  { backwards, newestFirst }: HistorySearchCommand,
  unfinished: boolean,
  mostBytes: number,
): { data: string; shown: SearchedRoom[] } {
  const ordered = results.toSorted((a, b) => Number(b.matches > 0) - Number(a.matches > 0));
  const encoded = ordered.map(({ room, messages }) => ({
    headBytes: travellingBytes(searchData([{ room, messages: [], matches: 99_999, exceeded: true }], false)),
    texts: messages.map((message) => encodeFound(wireMessage(room, message))),
  }));
  const sizes = fill(
    encoded.map(({ headBytes, texts }) => ({ headBytes, messageBytes: texts.map(travellingBytes) })),
    mostBytes,
  );
  const told = sizes.map((size, index) => {
    const { room, messages, matches, exceeded } = ordered[index] as Result; // as many as sizes
    const texts = encoded[index]?.texts.slice(0, size) ?? [];
    return {
      room,
      matches,
      exceeded: exceeded || size < messages.length,
      messages: backwards === newestFirst ? texts : texts.reverse(),
      shown: messages
        .slice(0, size)
        .map(({ number }) => number)
        .sort((a, b) => a - b),
    };
  });
  const isCut = ordered.slice(told.length).some(({ matches, exceeded }) => matches > 0 || exceeded);
  const places = new Map(results.map(({ room }, place) => [room.id, place]));
  const inOrder = told.toSorted((a, b) => (places.get(a.room.id) ?? 0) - (places.get(b.room.id) ?? 0));
  return { data: searchData(inOrder, unfinished || isCut), shown: inOrder };
}

/** Where a search that showed nothing of any room took place. */
function poolAsRoom({ pool }: Services): SearchedRoom["room"] {
  return { id: 0, uri: pool.poolUri, name: pool.displayName, reading: "strict" };
}
