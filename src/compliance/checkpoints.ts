import type { StoredCheckpoint } from "./archive-ports.ts";
import { writeCheckpoint } from "./log/checkpoint.ts";
import { signNote } from "./log/note.ts";
import type { OpenLog } from "./open-log.ts";
import { type Lease, LeaseLost } from "./ports.ts";
import type { SealerParts } from "./sealer.ts";

export interface CheckpointRhythm {
  /** A checkpoint at least so often, when something was sealed since. */
  readonly everyMs?: number;
  readonly everyLeaves?: number;
}

const retryMs = 5_000;
const atOnce = 1_000;

/** Signs how far the log reaches and sees to it that copies of that leave the database. */
export class Checkpoints {
  readonly #parts: SealerParts;
  readonly #everyMs: number;
  readonly #everyLeaves: number;
  /** Size of the last checkpoint that each outlet has. */
  readonly #published: (number | undefined)[];
  #waitUntilMs = 0;

  constructor(parts: SealerParts, { everyMs = 60_000, everyLeaves = 10_000 }: CheckpointRhythm) {
    this.#parts = parts;
    this.#everyMs = everyMs;
    this.#everyLeaves = everyLeaves;
    this.#published = parts.outlets.map(() => undefined);
  }

  /**
   * Makes a checkpoint if one is due, or if `now` and something was sealed since the last. Without a key nothing is lost: sealing
   * goes on, and the next checkpoint covers it. @throws LeaseLost, and what the database says
   */
  async make(lease: Lease, log: OpenLog, now: boolean): Promise<void> {
    const { store, signer, watch, clock } = this.#parts;
    const last = log.last;
    const added = log.size - (last?.size ?? 0);
    const sinceMs = clock.nowMs() - (last?.atMs ?? 0);
    // A clock that was set back must not keep checkpoints away.
    const due = added > 0 && (now || added >= this.#everyLeaves || sinceMs >= this.#everyMs || sinceMs < 0);
    if (due && (now || clock.monotonicMs() >= this.#waitUntilMs)) {
      let note: string;
      const root = log.root();
      try {
        const by = await signer();
        note = await signNote(writeCheckpoint({ origin: by.name, size: log.size, root }), by);
      } catch (error) {
        this.#waitUntilMs = clock.monotonicMs() + retryMs;
        watch.trouble("sign", error);
        return;
      }
      const checkpoint: StoredCheckpoint = { size: log.size, atMs: clock.nowMs(), root, note };
      await store.saveCheckpoint(lease, checkpoint);
      log.noteCheckpoint(checkpoint);
      watch.checkpoint(log.size);
    }
    if (log.last) await this.#publishAll(log.last);
  }

  async #publishAll(last: StoredCheckpoint): Promise<void> {
    const isEverywhere = () => this.#published.every((size) => size === last.size);
    if (isEverywhere()) return;
    for (const place of this.#parts.outlets.keys()) await this.#publish(place, last);
    if (isEverywhere()) this.#parts.watch.published(last.size);
  }

  async #publish(place: number, last: StoredCheckpoint): Promise<void> {
    const outlet = this.#parts.outlets[place];
    if (!outlet || this.#published[place] === last.size) return;
    if (this.#parts.clock.monotonicMs() < this.#waitUntilMs) return;
    try {
      const from = this.#published[place] ?? (await outlet.last());
      const missed = from === undefined ? [last] : await this.#parts.store.checkpointsAfter(from, atOnce);
      for (const checkpoint of missed) {
        await outlet.publish(checkpoint);
        this.#published[place] = checkpoint.size;
      }
      if (missed.length === 0) this.#published[place] = last.size;
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      this.#waitUntilMs = this.#parts.clock.monotonicMs() + retryMs;
      this.#parts.watch.trouble("publish", error);
    }
  }
}
