import type { TermGroups } from "../../chat/search-text.ts";
import type { Queries } from "./database.ts";
import { decodePostings, sortedOnce } from "./search-postings.ts";

/** Every level there is, see search-merge.ts. */
const LEVELS = "0, 1, 2";
/** Postings decoded at once, about: 10 ns each and a byte or two on their way. */
const WINDOW_HITS = 60_000;
/**
 * To look at one text costs as much as to decode this many postings: a word that many more messages have than its rarest companion
 * says little about them, and is not looked up.
 */
const WORTH = 50;
const ALWAYS_WORTH = 2_000;

/** Which terms are looked up, and in how many rooms at once. */
export interface SearchPlan {
  readonly groups: TermGroups;
  readonly roomsAtOnce: number;
}

/** @param groups at least one, none of them empty @param roomIds ascending */
export async function planSearch(
  queries: Queries,
  groups: TermGroups,
  roomIds: readonly number[],
): Promise<SearchPlan> {
  const terms = [...new Set(groups.flat(2))];
  const rows = await queries.rows<{ term: number; hits: number }>(
    `SELECT term, CAST(SUM(hits) AS UNSIGNED) AS hits FROM search_posting WHERE level IN (${LEVELS}) AND term IN (?) ` +
      "AND room_from <= ? AND room_to >= ? GROUP BY term",
    [terms, roomIds.at(-1) ?? 0, roomIds[0] ?? 0],
  );
  const hits = new Map(rows.map((row) => [row.term, Number(row.hits)]));
  const rarest = (alternative: readonly number[]) =>
    Math.min(...alternative.map((term) => hits.get(term) ?? 0));
  const sizes = groups.map((group) => group.reduce((sum, alternative) => sum + rarest(alternative), 0));
  const least = Math.min(...sizes);
  const worth = (size: number, besides: number) => size <= besides * WORTH + ALWAYS_WORTH;
  const chosen = groups
    .filter((_, index) => (sizes[index] ?? 0) === least || worth(sizes[index] ?? 0, least))
    .map((group) =>
      group.map((alternative) => {
        const few = rarest(alternative);
        return alternative.filter((term) => (hits.get(term) ?? 0) === few || worth(hits.get(term) ?? 0, few));
      }),
    );
  const total = [...new Set(chosen.flat(2))].reduce((sum, term) => sum + (hits.get(term) ?? 0), 0);
  return {
    groups: chosen,
    roomsAtOnce: Math.max(1, Math.floor((roomIds.length * WINDOW_HITS) / Math.max(1, total, WINDOW_HITS))),
  };
}

/** Messages that the index says may match, ascending, by room. @param roomIds ascending */
export async function candidatesIn(
  queries: Queries,
  groups: TermGroups,
  roomIds: readonly number[],
): Promise<Map<number, number[]>> {
  const terms = [...new Set(groups.flat(2))];
  const rows = await queries.rows<PostingRow>(
    `SELECT level, segment, term, room_from, postings FROM search_posting WHERE level IN (${LEVELS}) AND term IN (?) ` +
      "AND room_from <= ? AND room_to >= ?",
    [terms, roomIds.at(-1) ?? 0, roomIds[0] ?? 0],
  );
  rows.sort(oldestFirst);
  const wanted = new Set(roomIds);
  const found = new Map(terms.map((term) => [term, new Map<number, number[]>()]));
  for (const { term, room_from, postings } of rows) {
    const lists = found.get(term);
    if (!lists) continue;
    decodePostings(postings, room_from, {
      get: (room) => (wanted.has(room) ? listOf(lists, room) : undefined),
    });
  }
  const lists = groups.map((group) =>
    group.map((alternative) => alternative.map((term) => found.get(term) ?? NONE)),
  );
  const candidates = new Map<number, number[]>();
  for (const room of roomsOf(lists)) {
    const inGroup = (group: Lists[][]) =>
      union(group.map((all) => intersection(all.map((term) => term.get(room)))));
    const numbers = intersection(lists.map(inGroup));
    if (numbers.length > 0) candidates.set(room, numbers);
  }
  return candidates;
}

/** Messages with a term, by room. */
type Lists = ReadonlyMap<number, number[]>;

const NONE: Lists = new Map();

/** Rooms that have something in the group that has the fewest: no others can have a candidate. */
function roomsOf(groups: readonly Lists[][][]): Iterable<number> {
  const rooms = groups.map((group) => new Set(group.flatMap(([first = NONE]) => [...first.keys()])));
  return rooms.reduce((fewest, some) => (some.size < fewest.size ? some : fewest));
}

interface PostingRow {
  level: number;
  segment: number;
  term: number;
  room_from: number;
  postings: Buffer;
}

/** As they were written, so that a room's numbers mostly come in their order; what has been merged often is old. */
function oldestFirst(a: PostingRow, b: PostingRow): number {
  return b.level - a.level || a.segment - b.segment;
}

function listOf(lists: Map<number, number[]>, room: number): number[] {
  const known = lists.get(room);
  if (known) return known;
  const list: number[] = [];
  lists.set(room, list);
  return list;
}

function union(lists: readonly number[][]): number[] {
  const [only = []] = lists;
  return lists.length < 2 ? only : sortedOnce(lists.flat());
}

/** Of lists that are put in order; at least one. */
function intersection(lists: readonly (number[] | undefined)[]): number[] {
  const ordered: number[][] = [];
  for (const list of lists) {
    if (!list || list.length === 0) return [];
    ordered.push(sortedOnce(list));
  }
  const [first = [], ...others] = ordered;
  if (others.length === 0) return first;
  const [shortest = [], ...longer] = ordered.sort((a, b) => a.length - b.length);
  return longer.reduce((common, list) => {
    let at = 0;
    return common.filter((number) => {
      while ((list[at] ?? Number.POSITIVE_INFINITY) < number) at += 1;
      return list[at] === number;
    });
  }, shortest);
}
