import type { Aor } from "../../chat/user.ts";
import type { Participant, PresenceChange, PresenceStore } from "../../ports.ts";
import type { Incarnation } from "../../sip/dialog.ts";
import type { RedisConnection } from "./connection.ts";
import {
  countScript,
  enterScript,
  heartbeatScript,
  leaveScript,
  nodesKey,
  rosterScript,
  sweepScript,
} from "./presence-scripts.ts";
import { decodeRoster, encodeValue } from "./presence-value.ts";
import { type PresenceSource, publishAll } from "./republish.ts";

export interface PresenceOptions {
  readonly heartbeatMs?: number;
  /** A node silent for longer than this has no participants. */
  readonly lapseMs?: number;
}

/** Keeps one call short for the other users of Redis; all chunks of a call leave in one write. */
const changesPerCall = 200;
const roomsPerCall = 100;

/**
 * Published presence. Change the node's own state first, then call `enter` or `leave`: what is published in whole after a
 * loss is read from `source`.
 */
export class RedisPresence implements PresenceStore {
  readonly #redis: RedisConnection;
  readonly #me: Incarnation;
  readonly #source: PresenceSource;
  readonly #heartbeatMs: number;
  readonly #lapseMs: number;
  #republishing: Promise<boolean> | undefined;
  /** What Redis holds of us may differ from what is true. */
  #doubtful = true;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    redis: RedisConnection,
    me: Incarnation,
    source: PresenceSource,
    options: PresenceOptions = {},
  ) {
    this.#redis = redis;
    this.#me = me;
    this.#source = source;
    this.#heartbeatMs = options.heartbeatMs ?? 5_000;
    this.#lapseMs = options.lapseMs ?? 30_000;
  }

  /** Begins the heartbeat; each time Redis (re)appears, everything is published anew. */
  start(): void {
    this.#timer = setInterval(() => void this.beat(), this.#heartbeatMs);
    this.#timer.unref();
    this.#redis.onState((connected) => {
      this.#doubtful = true;
      if (connected && !this.#stopped) void this.beat();
    });
  }

  async enter(changes: readonly { roomId: number; participant: Participant }[]) {
    const args = changes.map(({ roomId, participant }) => [
      String(roomId),
      participant.user,
      encodeValue(participant),
    ]);
    const users = changes.map(({ roomId, participant }) => ({ roomId, user: participant.user }));
    return this.#change(enterScript, users, args);
  }

  async leave(changes: readonly { roomId: number; user: Aor }[]) {
    const args = changes.map(({ roomId, user }) => [String(roomId), user]);
    return this.#change(leaveScript, changes, args);
  }

  /** Rooms with nobody elsewhere are absent. A user on two other nodes appears once. */
  async others(roomIds: readonly number[]): Promise<Map<number, Participant[]> | undefined> {
    const found = new Map<number, Participant[]>();
    const lists = await this.#ask(rosterScript, roomIds);
    if (!lists) return undefined;
    roomIds.forEach((roomId, index) => {
      const participants = decodeRoster(lists[index]);
      if (participants.length > 0) found.set(roomId, participants);
    });
    return found;
  }

  /** Rooms with nobody elsewhere are absent. */
  async counts(roomIds: readonly number[]): Promise<Map<number, number> | undefined> {
    const found = new Map<number, number>();
    const totals = await this.#ask(countScript, roomIds);
    if (!totals) return undefined;
    roomIds.forEach((roomId, index) => {
      const total = Number(totals[index] ?? 0);
      if (total > 0) found.set(roomId, total);
    });
    return found;
  }

  /** The dead node's participants vanish now; the caller publishes those it took over as its own. */
  async adopt(dead: Incarnation): Promise<void> {
    await this.#sweep(dead, true);
  }

  /**
   * Publishes this node's whole presence room by room, and removes what Redis holds of us beyond it. Calls while one runs
   * share it. @returns false when Redis went away: it is repeated by itself.
   */
  republish(): Promise<boolean> {
    this.#republishing ??= this.#publishAll().finally(() => {
      this.#republishing = undefined;
    });
    return this.#republishing;
  }

  /** One heartbeat now: says that we live, publishes anew when in doubt, removes nodes that are long silent. */
  async beat(): Promise<void> {
    const answer = await this.#run(heartbeatScript, []);
    if (!Array.isArray(answer) || this.#stopped) return;
    const [known, ...lapsed] = answer.map(String);
    if (known !== "1") this.#doubtful = true;
    if (this.#doubtful) await this.republish();
    for (const node of lapsed) if (node !== this.#me) await this.#sweep(node, false);
  }

  /** A clean stop: our participants vanish now, as far as Redis answers in time. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#republishing;
    await this.#sweep(this.#me, true);
  }

  async #publishAll(): Promise<boolean> {
    this.#doubtful = false;
    const done = await publishAll(this.#redis, this.#me, this.#source, () => this.#stopped);
    if (!done) this.#doubtful = true;
    return done;
  }

  async #sweep(node: string, atOnce: boolean): Promise<void> {
    for (let turn = 0; turn < 1_000; turn++) {
      if ((await this.#run(sweepScript, [node, atOnce ? "1" : "0"])) !== 1) return;
    }
  }

  async #change(
    script: string,
    users: readonly { roomId: number; user: Aor }[],
    args: readonly string[][],
  ): Promise<PresenceChange[] | undefined> {
    const chunks = inChunks(args, changesPerCall).map((chunk) => chunk.flat());
    const answers = await this.#redis.within(() =>
      Promise.all(chunks.map((chunk) => this.#eval(script, chunk))),
    );
    if (answers === undefined) {
      this.#doubtful = true;
      return undefined;
    }
    const numbers: number[] = [];
    for (const answer of answers) {
      const [known, ...rest] = Array.isArray(answer) ? answer.map(Number) : [];
      if (known === 0) this.#notice();
      numbers.push(...rest);
    }
    return users.map(({ roomId, user }, index) => ({
      roomId,
      user,
      elsewhere: numbers[2 * index] === 1,
      others: numbers[2 * index + 1] ?? 0,
    }));
  }

  /** Redis answered as if it had never heard of us: it came back empty without closing the connection. */
  #notice(): void {
    if (this.#doubtful || this.#stopped) return;
    this.#doubtful = true;
    void this.beat();
  }

  async #ask(script: string, roomIds: readonly number[]): Promise<unknown[] | undefined> {
    const chunks = inChunks(roomIds.map(String), roomsPerCall);
    const answers = await this.#redis.within(() =>
      Promise.all(chunks.map((chunk) => this.#eval(script, chunk))),
    );
    return answers?.flatMap((answer) => (Array.isArray(answer) ? answer : []));
  }

  #run(script: string, args: readonly string[]): Promise<unknown> {
    return this.#redis.within(() => this.#eval(script, args));
  }

  #eval(script: string, args: readonly string[]): Promise<unknown> {
    return this.#redis.raw.sendCommand([
      "EVAL",
      script,
      "1",
      nodesKey,
      this.#me,
      String(this.#lapseMs),
      ...args,
    ]);
  }
}

function inChunks<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
}
