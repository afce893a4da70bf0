import type { Clock } from "../ports.ts";
import type { ArchiveStore, CheckpointOutlet, StoredCheckpoint } from "./archive-ports.ts";

export const RETRY_MS = 5_000;
const atOnce = 1_000;

interface PublicationParts {
  readonly store: Pick<ArchiveStore, "checkpointsAfter">;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Something did not work and is tried again. */
  readonly trouble: (error: unknown) => void;
}

/** Brings checkpoints to one place, in their order, each once. What one place does not take holds up no other. */
export class Publication {
  readonly #outlet: CheckpointOutlet;
  readonly #parts: PublicationParts;
  /** Size of the last one that is there. */
  #published: number | undefined;
  #running: Promise<void> | undefined;
  #waitUntilMs = 0;

  constructor(outlet: CheckpointOutlet, parts: PublicationParts) {
    this.#outlet = outlet;
    this.#parts = parts;
  }

  has({ size }: StoredCheckpoint): boolean {
    return this.#published !== undefined && this.#published >= size;
  }

  /** Sets out with all up to this one, unless it is under way or waits after a failure. Never throws. */
  bring(last: StoredCheckpoint): Promise<void> {
    if (this.#running) return this.#running;
    if (this.has(last) || this.#parts.clock.monotonicMs() < this.#waitUntilMs) return Promise.resolve();
    this.#running = this.#publish(last)
      .catch((error: unknown) => {
        this.#waitUntilMs = this.#parts.clock.monotonicMs() + RETRY_MS;
        this.#parts.trouble(error);
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  async #publish(last: StoredCheckpoint): Promise<void> {
    // A place that does not say what it has gets what comes from now on, this one included.
    this.#published ??= (await this.#outlet.last()) ?? last.size - 1;
    for (const checkpoint of await this.#parts.store.checkpointsAfter(this.#published, atOnce)) {
      await this.#outlet.publish(checkpoint);
      this.#published = checkpoint.size;
    }
    // A place that has more than the archive is left alone.
    this.#published = Math.max(this.#published, last.size);
  }
}
