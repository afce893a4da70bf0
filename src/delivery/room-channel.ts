import type { Session } from "../session.ts";

/** Messages that may wait for a missing number; beyond it the store is asked, which has them all. */
const MAX_HELD = 1_000;

/**
 * One room on one node: its local participants, and the queue in which number n leaves only after n-1. Commits overtake each
 * other and pub/sub loses, the order here does neither.
 */
export class RoomChannel {
  readonly roomId: number;
  /** Everything up to here has been handed to the sender. */
  delivered: number;
  readonly sessions = new Set<Session>();
  private readonly held = new Map<number, string>();

  constructor(roomId: number, delivered: number) {
    this.roomId = roomId;
    this.delivered = delivered;
  }

  /**
   * Takes one encoded message.
   * @returns what may leave now, in order; empty when it is a repeat or a number before it is missing.
   */
  offer(number: number, grpchat: string): { number: number; grpchat: string }[] {
    if (number <= this.delivered) return [];
    if (number > this.delivered + 1) {
      if (this.held.size < MAX_HELD) this.held.set(number, grpchat);
      return [];
    }
    const leaving = [{ number, grpchat }];
    this.delivered = number;
    for (;;) {
      const next = this.held.get(this.delivered + 1);
      if (next === undefined) break;
      this.held.delete(this.delivered + 1);
      this.delivered += 1;
      leaving.push({ number: this.delivered, grpchat: next });
    }
    return leaving;
  }

  /** The numbers between what was delivered and the first that waits; undefined when nothing waits. */
  get hole(): { from: number; to: number } | undefined {
    if (this.held.size === 0) return undefined;
    let first = Number.POSITIVE_INFINITY;
    for (const number of this.held.keys()) first = Math.min(first, number);
    return { from: this.delivered + 1, to: first - 1 };
  }
}
