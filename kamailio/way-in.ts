import type { Clock } from "../src/ports.ts";

/** Requests come in over connections that Kamailio makes. Pings answered for this long without one hello over them: they are not there. */
const SILENT_MS = 10_000;
/** Whole seconds. janssonrpcc connects at its start and tries again three seconds after each failure. */
const YOUNG_AGE = 3;

/** What a Kamailio says of itself. */
interface Life {
  /** Whole seconds. */
  readonly age: number;
  readonly nodes: number;
}

export interface WayInPorts {
  readonly clock: Clock;
  /** Ends all connections that Kamailio has made to this node; it makes them again. */
  readonly reconnect: () => void;
  /** Whether requests get here has changed. */
  readonly onChange: (open: boolean) => void;
}

/**
 * The way from one Kamailio to this node, watched from this end: janssonrpcc does not notice when one of its connections is dead.
 *
 * COMPAT(Kamailio, 5.6 to 6.1): the first time that one of janssonrpcc's connections fails it closes descriptor 0, which after the
 * first of these is some other live connection. So all of them must have failed once before one of them can get that number: every
 * node ends those that a Kamailio makes in its first seconds, whenever it hears of it then: not all are made at the same moment, and
 * none comes back that soon. With one node they all fail at the same moment.
 */
export class WayIn {
  private readonly ports: WayInPorts;
  /** The first ping that was answered without a hello after it. */
  private unheardMs: number | undefined;
  private wasOpen = true;
  /** A hello has come since the connections last changed. */
  reached = false;

  constructor(ports: WayInPorts) {
    this.ports = ports;
  }

  /** Requests get here, as far as is known. */
  get open(): boolean {
    return this.unheardMs === undefined || this.ports.clock.monotonicMs() - this.unheardMs < SILENT_MS;
  }

  /** A ping was answered. */
  pinged({ age, nodes }: Life): void {
    if (age < YOUNG_AGE && nodes > 1) this.ports.reconnect();
    this.unheardMs ??= this.ports.clock.monotonicMs();
    this.tell();
  }

  /** A ping was not answered: that Kamailio is away, and its silence says nothing. */
  lost(): void {
    this.unheardMs = undefined;
  }

  /** A connection was made or has ended: whether requests still get here is known at the next hello. */
  changed(): void {
    this.reached = false;
  }

  /** Kamailio's hello came in. */
  greeted(): void {
    this.reached = true;
    this.unheardMs = undefined;
    this.tell();
  }

  private tell(): void {
    if (this.open === this.wasOpen) return;
    this.wasOpen = this.open;
    this.ports.onChange(this.wasOpen);
  }
}
