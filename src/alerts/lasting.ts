/** Whether something has been so for a while: what passes by itself in a moment is no alert. */
export class Lasting {
  readonly #forMs: number;
  readonly #monotonicMs: () => number;
  #sinceMs: number | undefined;

  constructor(forMs: number, monotonicMs: () => number) {
    this.#forMs = forMs;
    this.#monotonicMs = monotonicMs;
  }

  /** @param isSo as of now */
  see(isSo: boolean): boolean {
    if (!isSo) {
      this.#sinceMs = undefined;
      return false;
    }
    this.#sinceMs ??= this.#monotonicMs();
    return this.#monotonicMs() - this.#sinceMs >= this.#forMs;
  }

  get lastedMs(): number {
    return this.#sinceMs === undefined ? 0 : this.#monotonicMs() - this.#sinceMs;
  }
}
