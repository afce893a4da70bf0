import type { Clock, LeaseStore } from "../ports.ts";
import type { Incarnation } from "../sip/dialog.ts";

const RENEW_MS = 2_000;
/** Shorter than the lease (8 s): this node falls silent before another may speak for it. */
const SILENCE_AFTER_MS = 6_000;

interface LeaseKeeperPorts {
  readonly leases: LeaseStore;
  readonly clock: Clock;
  /** The lease is gone: everything stops at once; the process exits and begins anew. Called at most once. */
  readonly onLost: (why: string) => void;
  readonly onError: (error: unknown, what: string) => void;
}

/** Holds this node's lease, and knows by the monotonic clock when it may no longer speak, however long the process was paused. */
export class LeaseKeeper {
  readonly incarnation: Incarnation;
  private readonly ports: LeaseKeeperPorts;
  private renewedMs: number;
  private timer: NodeJS.Timeout | undefined;
  private lost = false;

  private constructor(incarnation: Incarnation, ports: LeaseKeeperPorts) {
    this.incarnation = incarnation;
    this.ports = ports;
    this.renewedMs = ports.clock.monotonicMs();
  }

  static async begin(node: string, ports: LeaseKeeperPorts): Promise<LeaseKeeper> {
    const keeper = new LeaseKeeper(await ports.leases.begin(node), ports);
    keeper.timer = setInterval(() => void keeper.renew(), RENEW_MS);
    return keeper;
  }

  /** Looked at before anything is committed or sent. */
  get held(): boolean {
    if (!this.lost && this.ports.clock.monotonicMs() - this.renewedMs > SILENCE_AFTER_MS) {
      this.lose("the lease could not be renewed for 6 s");
    }
    return !this.lost;
  }

  /** Another node has taken over. */
  lose(why: string): void {
    if (this.lost) return;
    this.lost = true;
    clearInterval(this.timer);
    this.ports.onLost(why);
  }

  async release(): Promise<void> {
    clearInterval(this.timer);
    if (this.lost) return;
    this.lost = true;
    await this.ports.leases.release(this.incarnation);
  }

  private async renew(): Promise<void> {
    if (!this.held) return;
    const askedMs = this.ports.clock.monotonicMs();
    try {
      if (await this.ports.leases.renew(this.incarnation)) this.renewedMs = Math.max(this.renewedMs, askedMs);
      else this.lose("another node has taken over");
    } catch (error) {
      this.ports.onError(error, "renewing the lease");
    }
  }
}
