import type { ComplianceWatch, OutboxStore } from "./ports.ts";

/** Rows in one transaction: large enough that its round trips and its commit no longer count. */
const maxBatch = 500;
/** So few large events pass any limit of a statement that a working database could have. */
const minBatch = 8;

export interface MoverOptions {
  /** Ids that may wait for the database; what comes beyond is left to the sweeper. */
  readonly maxWaiting?: number;
  /**
   * How long a few ids wait for more. The archive is in no hurry, and a transaction for each flush of the chat would
   * take its disk from it.
   */
  readonly lingerMs?: number;
}

interface Announcement {
  readonly ids: readonly string[];
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Moves committed events from the outbox to the hand-over table. Announcements gather for a moment and leave together, so
 * more load means larger batches, not more of them.
 */
export class Mover {
  readonly #store: OutboxStore;
  readonly #watch: ComplianceWatch;
  readonly #maxWaiting: number;
  readonly #lingerMs: number;
  #timer: NodeJS.Timeout | undefined;
  #waiting: Announcement[] = [];
  #waitingIds = 0;
  #running = false;
  #batchSize = maxBatch;

  constructor(store: OutboxStore, watch: ComplianceWatch, options: MoverOptions = {}) {
    this.#store = store;
    this.#watch = watch;
    this.#maxWaiting = options.maxWaiting ?? 20_000;
    this.#lingerMs = options.lingerMs ?? 250;
  }

  /**
   * Resolves when the rows of these ids were moved, were gone, or are being moved by somebody else: who announces and
   * waits is slowed to the speed of the database. @throws what the database said; the rows are still in the outbox.
   */
  announce(ids: readonly string[]): Promise<void> {
    if (ids.length === 0 || this.#waitingIds + ids.length > this.#maxWaiting) return Promise.resolve();
    return new Promise((done, failed) => {
      this.#waiting.push({ ids, done, failed });
      this.#waitingIds += ids.length;
      this.#schedule();
    });
  }

  /**
   * Moves these ids now, in batches. After a failure the next batches are smaller: very large events may have exceeded the
   * limit of a statement. @returns how many went; the rest is gone or in other hands.
   */
  async move(ids: readonly string[]): Promise<number> {
    let moved = 0;
    for (let start = 0; start < ids.length; ) {
      const batch = ids.slice(start, start + this.#batchSize);
      moved += await this.#moveBatch(batch);
      start += batch.length;
    }
    return moved;
  }

  async #moveBatch(batch: readonly string[]): Promise<number> {
    try {
      const { moved, conflicts } = await this.#store.move(batch);
      this.#batchSize = Math.min(this.#batchSize * 2, maxBatch);
      if (moved > 0) this.#watch.moved(moved);
      for (const eventId of conflicts) this.#watch.conflict(eventId);
      return moved;
    } catch (error) {
      this.#batchSize = Math.max(Math.floor(this.#batchSize / 4), minBatch);
      throw error;
    }
  }

  #schedule(): void {
    if (this.#running || this.#waiting.length === 0) return;
    if (this.#waitingIds >= maxBatch) {
      clearTimeout(this.#timer);
      void this.#run();
    } else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => void this.#run(), this.#lingerMs);
    }
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    this.#running = true;
    do await this.#moveTogether(this.#takeBatch());
    while (this.#waitingIds >= maxBatch);
    this.#running = false;
    this.#schedule();
  }

  async #moveTogether(batch: readonly Announcement[]): Promise<void> {
    try {
      await this.move([...new Set(batch.flatMap(({ ids }) => ids))]);
      for (const { done } of batch) done();
    } catch (error) {
      this.#watch.trouble("move", error);
      for (const { failed } of batch) failed(error);
    }
  }

  #takeBatch(): Announcement[] {
    let ids = 0;
    let count = 0;
    for (const announcement of this.#waiting) {
      if (count > 0 && ids + announcement.ids.length > maxBatch) break;
      ids += announcement.ids.length;
      count++;
    }
    this.#waitingIds -= ids;
    return this.#waiting.splice(0, count);
  }
}
