import type { BusMessage, NodeBus } from "../../ports.ts";
import type { Incarnation } from "../../sip/dialog.ts";
import { decodeFrame, encodeFrame } from "./bus-frame.ts";

/** Carries text to every node, the sender included. May lose; never reorders what one node sent. */
export interface BusTransport {
  /** @throws when it is not known to have left. */
  publish(payload: string): Promise<void>;
  onPayload(listener: (payload: string) => void): void;
  /** With true on each (re)connect, false when the connection goes away. */
  onState(listener: (connected: boolean) => void): void;
}

export interface BusCounts {
  /** Messages not sent: away, too many or too large. */
  readonly dropped: number;
  /** Frames of others that could not be read. */
  readonly malformed: number;
}

export interface BusLimits {
  /** Messages that wait or are under way. */
  readonly maxPending: number;
  readonly maxPendingBytes: number;
  /** One frame; several small messages share one. */
  readonly maxFrameBytes: number;
}

const defaultLimits: BusLimits = { maxPending: 4_000, maxPendingBytes: 8 << 20, maxFrameBytes: 1 << 20 };
const maxFramesUnderWay = 4;

/** Pub/sub between nodes. What waits leaves together: one frame carries the messages of one turn of the event loop. */
export class RedisBus implements NodeBus {
  readonly #transport: BusTransport;
  readonly #me: Incarnation;
  readonly #limits: BusLimits;
  readonly #listeners: ((message: BusMessage) => void)[] = [];
  #waiting: string[] = [];
  #pending = 0;
  #pendingBytes = 0;
  #underWay = 0;
  #scheduled = false;
  #connected = false;
  #dropped = 0;
  #malformed = 0;

  constructor(transport: BusTransport, me: Incarnation, limits: Partial<BusLimits> = {}) {
    this.#transport = transport;
    this.#me = me;
    this.#limits = { ...defaultLimits, ...limits };
    transport.onState((connected) => {
      this.#connected = connected;
      if (!connected) this.#dropWaiting();
    });
    transport.onPayload((payload) => this.#receive(payload));
  }

  publish(message: BusMessage): void {
    const text = JSON.stringify(message);
    const bytes = Buffer.byteLength(text);
    const { maxPending, maxPendingBytes, maxFrameBytes } = this.#limits;
    const full = this.#pending >= maxPending || this.#pendingBytes + bytes > maxPendingBytes;
    if (!this.#connected || full || bytes > maxFrameBytes - 200) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(text);
    this.#pending++;
    this.#pendingBytes += bytes;
    this.#schedule();
  }

  onMessage(listener: (message: BusMessage) => void): void {
    this.#listeners.push(listener);
  }

  onState(listener: (connected: boolean) => void): void {
    this.#transport.onState(listener);
  }

  counts(): BusCounts {
    return { dropped: this.#dropped, malformed: this.#malformed };
  }

  #schedule(): void {
    if (this.#scheduled || this.#underWay >= maxFramesUnderWay || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    let bytes = 0;
    let count = 0;
    for (const text of this.#waiting) {
      const size = Buffer.byteLength(text) + 1;
      if (count > 0 && bytes + size > this.#limits.maxFrameBytes - 200) break;
      bytes += size;
      count++;
    }
    if (count === 0) return;
    const messages = this.#waiting.splice(0, count);
    this.#underWay++;
    this.#schedule();
    try {
      await this.#transport.publish(encodeFrame(this.#me, messages));
    } catch {
      this.#dropped += count;
    } finally {
      this.#underWay--;
      this.#release(messages);
      this.#schedule();
    }
  }

  #receive(payload: string): void {
    const frame = payload.length > this.#limits.maxFrameBytes ? undefined : decodeFrame(payload);
    if (frame === undefined) {
      this.#malformed++;
      return;
    }
    if (frame.from === this.#me) return;
    this.#malformed += frame.unreadable;
    for (const message of frame.messages) for (const listener of this.#listeners) listener(message);
  }

  #dropWaiting(): void {
    this.#dropped += this.#waiting.length;
    this.#release(this.#waiting);
    this.#waiting = [];
  }

  #release(messages: readonly string[]): void {
    this.#pending -= messages.length;
    for (const text of messages) this.#pendingBytes -= Buffer.byteLength(text);
  }
}
