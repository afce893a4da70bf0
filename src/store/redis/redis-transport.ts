import { RedisConnection, type RedisSettings } from "./connection.ts";
import type { BusTransport } from "./node-bus.ts";

/** One Redis channel for the pool. Publishing and subscribing need a connection each. */
export class RedisTransport implements BusTransport {
  readonly #publisher: RedisConnection;
  readonly #subscriber: RedisConnection;
  readonly #channel: string;
  readonly #onPayload: ((payload: string) => void)[] = [];
  readonly #onState: ((connected: boolean) => void)[] = [];
  #subscribed = false;
  #subscribing = false;
  #up = false;
  #closed = false;

  constructor(settings: RedisSettings, channel = "parlance:bus") {
    this.#publisher = new RedisConnection(settings);
    this.#subscriber = new RedisConnection(settings);
    this.#channel = channel;
  }

  start(): void {
    this.#publisher.onState(() => this.#settle());
    this.#subscriber.onState((connected) => {
      if (connected && !this.#subscribed) void this.#subscribe();
      this.#settle();
    });
    this.#publisher.start();
    this.#subscriber.start();
  }

  /** @throws when Redis is away or did not answer in time. */
  async publish(payload: string): Promise<void> {
    const receivers = await this.#publisher.within((client) => client.publish(this.#channel, payload));
    if (receivers === undefined) throw new Error("Redis is away");
  }

  onPayload(listener: (payload: string) => void): void {
    this.#onPayload.push(listener);
  }

  onState(listener: (connected: boolean) => void): void {
    this.#onState.push(listener);
    if (this.#up) listener(true);
  }

  close(): void {
    this.#closed = true;
    this.#publisher.close();
    this.#subscriber.close();
  }

  /** Once: the client library subscribes again after each reconnect, before it reports to be ready. */
  async #subscribe(): Promise<void> {
    if (this.#subscribing) return;
    this.#subscribing = true;
    const deliver = (payload: string) => {
      for (const listener of this.#onPayload) listener(payload);
    };
    const done = await this.#subscriber.within(async (client) => {
      await client.subscribe(this.#channel, deliver);
      return true;
    }, 3_000);
    this.#subscribing = false;
    if (done) {
      this.#subscribed = true;
      this.#settle();
    } else if (!this.#closed) {
      // Still connected but refused or silent: asked again; when the connection closes, its return asks.
      setTimeout(() => {
        if (this.#subscriber.connected && !this.#subscribed) void this.#subscribe();
      }, 1_000).unref();
    }
  }

  #settle(): void {
    const up = this.#publisher.connected && this.#subscriber.connected && this.#subscribed;
    if (up === this.#up) return;
    this.#up = up;
    for (const listener of this.#onState) listener(up);
  }
}
