import { createClient } from "redis";

/** The raw client; BullMQ takes it as it is. */
export type RedisClient = ReturnType<typeof createClient>;

export interface RedisSettings {
  /** `redis://:password@host:port/db`: holds a password, never logged. */
  readonly url: string;
  /** Longest time an answer is waited for. */
  readonly commandTimeoutMs?: number;
  /**
   * Limit of one command inside the client library itself. A consumer of jobs needs more than the 10 s its blocking command takes.
   */
  readonly libraryTimeoutMs?: number;
  /** While the connection is down, commands given to `raw` wait for it (up to the library's limit) instead of being refused at once. */
  readonly commandsWait?: boolean;
  /** Told of the first failure of each outage, not of every attempt, and of commands that Redis refuses. */
  readonly onTrouble?: (error: Error) => void;
}

const firstRetryMs = 50;
const maxRetryMs = 1_000;
/** A Redis that accepts connections and says nothing is given up after this. */
const silenceMs = 3_000;
const pingMs = 1_000;

/**
 * The one place that connects to Redis. Nothing here throws because Redis is away: commands are refused at once while the
 * connection is down (no offline queue), and `within` gives undefined instead of an error.
 */
export class RedisConnection {
  readonly raw: RedisClient;
  readonly #commandTimeoutMs: number;
  readonly #onTrouble: (error: Error) => void;
  readonly #listeners: ((connected: boolean) => void)[] = [];
  #connected = false;
  #closed = false;
  #started = false;
  #told = false;

  constructor(settings: RedisSettings) {
    this.#commandTimeoutMs = settings.commandTimeoutMs ?? 300;
    this.#onTrouble = settings.onTrouble ?? (() => {});
    this.raw = createClient({
      url: settings.url,
      disableOfflineQueue: settings.commandsWait !== true,
      pingInterval: pingMs,
      commandOptions: { timeout: settings.libraryTimeoutMs ?? 5_000 },
      socket: {
        connectTimeout: silenceMs,
        socketTimeout: Math.max(silenceMs, settings.libraryTimeoutMs ?? 0),
        // Duplicates made by BullMQ share this strategy: they end with us even when nobody closes them.
        reconnectStrategy: (retries) => (this.#closed ? false : backOff(retries)),
      },
    });
    this.raw.on("ready", () => {
      this.#told = false;
      this.#announce(true);
    });
    this.raw.on("error", (error: Error) => {
      if (!this.#told && !this.#closed) this.#onTrouble(error);
      this.#told = true;
      if (!this.raw.isReady) this.#announce(false);
    });
    this.raw.on("end", () => this.#announce(false));
  }

  /** Begins to connect and keeps at it; never waits. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.raw.connect().catch(() => undefined); // rejected only when closed meanwhile: the strategy never gives up
  }

  get connected(): boolean {
    return this.#connected && this.raw.isReady;
  }

  /** Called on each change, and at once with true when the connection stands already. */
  onState(listener: (connected: boolean) => void): void {
    this.#listeners.push(listener);
    if (this.connected) listener(true);
  }

  /**
   * Runs commands with a limit for all of them together. @returns undefined when Redis is away, refused or took too long;
   * it is unknown then whether the commands took effect.
   */
  async within<T>(
    run: (client: RedisClient) => Promise<T>,
    limitMs = this.#commandTimeoutMs,
  ): Promise<T | undefined> {
    if (!this.connected) return undefined;
    const answer = (async () => run(this.raw))().catch((error: unknown) => {
      // A failure of the connection is told by its state; a refusal by Redis itself would otherwise stay unseen.
      if (this.connected) this.#onTrouble(error instanceof Error ? error : new Error(String(error)));
      return undefined;
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, limitMs, undefined);
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the connection at once; what is under way is given up. */
  close(): void {
    this.#closed = true;
    this.raw.destroy();
    this.#announce(false);
  }

  #announce(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const listener of this.#listeners) listener(connected);
  }
}

function backOff(retries: number): number {
  return Math.min(firstRetryMs * 2 ** Math.min(retries, 10), maxRetryMs) + Math.floor(Math.random() * 100);
}
