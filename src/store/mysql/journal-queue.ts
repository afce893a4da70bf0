import { type Entry, weightOf } from "./journal-entry.ts";

export const MAX_FLUSH_ENTRIES = 256;
const MAX_FLUSH_WEIGHT = 1_200;
const MAX_QUEUED_ENTRIES = 16_384;
const MAX_WAIT_MS = 1_000;

/** What waits for the next transaction, in order, never more than about one second of work. */
export class JournalQueue {
  #waiting: Entry[] = [];
  #head = 0;
  /** Smoothed cost of one entry, milliseconds; grows from nothing. */
  #costMs = 0;

  get length(): number {
    return this.#waiting.length - this.#head;
  }

  /** True when an entry that comes now would wait for more than a second, as far as can be known. */
  isFull(nowMs: number): boolean {
    const waiting = this.length;
    if (waiting >= MAX_QUEUED_ENTRIES) return true;
    if (waiting * this.#costMs > MAX_WAIT_MS) return true;
    const oldest = this.#waiting[this.#head];
    return oldest !== undefined && nowMs - oldest.queuedAtMs > MAX_WAIT_MS;
  }

  add(entry: Entry): void {
    this.#waiting.push(entry);
  }

  /** Back to the front, in order: they were here before those that wait. */
  putBack(entries: readonly Entry[]): void {
    this.#waiting = [...entries, ...this.#waiting.slice(this.#head)];
    this.#head = 0;
  }

  /** The next transaction's entries. */
  take(): Entry[] {
    let weight = 0;
    let end = this.#head;
    const last = Math.min(this.#waiting.length, this.#head + MAX_FLUSH_ENTRIES);
    for (; end < last; end++) {
      const entry = this.#waiting[end];
      if (entry) weight += weightOf(entry);
      if (weight > MAX_FLUSH_WEIGHT && end > this.#head) break;
    }
    const taken = this.#waiting.slice(this.#head, end);
    this.#head = end;
    if (this.#head > 1_024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }

  takeAll(): Entry[] {
    const taken = this.#waiting.slice(this.#head);
    this.#waiting = [];
    this.#head = 0;
    return taken;
  }

  /** Learns from a transaction that went through, whose time says what a full one would take at most. */
  learn(tookMs: number): void {
    this.#costMs = this.#costMs * 0.8 + (tookMs / MAX_FLUSH_ENTRIES) * 0.2;
  }
}
