import type { Queries } from "./database.ts";
import { encodePostings, type PostingsPart } from "./search-postings.ts";
import { insertRows, int } from "./sql-values.ts";

/** Rows in one statement: small, so that a node gives its other work a turn in between. */
const ROWS_AT_ONCE = 2_000;
const INSERT =
  "INSERT INTO search_posting (level, term, segment, room_from, number_from, room_to, hits, postings)";

/** Gathers the terms of messages, which come in the order of rooms and numbers. */
export class SegmentBuilder {
  /** By term: room, number, room, number, … */
  readonly #found = new Map<number, number[]>();
  messages = 0;
  postings = 0;

  /** @param terms of the message, its author's among them, each once */
  add(roomId: number, number: number, terms: Iterable<number>): void {
    for (const term of terms) {
      const list = this.#found.get(term);
      if (list) list.push(roomId, number);
      else this.#found.set(term, [roomId, number]);
      this.postings += 1;
    }
    this.messages += 1;
  }

  /** The terms in their order. */
  *terms(): Generator<{ term: number; parts: PostingsPart[] }> {
    for (const term of [...this.#found.keys()].sort((a, b) => a - b))
      yield { term, parts: encodePostings(this.#found.get(term) ?? []) };
  }
}

/**
 * Writes what was gathered as a segment of its own. Also the way to find a message by a text that it did not have when it was
 * indexed: what the index says of a text that is no longer there does no harm.
 */
export async function writeSegment(queries: Queries, builder: SegmentBuilder): Promise<void> {
  const { insertId } = await queries.change("INSERT INTO search_segment (level, messages) VALUES (0, ?)", [
    builder.messages,
  ]);
  await writePostings(queries, 0, insertId, builder.terms());
}

export async function writePostings(
  queries: Queries,
  level: number,
  segment: number,
  terms: Iterable<{ term: number; parts: readonly PostingsPart[] }>,
): Promise<void> {
  let rows: string[] = [];
  const write = async () => {
    for (const statement of insertRows(INSERT, rows)) await queries.change(statement);
    rows = [];
  };
  for (const { term, parts } of terms) {
    for (const part of parts)
      rows.push(
        `(${int(level)},${int(term)},${int(segment)},${int(part.roomFrom)},${int(part.numberFrom)},` +
          `${int(part.roomTo)},${int(part.hits)},X'${part.bytes.toString("hex")}')`,
      );
    if (rows.length >= ROWS_AT_ONCE) await write();
  }
  await write();
}
