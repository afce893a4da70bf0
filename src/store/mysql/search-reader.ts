import { ids, limit, type Queries, type Value } from "./database.ts";
import { type Span, sizeOf } from "./search-source.ts";

/** What the database itself leaves out. */
export interface RowFilter {
  /** Undefined: everybody. */
  readonly authorIds: readonly number[] | undefined;
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

export interface RoomSpan {
  readonly roomId: number;
  readonly span: Span;
}

/** What there is to look at. */
export interface ReadMessage {
  readonly roomId: number;
  readonly number: number;
  readonly authorId: number;
  readonly text: string;
}

interface Row {
  room_id: number;
  number: number;
  author_id: number;
  text: string;
}

const SELECT = "SELECT m.room_id, m.number, m.author_id, m.text FROM";
/** A longer span is read by its two ends. */
const LONG_SPAN = 64;
/** So many spans in one condition the database plans quickly. */
const MOST_CONDITIONS = 16;

/** Messages of these spans that the filter lets through, at most `atMost` if so many are read at once, in no order. */
export async function readSpans(
  queries: Queries,
  spans: readonly RoomSpan[],
  filter: RowFilter,
  atMost = Number.MAX_SAFE_INTEGER,
): Promise<ReadMessage[]> {
  const isFew = spans.length <= MOST_CONDITIONS;
  const long = spans.filter(({ span }) => isFew || ("from" in span && sizeOf(span) >= LONG_SPAN));
  const short = isFew ? [] : spans.filter(({ span }) => !("from" in span) || sizeOf(span) < LONG_SPAN);
  const { sql, values } = conditionsOf(filter);
  const end = atMost < Number.MAX_SAFE_INTEGER ? limit(atMost) : "";
  const rows: Row[] = [];
  for (let at = 0; at < long.length; at += MOST_CONDITIONS) {
    const places = placesOf(long.slice(at, at + MOST_CONDITIONS));
    rows.push(
      ...(await queries.rows<Row>(
        `${SELECT} message m FORCE INDEX (PRIMARY) WHERE (${places.sql})${sql} ${end}`,
        [...places.values, ...values],
      )),
    );
  }
  if (short.length > 0)
    // Half the time of hundreds of conditions.
    rows.push(
      ...(await queries.rows<Row>(
        `${SELECT} JSON_TABLE(?, '$[*]' COLUMNS (room INT UNSIGNED PATH '$[0]', number INT UNSIGNED PATH '$[1]')) w ` +
          `STRAIGHT_JOIN message m ON m.room_id = w.room AND m.number = w.number WHERE 1 = 1${sql} ${end}`,
        [JSON.stringify(short.flatMap(pairsOf)), ...values],
      )),
    );
  return rows.map(({ room_id, number, author_id, text }) => ({
    roomId: room_id,
    number,
    authorId: author_id,
    text,
  }));
}

function placesOf(spans: readonly RoomSpan[]): { sql: string; values: Value[] } {
  const values: Value[] = [];
  const places = spans.map(({ roomId, span }) => {
    if ("from" in span) {
      values.push(roomId, span.from, span.to);
      return "(m.room_id = ? AND m.number BETWEEN ? AND ?)";
    }
    values.push(roomId, span.numbers);
    return "(m.room_id = ? AND m.number IN (?))";
  });
  return { sql: places.join(" OR "), values };
}

function pairsOf({ roomId, span }: RoomSpan): [room: number, number: number][] {
  if (!("from" in span)) return span.numbers.map((number) => [roomId, number]);
  return Array.from({ length: sizeOf(span) }, (_, index) => [roomId, span.from + index]);
}

function conditionsOf({ authorIds, fromMs, toMs }: RowFilter): { sql: string; values: Value[] } {
  let sql = "";
  const values: Value[] = [];
  const add = (condition: string, value: Value) => {
    sql += ` AND ${condition}`;
    values.push(value);
  };
  if (authorIds) add("m.author_id IN (?)", ids(authorIds));
  if (fromMs !== null) add("m.at_ms >= ?", fromMs);
  if (toMs !== null) add("m.at_ms <= ?", toMs);
  return { sql, values };
}
