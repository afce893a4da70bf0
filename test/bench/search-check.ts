import type { SearchOptions, SearchReply } from "../../plugin/client/history-search.ts";
import { compileSearch } from "../../src/chat/search-text.ts";
import { benchMessage, textOf, word } from "./search-messages.ts";
import { type Kind, ONCE, type Question } from "./search-questions.ts";
import type { WorldRoom } from "./world.ts";

/** As the server counts: so many matches in all, shared out to the rooms, and more than are shown in any case. */
const COUNTED = 2_000;
/** Rooms of all replies that are compared: each costs reading a thousand messages. */
const COMPARED: Readonly<Record<Kind, number>> = { "one room": 1_000, "20 rooms": 1_000, "all rooms": 1_000 };

export interface Answered extends Question {
  readonly reply: SearchReply;
  readonly ms: number;
}

interface Stored {
  readonly rooms: readonly WorldRoom[];
  readonly each: number;
  readonly people: number;
  /** How many messages hold each word, by its rank. */
  readonly messagesWith: Uint32Array;
}

/** @throws Error when a reply is not what reading every message gives */
export function checkAll(kind: Kind, answered: readonly Answered[], stored: Stored): void {
  const ids = new Map(stored.rooms.map(({ uri, id }) => [uri, id]));
  const perReply = Math.ceil(COMPARED[kind] / answered.length);
  answered.forEach((one, index) => {
    const isCompared = index % Math.max(1, Math.floor(answered.length / COMPARED[kind])) === 0;
    const wrong =
      problemOf(one) ??
      totalProblem(kind, one, stored.messagesWith) ??
      one.reply.found.slice(0, isCompared ? perReply : 0).reduce<string | undefined>((problem, room) => {
        return problem ?? roomProblem(one, room, expectedIn(one.options, ids.get(room.uri) ?? 0, stored));
      }, undefined);
    if (wrong) throw new Error(`${one.name} in ${kind}, ${JSON.stringify(one.options)}: ${wrong}`);
  });
}

/** Numbers that reading every message of the room gives, in the direction of the search. */
function expectedIn(options: SearchOptions, roomId: number, { each, people }: Stored): number[] {
  const match = options.match === "EXACT" ? "phrase" : options.match === "ALL" ? "all" : "any";
  const matcher = compileSearch({ text: options.text ?? "", match, caseSensitive: false });
  const found: number[] = [];
  for (let number = 1; number <= each; number++)
    if (matcher?.matches(textOf(benchMessage(roomId, number, people)))) found.push(number);
  return options.backwards ? found.reverse() : found;
}

function problemOf({ options: { rooms = [] }, reply }: Answered): string | undefined {
  if (reply.code !== 200) return `${reply.code} ${reply.text}`;
  const named = new Set(rooms).size;
  return named > 0 && named !== reply.found.length ? `${reply.found.length} rooms are told` : undefined;
}

/** A search in all rooms that was not cut short has found every message. */
function totalProblem(
  kind: Kind,
  { name, rank, reply }: Answered,
  messagesWith: Uint32Array,
): string | undefined {
  const total = reply.found.reduce((sum, { matches }) => sum + matches, 0);
  const isWhole = !reply.unfinished && reply.found.every(({ exceeded }) => !exceeded);
  if (kind !== "all rooms" || !isWhole) return undefined;
  if (name === ONCE && total !== 1) return `found ${total} times`;
  if (rank !== undefined && total !== messagesWith[rank])
    return `${word(rank)} found ${total} times instead of ${messagesWith[rank]}`;
  return undefined;
}

function roomProblem(
  { options, reply }: Answered,
  { uri, matches, exceeded, messages }: SearchReply["found"][number],
  all: readonly number[],
): string | undefined {
  const { rooms = [], limit = 0, backwards, newestFirst } = options;
  const named = new Set(rooms).size;
  const counted = Math.max(limit + 1, named > 0 ? Math.floor(COUNTED / named) : 0);
  const shown = messages.map(({ chatId }) => chatId);
  if (backwards !== newestFirst) shown.reverse();
  if (String(shown) !== String(all.slice(0, shown.length))) return `${uri}: ${shown} instead of ${all}`;
  if (reply.unfinished ? matches > all.length : matches !== Math.min(all.length, counted))
    return `${uri}: ${matches} counted of ${all.length}`;
  if (exceeded !== shown.length < all.length)
    return `${uri}: exceeded is ${exceeded} with ${shown.length} of ${all.length}`;
  return undefined;
}
