import { setTimeout as pause } from "node:timers/promises";
import type { Attendance } from "../attendance.ts";
import type { Fanout } from "../delivery/fanout.ts";
import type { ReadMarks } from "../delivery/read-marks.ts";
import type { Clock, NodeBus, ProgressStore } from "../ports.ts";
import type { Sessions } from "../sessions.ts";
import type { Changes } from "./changes.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import type { RightsReview } from "./rights-review.ts";
import type { Takeover } from "./takeover.ts";

/** How long a participant whose connection closed keeps his place. */
const AWAY_GRACE_MS = 30_000;
const SWEEP_MS = 1_000;
const TAKEOVER_LOOK_MS = 1_000;
/** Looked at twice a second: without the bus a message is at most two seconds late. */
const CATCH_UP_LOOK_MS = 500;
const CATCH_UP_MS = { withoutBus: 1_500, withBus: 10_000 };
/** Others come back to the bus later than this node: what they say until then reaches nobody. */
const BUS_SETTLES_MS = 15_000;
/** Who is not told of a change by the bus notices it so soon; it costs one look at an index. */
const CHANGES_LOOK_MS = 500;
/** Everything is compared now and then, whatever was missed. */
const RECONCILE_MS = 60_000;
/** How long a second's copies may take to leave before their progress is saved. */
const SENDING_LOOK_MS = 20;
const SENDING_LOOKS = 40;
const INDEX_MS = 1_000;
const CLEAN_UP_MS = 120_000;

interface HousekeepingPorts {
  readonly sessions: Sessions;
  readonly attendance: Attendance;
  readonly fanout: Fanout;
  readonly progress: ProgressStore;
  readonly readMarks: ReadMarks;
  readonly changes: Changes;
  readonly review: RightsReview;
  readonly takeover: Takeover;
  readonly lease: LeaseKeeper;
  readonly bus: NodeBus;
  readonly clock: Clock;
  /** Indexes for the history search what has gathered since, for less than a third of the time. */
  readonly index: () => Promise<unknown>;
  /** Removes rows that have had their time. */
  readonly cleanUp: () => Promise<unknown>;
  /** A dialog without any traffic for twice this long is over (RFC 4028 §10, with room for a lost refresh). */
  readonly sessionExpiresMs: number;
  /** What else is to be done now and then. */
  readonly chores: readonly {
    readonly what: string;
    readonly everyMs: number;
    readonly work: () => Promise<void>;
  }[];
  /** Everything handed to the sender until then has left this process; monotonic clock. */
  readonly hasSentAll: (asOfMs: number) => boolean;
  readonly onError: (error: unknown, what: string) => void;
}

/** Everything a node does on its own account, by the clock. */
export class Housekeeping {
  private readonly ports: HousekeepingPorts;
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly running = new Set<string>();
  private unsaved = new Map<number, number>();
  private busConnected = false;
  private busSettledMs = 0;
  private caughtUpMs = 0;

  constructor(ports: HousekeepingPorts) {
    this.ports = ports;
    ports.bus.onState((connected) => {
      if (connected && !this.busConnected) {
        this.caughtUpMs = Number.NEGATIVE_INFINITY; // compare at once
        this.busSettledMs = ports.clock.monotonicMs() + BUS_SETTLES_MS;
      }
      this.busConnected = connected;
    });
  }

  start(): void {
    const { attendance, changes, fanout, review, takeover } = this.ports;
    this.every(SWEEP_MS, "ending sessions", () => this.endSessions());
    this.every(SWEEP_MS, "keeping sessions on record", () => attendance.keepRecords());
    this.every(1_000, "saving progress", () => this.saveProgress());
    this.every(TAKEOVER_LOOK_MS, "looking for dead nodes", () => takeover.look());
    for (const { what, everyMs, work } of this.ports.chores) this.every(everyMs, what, work);
    this.every(CHANGES_LOOK_MS, "following changes", async () => {
      await changes.look();
      review.retry();
    });
    this.every(RECONCILE_MS, "reviewing all rights", () => review.everybody());
    this.every(INDEX_MS, "indexing for search", async () => void (await this.ports.index()));
    this.every(CLEAN_UP_MS, "cleaning up", async () => void (await this.ports.cleanUp()));
    this.every(CATCH_UP_LOOK_MS, "comparing rooms with the store", async () => {
      const nowMs = this.ports.clock.monotonicMs();
      const settled = this.busConnected && nowMs > this.busSettledMs;
      if (nowMs - this.caughtUpMs < (settled ? CATCH_UP_MS.withBus : CATCH_UP_MS.withoutBus)) return;
      this.caughtUpMs = nowMs;
      await fanout.catchUp();
    });
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  private every(ms: number, what: string, work: () => Promise<void>): void {
    this.timers.push(
      setInterval(() => {
        if (this.running.has(what) || !this.ports.lease.held) return; // never beside itself, never after the lease is lost
        this.running.add(what);
        work()
          .catch((error: unknown) => this.ports.onError(error, what))
          .finally(() => this.running.delete(what));
      }, ms),
    );
  }

  private async endSessions(): Promise<void> {
    const { sessions, attendance, clock, sessionExpiresMs } = this.ports;
    const nowMs = clock.nowMs();
    const nowMonotonicMs = clock.monotonicMs();
    const ending: Promise<void>[] = [];
    for (const session of sessions.all()) {
      // Away since a moment that has not come yet: the clock was set back.
      if (session.awaySinceMs !== null && session.awaySinceMs > nowMs) session.awaySinceMs = nowMs;
      const lost = session.awaySinceMs !== null && nowMs - session.awaySinceMs > AWAY_GRACE_MS;
      const silent = nowMonotonicMs - session.lastHeardMs > 2 * sessionExpiresMs;
      if (!lost && !silent) continue;
      ending.push(
        session.run(() => attendance.end(session, lost ? "connection-lost" : "session-expired", true)),
      );
    }
    await Promise.all(ending);
  }

  /** Only what has left this process counts: what still waits here would be lost with it. */
  private async saveProgress(): Promise<void> {
    const { clock, fanout, lease, progress } = this.ports;
    const asOfMs = clock.monotonicMs();
    for (const [roomId, number] of fanout.takeProgress()) this.unsaved.set(roomId, number);
    if (this.unsaved.size === 0) return;
    for (let look = 0; look < SENDING_LOOKS && !this.ports.hasSentAll(asOfMs); look++)
      await pause(SENDING_LOOK_MS);
    if (!this.ports.hasSentAll(asOfMs)) return; // it is behind: saved when it has caught up
    const saving = this.unsaved;
    this.unsaved = new Map();
    this.ports.readMarks.progressed(saving);
    await progress.save(lease.incarnation, saving);
  }
}
