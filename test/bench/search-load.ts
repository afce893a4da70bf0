import { authorTerm, termsOf } from "../../src/chat/search-words.ts";
import { encodePostings } from "../../src/store/mysql/search-postings.ts";
import { type BulkLoad, MESSAGE_ROWS, withBulkLoad } from "./bulk-messages.ts";
import { benchMessage, messageMs, textOf, VOCABULARY, word } from "./search-messages.ts";
import type { World, WorldRoom } from "./world.ts";

const POSTING_ROWS =
  "search_posting CHARACTER SET ascii (level, term, segment, room_from, number_from, room_to, hits, @postings) " +
  "SET postings = UNHEX(@postings)";
const ROOMS_AT_ONCE = 100;

/** A segment that holds these numbers of every room: what indexing and merging leaves of messages that come in everywhere. */
export interface Segment {
  readonly level: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Puts `each` messages into every room, and their index up to the last segment's end.
 * @returns how long that took, and how many messages hold each word, by its rank
 */
export async function loadSearchData(
  world: World,
  rooms: readonly WorldRoom[],
  authorIds: readonly number[],
  each: number,
  segments: readonly Segment[],
): Promise<{ messagesS: number; indexS: number; messagesWith: Uint32Array }> {
  const seconds = { messagesS: 0, indexS: 0 };
  const messagesWith = new Uint32Array(VOCABULARY);
  const indexed = segments.at(-1)?.to ?? 0;
  await withBulkLoad(world, async (bulk) => {
    let from = performance.now();
    for (let at = 0; at < rooms.length; at += ROOMS_AT_ONCE)
      await bulk.load(MESSAGE_ROWS, messageLines(rooms.slice(at, at + ROOMS_AT_ONCE), authorIds, each));
    seconds.messagesS = (performance.now() - from) / 1_000;
    from = performance.now();
    for (const [index, segment] of segments.entries())
      await loadSegment(bulk, rooms, authorIds, index + 1, segment);
    await bulk.run("INSERT INTO search_progress (room_id, number) SELECT id, ? FROM room", [indexed]);
    await bulk.run("UPDATE room SET last_number = ?", [indexed]);
    seconds.indexS = (performance.now() - from) / 1_000;
  });
  eachPosting(rooms, authorIds.length, 1, each, (list) => {
    if (list < VOCABULARY) messagesWith[list] = (messagesWith[list] ?? 0) + 1;
  });
  return { ...seconds, messagesWith };
}

function* messageLines(
  rooms: readonly WorldRoom[],
  authorIds: readonly number[],
  each: number,
): Generator<string> {
  for (const { id } of rooms) {
    let text = "";
    for (let number = 1; number <= each; number++) {
      const message = benchMessage(id, number, authorIds.length);
      text += `${id}\t${number}\t${authorIds[message.author]}\t${messageMs(number)}\t0\t${textOf(message)}\t\\N\n`;
    }
    yield text;
  }
}

async function loadSegment(
  bulk: BulkLoad,
  rooms: readonly WorldRoom[],
  authorIds: readonly number[],
  id: number,
  segment: Segment,
): Promise<void> {
  const messages = rooms.length * (segment.to - segment.from + 1);
  await bulk.run("INSERT INTO search_segment (id, level, messages) VALUES (?, ?, ?)", [
    id,
    segment.level,
    messages,
  ]);
  await bulk.load(POSTING_ROWS, postingLines(rooms, authorIds, id, segment));
}

/** Sorted by term: counted first, then filled in, since 60 million postings are too many for lists. */
function* postingLines(
  rooms: readonly WorldRoom[],
  authorIds: readonly number[],
  id: number,
  { level, from, to }: Segment,
): Generator<string> {
  const span = to - from + 1;
  // Numbered: the words by rank, then the authors.
  const lists = VOCABULARY + authorIds.length;
  const ends = new Uint32Array(lists + 1);
  const names: { term: number; ordinal: number }[] = [];
  eachPosting(rooms, authorIds.length, from, to, (list) => {
    ends[list + 1] = (ends[list + 1] ?? 0) + 1;
  });
  for (let list = 0; list < lists; list++) ends[list + 1] = (ends[list + 1] ?? 0) + (ends[list] ?? 0);
  const ordinals = new Uint32Array(ends[lists] ?? 0);
  const next = ends.slice(0, lists);
  eachPosting(rooms, authorIds.length, from, to, (list, ordinal, name) => {
    const at = next[list] ?? 0;
    ordinals[at] = ordinal;
    next[list] = at + 1;
    if (name !== "") names.push({ term: onlyTerm(name), ordinal });
  });
  const byTerm = new Map<number, Uint32Array[]>();
  const add = (term: number, some: Uint32Array) => {
    const known = byTerm.get(term);
    if (known) known.push(some);
    else byTerm.set(term, [some]);
  };
  for (let list = 0; list < lists; list++) {
    const term = list < VOCABULARY ? onlyTerm(word(list)) : authorTerm(authorIds[list - VOCABULARY] ?? 0);
    const some = ordinals.subarray(ends[list], ends[list + 1]);
    if (some.length > 0) add(term, some);
  }
  for (const { term, ordinal } of names) add(term, Uint32Array.of(ordinal));
  let text = "";
  for (const term of [...byTerm.keys()].sort((a, b) => a - b)) {
    const pairs: number[] = [];
    // Two words that share a term come one after the other.
    const some = byTerm.get(term) ?? [];
    const all =
      some.length > 1 ? new Set(some.flatMap((list) => [...list]).sort((x, y) => x - y)) : (some[0] ?? []);
    for (const ordinal of all)
      pairs.push(rooms[Math.floor(ordinal / span)]?.id ?? 0, from + (ordinal % span));
    for (const part of encodePostings(pairs))
      text +=
        `${level}\t${term}\t${id}\t${part.roomFrom}\t${part.numberFrom}\t${part.roomTo}\t${part.hits}\t` +
        `${part.bytes.toString("hex")}\n`;
    if (text.length < 1 << 20) continue;
    yield text;
    text = "";
  }
  yield text;
}

/** Each message once for each of its words and for its author. `name` is given with the author. */
function eachPosting(
  rooms: readonly WorldRoom[],
  people: number,
  from: number,
  to: number,
  found: (list: number, ordinal: number, name: string) => void,
): void {
  const seen = new Int32Array(VOCABULARY).fill(-1);
  let ordinal = 0;
  for (const { id } of rooms) {
    for (let number = from; number <= to; number++) {
      const { ranks, count, name, author } = benchMessage(id, number, people);
      for (let at = 0; at < count; at++) {
        const rank = ranks[at] ?? 0;
        if (seen[rank] === ordinal) continue;
        seen[rank] = ordinal;
        found(rank, ordinal, "");
      }
      found(VOCABULARY + author, ordinal, name);
      ordinal += 1;
    }
  }
}

function onlyTerm(text: string): number {
  const [term = 0, ...others] = termsOf(text);
  if (others.length > 0) throw new Error(`${text} is more than one word`);
  return term;
}
