/** Numbers of one room's messages: some, or all between two. */
export type Span = { readonly numbers: readonly number[] } | { readonly from: number; readonly to: number };

/** Messages of one room that may match, in the direction of the search, to be read some at a time. */
export class RoomSource {
  readonly roomId: number;
  readonly #pieces: Span[];
  readonly #backwards: boolean;

  /**
   * @param candidates ascending, from the index
   * @param rest what was not sifted by the index: all of it may match, and candidates in it are in it already
   */
  constructor(
    roomId: number,
    candidates: readonly number[],
    rest: { readonly from: number; readonly to: number },
    { start, backwards }: { readonly start: number | null; readonly backwards: boolean },
  ) {
    this.roomId = roomId;
    this.#backwards = backwards;
    const low = backwards || start === null ? 1 : start;
    const high = backwards && start !== null ? start : Number.MAX_SAFE_INTEGER;
    const sifted = candidates.filter((number) => number >= low && number <= high && number < rest.from);
    const unsifted = { from: Math.max(low, rest.from), to: Math.min(high, rest.to) };
    const pieces: Span[] = [{ numbers: sifted }, unsifted];
    this.#pieces = (backwards ? pieces.reverse() : pieces).filter((piece) => sizeOf(piece) > 0);
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** True when what comes next was not found by the index. */
  get isUnsifted(): boolean {
    const [piece] = this.#pieces;
    return piece !== undefined && "from" in piece;
  }

  /** The next ones, at most `most`. */
  next(most: number): Span {
    const [piece] = this.#pieces;
    if (!piece) return { numbers: [] };
    if ("from" in piece)
      return this.#backwards
        ? { from: Math.max(piece.from, piece.to - most + 1), to: piece.to }
        : { from: piece.from, to: Math.min(piece.to, piece.from + most - 1) };
    return { numbers: this.#backwards ? piece.numbers.slice(-most) : piece.numbers.slice(0, most) };
  }

  /** Done with those that `next` gave. */
  advance(most: number): void {
    const [piece, ...others] = this.#pieces;
    if (!piece) return;
    const left = Math.max(0, sizeOf(piece) - most);
    if (left === 0) this.#pieces.splice(0, this.#pieces.length, ...others);
    else if ("from" in piece)
      this.#pieces[0] = this.#backwards
        ? { from: piece.from, to: piece.to - most }
        : { from: piece.from + most, to: piece.to };
    else
      this.#pieces[0] = {
        numbers: this.#backwards ? piece.numbers.slice(0, left) : piece.numbers.slice(most),
      };
  }
}

export function sizeOf(span: Span): number {
  return "from" in span ? span.to - span.from + 1 : span.numbers.length;
}
