import { ChatError } from "../../chat/errors.ts";

/** Lets some in at once; others wait, in their order, and too many are refused. */
export class SearchGate {
  readonly #most: number;
  readonly #mostWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  constructor(most: number, mostWaiting: number) {
    this.#most = most;
    this.#mostWaiting = mostWaiting;
  }

  /** @throws {ChatError} OVERLOADED */
  async through<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#inside < this.#most) this.#inside += 1;
    else if (this.#waiting.length >= this.#mostWaiting) throw new ChatError("OVERLOADED");
    else await new Promise<void>((enter) => this.#waiting.push(enter)); // the place of one who leaves goes over to him
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#inside -= 1;
    }
  }
}
