import {
  type ApplyOptions,
  type DirectoryChange,
  type DirectorySource,
  type DirectoryStore,
  DirectoryTrouble,
  type LeftOut,
  TooManyRemovals,
  type Turn,
} from "./ports.ts";
import { SnapshotBuilder } from "./snapshot.ts";

/** A reader that dies is succeeded after this time; one that lives says so three times as often. */
const TURN_MS = 60_000;
/** A directory that could not be read is asked again after this time, or after the interval where that is shorter. */
const RETRY_MS = 60_000;
/** How often each node looks whether it is somebody's turn. */
const LOOK_MS = { most: 10_000, least: 500 };

export interface RefreshPorts {
  readonly source: DirectorySource;
  readonly store: DirectoryStore;
  /** Unlike any other reader's. */
  readonly holder: string;
}

export interface RefreshResult {
  readonly change: DirectoryChange;
  readonly leftOut: LeftOut;
  readonly users: number;
  readonly groups: number;
}

export interface RefreshSettings extends ApplyOptions {
  readonly intervalMs: number;
}

/** What the operator hears of, in log and metrics. */
export interface RefreshWatch {
  /** @param recovered the reading before had failed */
  done(result: RefreshResult, recovered: boolean): void;
  /** Nothing was changed. @param isNew it is not what the reading before failed of */
  failed(trouble: DirectoryTrouble, isNew: boolean): void;
  /** Failures that are not the directory's. */
  error(error: unknown): void;
}

/**
 * Reads the directory and makes its groups ours, or changes nothing.
 * @param turn whoever reads must have it; undefined for a dry run
 * @throws {DirectoryTrouble}
 */
export async function refreshNow(
  { source, store }: RefreshPorts,
  turn: Turn | undefined,
  { intervalMs, ...options }: RefreshSettings,
  signal: AbortSignal = new AbortController().signal,
): Promise<RefreshResult> {
  const lost = new AbortController();
  const renewing = setInterval(() => {
    if (!turn) return;
    store.renewTurn(turn, TURN_MS).then(
      (held) => held || lost.abort(),
      () => {}, // the database is away: tried again, and in the end the turn is compared
    );
  }, TURN_MS / 3);
  try {
    const snapshot = new SnapshotBuilder(await store.servedDomains(), (entries) =>
      options.onProgress?.("entries read", entries),
    );
    await source.read(snapshot, AbortSignal.any([signal, lost.signal]));
    const { users, groups, leftOut } = snapshot.finish();
    const change = await store.apply(turn, { users, groups, leftOut }, options);
    if (turn) await store.endTurn(turn, intervalMs, "");
    return { change, leftOut, users: users.length, groups: groups.length };
  } catch (error) {
    if (turn) await store.endTurn(turn, ...after(error, turn, intervalMs, signal.aborted)).catch(() => {}); // it lapses
    throw error;
  } finally {
    clearInterval(renewing);
  }
}

/** When it is read next, and what is remembered of this time. */
function after(
  error: unknown,
  turn: Turn,
  intervalMs: number,
  stopped: boolean,
): [waitMs: number, trouble: string] {
  if (stopped) return [0, turn.trouble]; // another node goes on
  const trouble = error instanceof DirectoryTrouble ? error.message : "the database did not answer";
  return [error instanceof TooManyRemovals ? intervalMs : Math.min(intervalMs, RETRY_MS), trouble];
}

/** @returns undefined while another one reads */
export function takeTurnAtOnce({ store, holder }: RefreshPorts): Promise<Turn | undefined> {
  return store.takeTurn(holder, TURN_MS, true);
}

/** Reads the directory at intervals, on one node at a time. */
export class DirectoryRefresher {
  readonly #ports: RefreshPorts;
  readonly #settings: RefreshSettings;
  readonly #watch: RefreshWatch;
  readonly #mayRun: () => boolean;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(
    ports: RefreshPorts,
    settings: RefreshSettings,
    watch: RefreshWatch,
    mayRun: () => boolean = () => true,
  ) {
    this.#ports = ports;
    this.#settings = settings;
    this.#watch = watch;
    this.#mayRun = mayRun;
  }

  start(): void {
    const lookMs = Math.max(LOOK_MS.least, Math.min(LOOK_MS.most, this.#settings.intervalMs / 4));
    this.#timer = setInterval(() => void this.look(), lookMs);
    this.#timer.unref();
    void this.look();
  }

  /** Reads if that is due and nobody else does; never beside itself, never throws. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#watch.error(error))
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort();
    await this.#looking;
  }

  async #look(): Promise<void> {
    if (!this.#mayRun() || this.#stopping.signal.aborted) return;
    const { store, holder } = this.#ports;
    const turn = await store.takeTurn(holder, TURN_MS);
    if (!turn) return;
    try {
      const result = await refreshNow(this.#ports, turn, this.#settings, this.#stopping.signal);
      this.#watch.done(result, turn.trouble !== "");
    } catch (error) {
      if (!(error instanceof DirectoryTrouble)) throw error;
      if (!this.#stopping.signal.aborted) this.#watch.failed(error, error.message !== turn.trouble);
    }
  }
}
