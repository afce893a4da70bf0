import type { Clock } from "../ports.ts";
import type { ArchiveAdapter } from "./adapter.ts";
import { Archiver, type ArchiverOptions, type RunSummary } from "./archiver.ts";
import { Mover } from "./mover.ts";
import type { ComplianceWatch, HandoverStore, OutboxStore } from "./ports.ts";
import { Sweeper, type SweeperOptions } from "./sweeper.ts";

/** Where wake-up jobs come from. */
export interface JobSource {
  start(): void;
  close(): Promise<void>;
}

export interface WorkerParts {
  readonly outbox: OutboxStore;
  readonly handover: HandoverStore;
  /** Undefined: events are moved and kept until an adapter is configured. */
  readonly adapter: ArchiveAdapter | undefined;
  readonly watch: ComplianceWatch;
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs">;
  /** Unlike any other worker's. */
  readonly holder: string;
  /** Where it runs, as it is recorded. */
  readonly node: string;
  readonly jobs: (handler: (eventIds: readonly string[]) => Promise<void>) => JobSource;
  readonly archiver?: ArchiverOptions;
  readonly sweeper?: SweeperOptions;
}

/**
 * The compliance worker: jobs and sweeper feed the mover, the archiver empties what it filled. Any number may run; each
 * part tries again by itself when the database or Redis is away.
 */
export class ComplianceWorker {
  readonly #jobs: JobSource;
  readonly #sweeper: Sweeper;
  readonly #archiver: Archiver | undefined;

  constructor(parts: WorkerParts) {
    const mover = new Mover(parts.outbox, parts.watch);
    this.#jobs = parts.jobs((eventIds) => mover.announce(eventIds));
    this.#sweeper = new Sweeper(parts.outbox, mover, parts.watch, parts.clock, parts.sweeper);
    const { adapter, handover: store, watch, clock, holder, node } = parts;
    this.#archiver = adapter && new Archiver({ store, adapter, watch, clock, holder, node }, parts.archiver);
  }

  start(): void {
    this.#jobs.start();
    this.#sweeper.start();
    this.#archiver?.start();
  }

  /** One sweep now. @returns rows moved. */
  sweepNow(): Promise<number> {
    return this.#sweeper.sweep();
  }

  /** One archive run now; undefined without an adapter. */
  async archiveNow(): Promise<RunSummary | undefined> {
    return this.#archiver?.runNow();
  }

  async stop(): Promise<void> {
    await this.#jobs.close();
    await this.#sweeper.stop();
    await this.#archiver?.stop();
  }
}
