import { limit, type Queries } from "./database.ts";
import { decodePostings, encodePostings, FULL_BYTES, type PostingsPart, pairsOf } from "./search-postings.ts";
import { writePostings } from "./search-segment.ts";

interface SmallRow {
  term: number;
  room_from: number;
  number_from: number;
  room_to: number;
  hits: number;
  postings: Buffer;
}

const SELECT_SMALL =
  "SELECT term, room_from, number_from, room_to, hits, postings FROM search_posting WHERE level = ? AND term >= ? AND term < ? AND segment <= ? " +
  "AND LENGTH(postings) < ?";
const IN_ORDER = "ORDER BY level, term, segment, room_from, number_from";

/** Segments of one level that become one of the next. */
export const FAN_IN = 16;
/** Segments of this level stay: of 4 million messages each, when the first level has 16,000. */
export const TOP_LEVEL = 2;
/** Rows of one portion; each is a transaction. */
const SMALL_ROWS = 1_500;
const FULL_ROWS = 500;
const TERMS = 2 ** 32;

export interface MergeUnderWay {
  readonly level: number;
  /** Segments up to this one take part; those written since wait for the next merge. */
  readonly upTo: number;
  readonly target: number;
  /** Done below this term. */
  readonly term: number;
}

/** Begins a merge when a level has enough segments. The caller holds the lock of `search_state`. */
export async function beginMerge(queries: Queries): Promise<MergeUnderWay | undefined> {
  const [due] = await queries.rows<{ level: number; up_to: number; messages: number }>(
    "SELECT level, MAX(id) AS up_to, CAST(SUM(messages) AS UNSIGNED) AS messages FROM search_segment WHERE level < ? " +
      `GROUP BY level HAVING COUNT(*) >= ? ORDER BY level ${limit(1)}`,
    [TOP_LEVEL, FAN_IN],
  );
  if (!due) return undefined;
  const { insertId } = await queries.change("INSERT INTO search_segment (level, messages) VALUES (?, ?)", [
    due.level + 1,
    due.messages,
  ]);
  const merge = { level: due.level, upTo: due.up_to, target: insertId, term: 0 };
  await queries.change(
    "UPDATE search_state SET merge_level = ?, merge_up_to = ?, merge_target = ?, merge_term = 0 WHERE id = 1",
    [merge.level, merge.upTo, merge.target],
  );
  return merge;
}

/**
 * Merges the next portion of terms. Each term's rows change in one transaction, so that a search finds all of it at any time.
 * The caller holds the lock of `search_state`.
 */
export async function mergePortion(
  queries: Queries,
  { level, upTo, target, term }: MergeUnderWay,
): Promise<void> {
  const rows = await queries.rows<SmallRow>(`${SELECT_SMALL} ${IN_ORDER} ${limit(SMALL_ROWS)}`, [
    level,
    term,
    TERMS,
    upTo,
    FULL_BYTES,
  ]);
  const isAll = rows.length < SMALL_ROWS;
  const last = rows.at(-1)?.term ?? 0;
  // The last term may have more rows than were asked for: it waits for the next portion, or is read as a whole when it is the only one.
  const isOne = !isAll && rows[0]?.term === last;
  const end = isAll ? TERMS : isOne ? last + 1 : last;
  const whole = isOne
    ? await queries.rows<SmallRow>(`${SELECT_SMALL} ${IN_ORDER}`, [level, last, end, upTo, FULL_BYTES])
    : rows.filter((row) => row.term < end);
  if (whole.length > 0) {
    await queries.change(
      "DELETE FROM search_posting WHERE level = ? AND term >= ? AND term < ? AND segment <= ? AND LENGTH(postings) < ?",
      [level, term, end, upTo, FULL_BYTES],
    );
    await writePostings(queries, level + 1, target, united(whole));
  }
  // Rows that are full go up as they are, some at a time.
  const { affectedRows: moved } = await queries.change(
    "UPDATE search_posting SET level = ? WHERE level = ? AND term >= ? AND term < ? AND segment <= ? " +
      `ORDER BY term, segment, room_from, number_from ${limit(FULL_ROWS)}`,
    [level + 1, level, term, end, upTo],
  );
  if (moved === FULL_ROWS) return;
  if (end < TERMS) {
    await queries.change("UPDATE search_state SET merge_term = ? WHERE id = 1", [end]);
    return;
  }
  await queries.change("DELETE FROM search_segment WHERE level = ? AND id <= ?", [level, upTo]);
  await queries.change("UPDATE search_state SET merge_level = NULL WHERE id = 1");
}

/** Rows of the same term, which follow each other, as one. */
function* united(rows: readonly SmallRow[]): Generator<{ term: number; parts: PostingsPart[] }> {
  for (let from = 0, to = 0; from < rows.length; from = to) {
    const term = rows[from]?.term ?? 0;
    while (rows[to]?.term === term) to += 1;
    const same = rows.slice(from, to);
    const [only] = same;
    yield {
      term,
      parts: only && same.length === 1 ? [partOf(only)] : encodePostings(pairsOf(unitedRooms(same))),
    };
  }
}

function partOf(row: SmallRow): PostingsPart {
  const { room_from, number_from, room_to, hits, postings } = row;
  return { roomFrom: room_from, numberFrom: number_from, roomTo: room_to, hits, bytes: postings };
}

function unitedRooms(rows: readonly SmallRow[]): Map<number, number[]> {
  const found = new Map<number, number[]>();
  const everyRoom = {
    get(room: number): number[] {
      const known = found.get(room);
      if (known) return known;
      const list: number[] = [];
      found.set(room, list);
      return list;
    },
  };
  for (const { postings, room_from } of rows) decodePostings(postings, room_from, everyRoom);
  return found;
}
