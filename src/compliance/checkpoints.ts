import type { StoredCheckpoint } from "./archive-ports.ts";
import { writeCheckpoint } from "./log/checkpoint.ts";
import { signNote } from "./log/note.ts";
import type { OpenLog } from "./open-log.ts";
import type { Lease } from "./ports.ts";
import { Publication, RETRY_MS } from "./publication.ts";
import type { SealerParts } from "./sealer.ts";

export interface CheckpointRhythm {
  /** A checkpoint at least so often, when something was sealed since. */
  readonly everyMs?: number;
  readonly everyLeaves?: number;
}

/** What sealing waits for the copies of a new checkpoint; they go on by themselves. */
const PATIENCE_MS = 1_000;
/** The new key is on its way: its file is exchanged once the change is sealed. */
const KEY_RETRY_MS = 1_000;
const KEY_PATIENCE_MS = 30_000;

/** Signs how far the log reaches and sees to it that copies of that leave the database. */
export class Checkpoints {
  readonly #parts: SealerParts;
  readonly #everyMs: number;
  readonly #everyLeaves: number;
  readonly #publications: readonly Publication[];
  #signAgainMs = 0;
  /** Since when the key at hand is one that was changed. */
  #staleSinceMs: number | undefined;

  constructor(parts: SealerParts, { everyMs = 60_000, everyLeaves = 10_000 }: CheckpointRhythm) {
    this.#parts = parts;
    this.#everyMs = everyMs;
    this.#everyLeaves = everyLeaves;
    const trouble = (error: unknown) => parts.watch.trouble("publish", error);
    this.#publications = parts.outlets.map((outlet) => new Publication(outlet, { ...parts, trouble }));
  }

  /**
   * Makes a checkpoint if one is due, or if `now` and something was sealed since the last. Without a key nothing is lost: sealing
   * goes on, and the next checkpoint covers it. @throws LeaseLost, and what the database says
   */
  async make(lease: Lease, log: OpenLog, now: boolean): Promise<void> {
    const fresh = (await this.#isDue(log, now)) && (await this.#sign(lease, log));
    const publishing = log.last && this.#publish(log.last);
    if (now || fresh) await patience(publishing, PATIENCE_MS);
  }

  async #isDue(log: OpenLog, now: boolean): Promise<boolean> {
    const { last, size } = log;
    const { clock } = this.#parts;
    const added = size - (last?.size ?? 0);
    if (added === 0 || now) return added > 0;
    const sinceMs = clock.nowMs() - (last?.atMs ?? 0);
    // A clock that was set back must not keep checkpoints away.
    const due = added >= this.#everyLeaves || sinceMs >= this.#everyMs || sinceMs < 0;
    return (due || (await log.hasChangedKey())) && clock.monotonicMs() >= this.#signAgainMs;
  }

  /** @returns whether there is a new checkpoint */
  async #sign(lease: Lease, log: OpenLog): Promise<boolean> {
    const { store, signer, watch, clock } = this.#parts;
    const failed = (error: unknown) => {
      this.#signAgainMs = clock.monotonicMs() + RETRY_MS;
      watch.trouble("sign", error);
    };
    const by = await signer().catch(failed);
    if (!by) return false;
    const changed = await log.changedBy(by);
    if (changed !== undefined) {
      this.#awaitKey(changed);
      return false;
    }
    this.#staleSinceMs = undefined;
    const { size } = log;
    const root = log.root();
    const note = await signNote(writeCheckpoint({ origin: by.name, size, root }), by).catch(failed);
    if (note === undefined) return false;
    const checkpoint: StoredCheckpoint = { size, atMs: clock.nowMs(), root, note };
    await store.saveCheckpoint(lease, checkpoint);
    log.noteCheckpoint(checkpoint);
    watch.checkpoint(size);
    return true;
  }

  /** A key that was changed may be a thief's by now: what it signs behind the change would be taken for a forgery. */
  #awaitKey(changedBy: number): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#signAgainMs = nowMs + KEY_RETRY_MS;
    this.#staleSinceMs ??= nowMs;
    if (nowMs - this.#staleSinceMs < KEY_PATIENCE_MS) return;
    const why = `event ${changedBy} has put another key in the place of this worker's: give it the new one`;
    this.#parts.watch.trouble("sign", new Error(why));
  }

  /** Goes on by itself: a place that takes its time must not hold up the sealing. Never throws. */
  async #publish(last: StoredCheckpoint): Promise<void> {
    const isEverywhere = () => this.#publications.every((publication) => publication.has(last));
    if (isEverywhere()) return;
    await Promise.all(this.#publications.map((publication) => publication.bring(last)));
    if (isEverywhere()) this.#parts.watch.published(last.size);
  }
}

/** Until the work is done, or for so long. */
async function patience(work: Promise<unknown> | undefined, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, enough]);
  clearTimeout(timer);
}
