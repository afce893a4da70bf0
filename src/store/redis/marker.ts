import type { RedisConnection } from "./connection.ts";

/** Longer than any process sleeps: that the key ran out must not look as if somebody had emptied Redis. */
const KEPT_S = 7 * 86_400;
const LIMIT_MS = 2_000;

/**
 * Shows that Redis lost what was in it while it was connected, by `FLUSHALL` or by evicting what it should keep: a key of this process is
 * no longer there. What a restart of Redis loses is no news: the connection told of that.
 */
export class RedisMarker {
  readonly #redis: RedisConnection;
  readonly #key: string;
  #isSet = false;

  /** @param process unlike any other of the pool */
  constructor(redis: RedisConnection, process: string) {
    this.#redis = redis;
    this.#key = `parlance:here:${process}`;
    redis.onState(() => {
      this.#isSet = false;
    });
  }

  /** Puts the marker there again. @returns whether it was gone; false also while Redis does not answer */
  async wasLost(): Promise<boolean> {
    const before = this.#isSet;
    const answer = await this.#redis.within(
      (client) => client.multi().exists(this.#key).set(this.#key, "1", { EX: KEPT_S }).exec(),
      LIMIT_MS,
    );
    if (answer === undefined) return false;
    // A connection that was made anew meanwhile has said false already.
    const lost = before && this.#isSet && Number(answer[0]) === 0;
    this.#isSet = true;
    return lost;
  }
}
