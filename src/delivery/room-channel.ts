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
  private readonly held = new Map<number, string | undefined>();

  constructor(roomId: number, delivered: number) {
    this.roomId = roomId;
    this.delivered = delivered;
  }

  /**
   * Takes one encoded message; undefined for one that was removed, whose number is passed over in its turn.
   * @param stored as the store has it now: in place of a copy that waits, and no late copy takes it away again
   * @returns what may leave now, in order; empty when it is a repeat or a number before it is missing.
   */
  offer(number: number, grpchat: string | undefined, stored = false): { number: number; grpchat: string }[] {
    if (number <= this.delivered) return [];
    if (number > this.delivered + 1) {
      if (this.held.has(number) ? stored : this.held.size < MAX_HELD) this.held.set(number, grpchat);
      return [];
    }
    const leaving: { number: number; grpchat: string }[] = [];
    const leave = (next: string | undefined) => {
      this.delivered += 1;
      this.held.delete(this.delivered);
      if (next !== undefined) leaving.push({ number: this.delivered, grpchat: next });
    };
    leave(grpchat);
    while (this.held.has(this.delivered + 1)) leave(this.held.get(this.delivered + 1));
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
