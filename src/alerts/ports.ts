import type { Alert, Finding } from "./alert.ts";

/** Looks at one thing. What cannot be seen is not the matter: a look that fails leaves its findings as they were. */
export type Probe = () => Promise<readonly Finding[]> | readonly Finding[];

/** What kind of process looks. */
export type ProcessKind = "node" | "worker";

/** An alert as it is stored, and when it was told last. */
export interface StoredAlert extends Alert {
  /** Null: nobody has been told yet. */
  readonly toldMs: number | null;
}

/** What the processes of a pool know of each other, in the database. All methods throw when it is away. */
export interface AlertStore {
  /**
   * Says that this process lives. @returns whether it is the one that looks after what is everybody's: the one that was, while it
   * says so often enough, else the first that asks
   */
  watch(process: string, kind: ProcessKind): Promise<boolean>;
  /** Ended in order: nobody misses it, and whoever asks next looks after the pool. */
  leave(process: string): Promise<void>;
  /** Keeps alerts as they are now; `gone` are over. */
  save(alerts: readonly Alert[], gone: readonly Alert[]): Promise<void>;
  told(alerts: readonly Alert[], atMs: number): Promise<void>;
  /** Alerts of an owner: of an earlier life, or of the pool, by whoever looked after it before. */
  of(owner: string): Promise<StoredAlert[]>;
  /** Alerts of processes that have ended and have not come back for a while. */
  orphans(): Promise<StoredAlert[]>;
  list(): Promise<Alert[]>;
  /** A process that shall not come back is missed no longer. @returns whether it was known, and silent */
  forget(process: string): Promise<boolean>;
}

/** What the database shows of the whole pool. */
export interface PoolFigures {
  /** This machine's clock against the database's. */
  readonly clockAheadMs: number;
  /** Processes that ended without saying so. */
  readonly dead: readonly { readonly name: string; readonly kind: ProcessKind; readonly silentMs: number }[];
  readonly workers: number;
  readonly oldestOutboxMs: number | null;
  readonly oldestHandoverMs: number | null;
  /** Put aside, and not accepted by anybody. */
  readonly quarantined: number;
  readonly archive: ArchiveFigures;
  /** Nodes with a lease, and since when they have recorded nothing; null: in all their life. */
  readonly silent: readonly { readonly incarnation: string; readonly silentMs: number | null }[];
  /** Where chat and archive did not say the same when they were last compared, and where the archive waits for an event. */
  readonly differences: readonly {
    readonly what: string;
    readonly stream: string;
    readonly first: number;
    readonly last: number;
  }[];
  /** Since chat and archive were compared; null when they never were, or nothing was ever sealed. */
  readonly sinceReconciledMs: number | null;
  /** Runs of adapters that have failed at least once. */
  readonly failing: readonly {
    readonly adapter: string;
    readonly attempts: number;
    readonly reason: string;
  }[];
}

/** The permanent archive. */
export interface ArchiveFigures {
  /** How long the oldest event has waited to be sealed, of those that wait for no other one; null while that is not long. */
  readonly oldestReadyMs: number | null;
  /** Age of the oldest sealed event that no checkpoint covers. */
  readonly unsignedMs: number | null;
  /** What the last check found; null without one. */
  readonly verdict: string | null;
  /** The first event that a check found changed and no later one right. */
  readonly changed: { readonly event: number; readonly field: string } | null;
}

export interface PoolView {
  figures(): Promise<PoolFigures>;
}

export interface News {
  readonly firing: readonly Alert[];
  readonly resolved: readonly Alert[];
}

/** Somebody who is told. */
export interface AlertSink {
  /** For the log: "webhook", "mail". */
  readonly name: string;
  /** @throws when it is not certain that the news arrived: it is told again later, so it may arrive twice. */
  tell(news: News): Promise<void>;
  /** Looks whether somebody is there, and tells him nothing. @throws why not */
  reach(): Promise<void>;
}

/** Log and metrics. */
export interface AlertWatch {
  raised(alert: Alert): void;
  cleared(alert: Alert): void;
  /** A sink could not be reached; told once until it works again. */
  undelivered(sink: string, why: string): void;
  delivered(sink: string): void;
  trouble(what: string, error: unknown): void;
}
