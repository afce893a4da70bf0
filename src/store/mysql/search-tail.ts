import type { TermGroups } from "../../chat/search-text.ts";
import { authorTerm, termsOf } from "../../chat/search-words.ts";
import type { Queries } from "./database.ts";
import { readSpans } from "./search-reader.ts";

/** Messages of a room that are not in the index yet. */
export interface UnindexedRange {
  readonly roomId: number;
  readonly from: number;
  readonly to: number;
}

/** What may match of such a range: these, and all of what could not be sifted. */
export interface Sifted {
  readonly numbers: readonly number[];
  readonly unsifted: { readonly from: number; readonly to: number };
}

/** Terms of consecutive messages. */
interface Known {
  from: number;
  terms: Uint32Array[];
}

/** Messages at most, about 200 bytes each. More wait only when indexing does not keep up; they are read by each search then. */
const MOST_MESSAGES = 131_072;
const READ_MESSAGES = 256;
const EVERYBODY = { authorIds: undefined, fromMs: null, toMs: null };
const NOTHING = new Uint32Array(0);

/**
 * The terms of the messages that are not in the index yet, in this node's memory: so that many may wait to be indexed together,
 * and no search has to read them. What is kept is only a guess, as the index is: the text decides.
 */
export class SearchTail {
  readonly #rooms = new Map<number, Known>();
  #messages = 0;

  /**
   * Forgets what is indexed and takes in what is new.
   * @param behind what is not indexed, of all rooms or of some
   * @param isAll of all
   * @param most messages read; the rest stays unknown
   */
  async refresh(
    queries: Queries,
    behind: readonly UnindexedRange[],
    { isAll, most }: { readonly isAll: boolean; readonly most: number },
  ): Promise<void> {
    if (isAll && this.#rooms.size > behind.length) this.#keepOnly(behind);
    const fresh: UnindexedRange[] = [];
    let left = Math.min(most, MOST_MESSAGES - this.#messages);
    for (const { roomId, from, to } of behind) {
      const start = this.#trim(roomId, from);
      const end = Math.min(to, start + left - 1);
      if (end < start) continue;
      fresh.push({ roomId, from: start, to: end });
      left -= end - start + 1;
    }
    for (const ranges of portions(fresh, READ_MESSAGES)) {
      const terms = await readTerms(queries, ranges);
      for (const { roomId, from, to } of ranges)
        for (let number = from; number <= to; number++)
          this.#add(roomId, number, terms.get(roomId)?.get(number) ?? NOTHING);
    }
  }

  /** To be asked at once after `refresh`: what is indexed from then on, the index has. */
  sift({ roomId, from, to }: UnindexedRange, groups: TermGroups): Sifted {
    const known = this.#rooms.get(roomId);
    if (!known) return { numbers: [], unsifted: { from, to } };
    const numbers: number[] = [];
    // What is known begins later when others have seen the rest in the index meanwhile.
    for (let at = Math.max(0, from - known.from); at < known.terms.length && known.from + at <= to; at++) {
      const terms = known.terms[at] ?? NOTHING;
      const holds = (alternative: readonly number[]) => alternative.every((term) => terms.includes(term));
      if (groups.every((group) => group.some(holds))) numbers.push(known.from + at);
    }
    return { numbers, unsifted: { from: Math.max(from, known.from + known.terms.length), to } };
  }

  /** Undefined when it is not known. */
  termsOf(roomId: number, number: number): Uint32Array | undefined {
    const known = this.#rooms.get(roomId);
    return known && number >= known.from ? known.terms[number - known.from] : undefined;
  }

  /** @returns the first number that is not known */
  #trim(roomId: number, from: number): number {
    const known = this.#rooms.get(roomId);
    if (!known) return from;
    const indexed = Math.min(Math.max(0, from - known.from), known.terms.length);
    if (indexed > 0) known.terms.splice(0, indexed);
    this.#messages -= indexed;
    known.from = Math.max(known.from, from);
    return known.from + known.terms.length;
  }

  #add(roomId: number, number: number, terms: Uint32Array): void {
    const known = this.#rooms.get(roomId);
    if (!known) this.#rooms.set(roomId, { from: number, terms: [terms] });
    else if (number === known.from + known.terms.length) known.terms.push(terms);
    else return; // somebody else was faster
    this.#messages += 1;
  }

  #keepOnly(behind: readonly UnindexedRange[]): void {
    const kept = new Set(behind.map(({ roomId }) => roomId));
    for (const [roomId, { terms }] of this.#rooms) {
      if (kept.has(roomId)) continue;
      this.#rooms.delete(roomId);
      this.#messages -= terms.length;
    }
  }
}

/** Terms of messages by room and number, their authors' among them. */
export async function readTerms(
  queries: Queries,
  ranges: readonly UnindexedRange[],
): Promise<Map<number, Map<number, Uint32Array>>> {
  const spans = ranges.map(({ roomId, ...span }) => ({ roomId, span }));
  const found = new Map<number, Map<number, Uint32Array>>();
  for (const { roomId, number, authorId, text } of await readSpans(queries, spans, EVERYBODY)) {
    const terms = Uint32Array.from(termsOf(text).add(authorTerm(authorId)));
    const known = found.get(roomId);
    if (known) known.set(number, terms);
    else found.set(roomId, new Map([[number, terms]]));
  }
  return found;
}

/** The ranges cut into lists of so many messages. */
export function* portions(ranges: Iterable<UnindexedRange>, messages: number): Generator<UnindexedRange[]> {
  let portion: UnindexedRange[] = [];
  let size = 0;
  for (const { roomId, from, to } of ranges) {
    for (let start = from; start <= to; ) {
      const end = Math.min(to, start + messages - size - 1);
      portion.push({ roomId, from: start, to: end });
      size += end - start + 1;
      start = end + 1;
      if (size < messages) continue;
      yield portion;
      portion = [];
      size = 0;
    }
  }
  if (portion.length > 0) yield portion;
}
