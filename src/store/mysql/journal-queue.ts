import { ChatError } from "../../chat/errors.ts";
import { type Entry, weightOf } from "./journal-entry.ts";

export const MAX_FLUSH_ENTRIES = 256;
const MAX_FLUSH_WEIGHT = 1_200;
const MAX_QUEUED_ENTRIES = 16_384;
const MAX_WAIT_MS = 1_000;

/** What waits for the next transaction, in order, never more than about one second of work. */
export class JournalQueue {
  #waiting: Entry[] = [];
  #head = 0;
  /** Of all that wait, see `weightOf`. */
  #weight = 0;
  /** What a transaction takes, milliseconds: rises at once, falls slowly. */
  #flushMs = 0;

  get length(): number {
    return this.#waiting.length - this.#head;
  }

  /**
   * True when an entry that comes now would hear nothing for more than a second, as far as can be known.
   * @param beginWithinMs when its transaction must have begun, or it is refused in the end: better now than then
   */
  isFull(nowMs: number, beginWithinMs = Number.POSITIVE_INFINITY): boolean {
    const waiting = this.length;
    if (waiting >= MAX_QUEUED_ENTRIES) return true;
    const oldest = this.#waiting[this.#head];
    if (oldest !== undefined && nowMs - oldest.queuedAtMs > MAX_WAIT_MS) return true;
    const flushes = Math.max(waiting / MAX_FLUSH_ENTRIES, this.#weight / MAX_FLUSH_WEIGHT);
    // One is under way as a rule, and its own comes after those that wait. The next one may always fill up: leaving room in it would
    // make none of them faster.
    if (flushes < 1) return false;
    return (flushes + 2) * this.#flushMs > MAX_WAIT_MS || (flushes + 1) * this.#flushMs > beginWithinMs;
  }

  add(entry: Entry): void {
    this.#waiting.push(entry);
    this.#weight += weightOf(entry);
  }

  /** Back to the front, in order: they were here before those that wait. */
  putBack(entries: readonly Entry[]): void {
    this.#waiting = [...entries, ...this.#waiting.slice(this.#head)];
    this.#head = 0;
    for (const entry of entries) this.#weight += weightOf(entry);
  }

  /** The next transaction's entries. */
  take(): Entry[] {
    let weight = 0;
    let end = this.#head;
    const last = Math.min(this.#waiting.length, this.#head + MAX_FLUSH_ENTRIES);
    for (; end < last; end++) {
      const entry = this.#waiting[end];
      const more = entry ? weightOf(entry) : 0;
      if (weight + more > MAX_FLUSH_WEIGHT && end > this.#head) break;
      weight += more;
    }
    this.#weight = end === this.#waiting.length ? 0 : this.#weight - weight; // no rounding error stays
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
    this.#weight = 0;
    return taken;
  }

  /** Learns from a transaction that went through or failed, whose time says what the next ones may take. */
  learn(tookMs: number): void {
    this.#flushMs = Math.max(tookMs, this.#flushMs * 0.8 + tookMs * 0.2);
  }
}

export function refuseAll(entries: readonly Entry[], refusal: Error): void {
  for (const entry of entries) entry.reject(refusal);
}

/** @returns those that may still be begun */
export function refuseLate(entries: readonly Entry[], nowMs: number): readonly Entry[] {
  return entries.filter((entry) => {
    const late = entry.kind === "post" && entry.post.startBeforeMs < nowMs;
    if (late) entry.reject(new ChatError("TOO_LATE"));
    return !late;
  });
}
