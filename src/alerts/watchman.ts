import { setTimeout as pause } from "node:timers/promises";
import { type Alert, type Finding, POOL } from "./alert.ts";
import { AlertBoard, type Change } from "./board.ts";
import { Lasting } from "./lasting.ts";
import { type PoolSettings, poolFindings } from "./pool-findings.ts";
import type {
  AlertSink,
  AlertStore,
  AlertWatch,
  PoolFigures,
  PoolView,
  Probe,
  ProcessKind,
} from "./ports.ts";
import { clockFinding } from "./probes.ts";
import { Teller } from "./teller.ts";
import { DATABASE_AWAY_MS, LOOK_MS, PROBE_LIMIT_MS, SETTLED_MS } from "./times.ts";

/** What a sink may take at the end. */
const STOP_LIMIT_MS = 3_000;

export interface WatchmanPorts {
  /** This process, unlike any other of the pool; the same in its next life. */
  readonly process: string;
  readonly kind: ProcessKind;
  readonly probes: readonly Probe[];
  readonly store: AlertStore;
  readonly pool: PoolView;
  readonly settings: PoolSettings & { readonly repeatMs: number };
  readonly sinks: readonly AlertSink[];
  readonly watch: AlertWatch;
  readonly clock: { nowMs(): number; monotonicMs(): number };
}

/**
 * Looks every five seconds at what this process sees, and at the whole pool; tells what is new to whoever wants to hear it. Each
 * process tells of itself, one of them of the pool. Works without the database, and says so then.
 */
export class Watchman {
  readonly #ports: WatchmanPorts;
  readonly #board = new AlertBoard();
  readonly #tellers: readonly Teller[];
  readonly #probes: readonly Probe[];
  readonly #found = new Map<Probe, readonly Finding[]>();
  readonly #databaseAway: Lasting;
  readonly #databaseSettled: Lasting;
  #figures: PoolFigures | undefined;
  #others: readonly Alert[] = [];
  #unsaved: Alert[] = [];
  #leads = false;
  #adopted = false;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(ports: WatchmanPorts) {
    this.#ports = ports;
    const monotonicMs = () => ports.clock.monotonicMs();
    this.#databaseAway = new Lasting(DATABASE_AWAY_MS, monotonicMs);
    this.#databaseSettled = new Lasting(SETTLED_MS, monotonicMs);
    this.#tellers = ports.sinks.map((sink) => new Teller(sink, ports));
    this.#probes = [...ports.probes, ...this.#tellers.map(({ probe }) => probe)];
  }

  /** What is the matter now: here, in the pool, and what the other processes said of themselves. */
  get alerts(): Alert[] {
    return [...this.#board.all(), ...this.#others];
  }

  /** As of the last look at the pool. */
  get figures(): PoolFigures | undefined {
    return this.#figures;
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
    void this.look();
  }

  /** Never beside itself, never throws. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#ports.watch.trouble("looking for what is the matter", error))
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  /** Ends in order: what was the matter here no longer is. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    const { process, store, clock } = this.#ports;
    this.#note(this.#board.update(process, [], clock.nowMs()));
    const ending = Promise.all([
      ...this.#tellers.map((teller) => teller.tell(this.#mine())),
      store.save([], this.#unsaved).then(() => store.leave(process)),
    ]).catch((error: unknown) => this.#ports.watch.trouble("ending the watch", error));
    await Promise.race([ending, pause(STOP_LIMIT_MS, undefined, { ref: false })]);
  }

  async #look(): Promise<void> {
    const { process, clock } = this.#ports;
    const own = await this.#lookHere();
    const isThere = await this.#lookAtPool();
    own.push(...clockFinding(process, isThere ? this.#figures?.clockAheadMs : undefined));
    if (this.#databaseAway.see(!isThere))
      own.push({
        name: "database-away",
        subject: process,
        detail: `for ${Math.round(this.#databaseAway.lastedMs / 1_000)} s, as ${process} sees it`,
      });
    this.#note(this.#board.update(process, own, clock.nowMs()));
    if (isThere) await this.#save();
    // Not waited for: a mail server that takes its time must not keep us from looking.
    for (const teller of this.#tellers) void teller.tell(this.#mine());
  }

  async #lookHere(): Promise<Finding[]> {
    const { watch } = this.#ports;
    for (const probe of this.#probes) {
      try {
        const late = pause(PROBE_LIMIT_MS, undefined, { ref: false });
        const found = await Promise.race([probe(), late]);
        if (found) this.#found.set(probe, found);
      } catch (error) {
        watch.trouble("looking for what is the matter", error);
      }
    }
    return [...this.#found.values()].flat();
  }

  /** @returns whether the database answered and takes what is written */
  async #lookAtPool(): Promise<boolean> {
    const { process, kind, pool, settings, store, clock } = this.#ports;
    try {
      const leads = await store.watch(process, kind);
      if (!this.#adopted) await this.#adopt(process);
      this.#adopted = true;
      if (leads && !this.#leads) await this.#adopt(POOL);
      if (!leads && this.#leads) for (const teller of this.#tellers) teller.forget(POOL);
      this.#leads = leads;
      this.#figures = await pool.figures();
      this.#others = (await store.list()).filter(({ owner }) => owner !== process && owner !== POOL);
      const settled = this.#databaseSettled.see(true);
      const figures = settled ? this.#figures : { ...this.#figures, dead: [] };
      // Before it has settled nobody is dead, and nobody who was has come back either.
      const before = settled ? [] : this.#board.of(POOL).filter(({ name }) => name.endsWith("-dead"));
      const found = poolFindings(figures, settings);
      const change = this.#board.update(POOL, [...before, ...found], clock.nowMs());
      if (leads) this.#note(change);
      if (leads) await this.#adoptOrphans();
      return true;
    } catch {
      this.#databaseSettled.see(false);
      return false; // the alert says so; what was found before still stands
    }
  }

  async #adopt(owner: string): Promise<void> {
    const stored = await this.#ports.store.of(owner);
    this.#board.adopt(owner, stored);
    for (const { toldMs, ...alert } of stored)
      if (toldMs !== null) for (const teller of this.#tellers) teller.remember(alert, toldMs);
  }

  /** Whoever was told of what a process saw that is gone for good hears that it is over. */
  async #adoptOrphans(): Promise<void> {
    const orphans = await this.#ports.store.orphans();
    for (const { toldMs, ...alert } of orphans) {
      if (toldMs !== null) for (const teller of this.#tellers) teller.remember(alert, toldMs);
      this.#unsaved.push(alert);
    }
  }

  #note({ raised, cleared }: Change): void {
    for (const alert of raised) this.#ports.watch.raised(alert);
    for (const alert of cleared) this.#ports.watch.cleared(alert);
    this.#unsaved.push(...cleared);
  }

  async #save(): Promise<void> {
    const { store, watch } = this.#ports;
    const gone = this.#unsaved;
    this.#unsaved = [];
    try {
      await store.save(this.#mine(), gone);
    } catch (error) {
      this.#unsaved.push(...gone);
      watch.trouble("keeping alerts", error);
    }
  }

  /** What this process tells of. */
  #mine(): Alert[] {
    const own = this.#board.of(this.#ports.process);
    return this.#leads ? [...own, ...this.#board.of(POOL)] : own;
  }
}
