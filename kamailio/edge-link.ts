import { setTimeout as pause } from "node:timers/promises";
import type { Clock, OutgoingDialog } from "../src/ports.ts";
import type { Answer } from "../src/session.ts";
import { type Incarnation, MAX_DATAGRAM_BODY_BYTES } from "../src/sip/dialog.ts";
import { type BatchResult, batchResult, type PendingAnswer } from "./batch.ts";
import { deliver, type LeftOut } from "./deliver.ts";
import { Homes } from "./homes.ts";
import type { BatchClient } from "./jsonrpc/client.ts";
import { RemoteError } from "./jsonrpc/errors.ts";
import { shardOf, Told } from "./lines.ts";
import { encodeCall, type Load, sizeOf, standing } from "./load.ts";
import { FRAME_BYTES, Shard } from "./shard.ts";
import { Untaken } from "./untaken.ts";
import type { WayIn } from "./way-in.ts";

const PING_MS = 2_000;
const PING_TIMEOUT_MS = 5_000;
/** Before the JSON text of a call: HTTP's lines. */
const HTTP_HEAD_BYTES = 1_000;
const NOTHING: Load = { answers: [], copies: [] };

type Client = Pick<BatchClient, "call" | "close" | "hurry">;

export interface EdgeLinkPorts {
  readonly name: string;
  readonly node: string;
  readonly me: Incarnation;
  /** One per shard: what goes through one socket stays in order. */
  readonly clients: readonly Client[];
  /** Bytes of one call, as the settings have it; less when Kamailio's read buffer is smaller. */
  readonly maxCallBytes: number;
  /** Kamailio's read buffer is too small for calls of that size, or no longer is. @param most bytes of a call from now on */
  readonly onReadBuffer: (readBuffer: number, most: number) => void;
  readonly clock: Clock;
  /** False when this node's lease is gone: nothing more may be said. */
  readonly maySpeak: () => boolean;
  /** This Kamailio began a new life: every connection of the earlier one is gone. */
  readonly onStart: (start: string, earlier: string) => void;
  readonly onDead: (start: string, conid: number) => void;
  /** The edge takes no copies any more: these dialogs cannot be served. */
  readonly onOverflow: (dialogs: readonly OutgoingDialog[]) => void;
  readonly onError: (error: unknown, what: string) => void;
  /** Kamailio does not take this, and would not however often it is tried. */
  readonly onLeftOut: (leftOut: LeftOut) => void;
  /** The other direction. */
  readonly wayIn: WayIn;
}

/** One way to it, and what waits for it. */
interface Socket {
  readonly queue: Shard;
  readonly client: Client;
  readonly told: Told;
  busy: boolean;
  idleMs: number;
}

/** One Kamailio, from this node's side: answers and copies go to it in batches, sharded by dialog over a few sockets. */
export class EdgeLink {
  readonly name: string;
  /** The life of Kamailio we speak with; "" until it has said something. */
  start = "";
  /** The last call went through. */
  reachable = false;
  /** Bytes of a call that Kamailio can read. */
  mostCallBytes: number;
  private readonly ports: EdgeLinkPorts;
  private readonly shards: Socket[];
  private readonly homes = new Homes();
  private readonly untaken = new Untaken();
  private readonly pinging: NodeJS.Timeout;
  private stopped = false;

  constructor(ports: EdgeLinkPorts) {
    this.ports = ports;
    this.name = ports.name;
    this.mostCallBytes = ports.maxCallBytes;
    this.shards = ports.clients.map((client) => {
      const told = new Told();
      return { queue: new Shard(ports.maxCallBytes, told), client, told, busy: false, idleMs: 0 };
    });
    this.pinging = setInterval(() => this.ping(), PING_MS);
    this.ping();
  }

  /** A connection for requests was made or has ended: is Kamailio there, and does it reach this node? */
  linkChanged(): void {
    this.ports.wayIn.changed();
    for (const { client } of this.shards) client.hurry(); // a Kamailio that begins is not young for long
    this.ping();
  }

  /** Its hello has come in. */
  greeted(): void {
    this.ports.wayIn.greeted();
  }

  /** Requests get to this node, as far as is known. */
  get open(): boolean {
    return this.ports.wayIn.open;
  }

  /** Requests get to this node: seen since its connections last changed. */
  get reached(): boolean {
    return this.ports.wayIn.reached;
  }

  /** The life of Kamailio that a notification or a result names. */
  heard(start: string): void {
    if (start === this.start) return;
    const earlier = this.start;
    this.start = start;
    this.homes.forget();
    if (earlier !== "") this.ports.onStart(start, earlier);
  }

  answer(tx: string, answer: Answer, dialog: OutgoingDialog | undefined, onGone?: () => void): void {
    const [index, label] = tx.split(":").map(Number);
    if (index === undefined || label === undefined) return;
    const shard = dialog ? this.shardOf(dialog) : 0;
    this.shards[shard]?.queue.addAnswer({ index, label, answer, onGone });
    this.pump(shard);
  }

  send(body: string, dialogs: readonly OutgoingDialog[], turn: number): void {
    const json = JSON.stringify(body);
    const bytes = Buffer.byteLength(json);
    if (this.shards[0]?.queue.isTooLarge(bytes)) {
      // Whoever makes bodies keeps them shorter; one that is not must not block all that come after it.
      return this.ports.onError(new RangeError(`${bytes} bytes do not fit into max-call`), "sending a copy");
    }
    const isDatagramTooSmall = bytes > MAX_DATAGRAM_BODY_BYTES;
    let unfit = 0;
    const byShard = new Map<number, OutgoingDialog[]>();
    for (const dialog of dialogs) {
      if (this.start !== "" && dialog.flow.edgeStart !== this.start) continue; // its connection went with an earlier life
      if (isDatagramTooSmall && dialog.flow.transport === "udp") {
        unfit += 1;
        continue;
      }
      const shard = this.shardOf(dialog);
      const some = byShard.get(shard);
      if (some) some.push(dialog);
      else byShard.set(shard, [dialog]);
    }
    if (unfit > 0)
      this.ports.onError(new RangeError(`${bytes} bytes do not fit into a datagram`), "sending a copy");
    for (const [shard, some] of byShard) {
      const taken = this.shards[shard]?.queue.addCopies(
        json,
        bytes,
        some,
        turn,
        this.ports.clock.monotonicMs(),
      );
      if (!taken) this.ports.onOverflow(some);
      this.pump(shard);
    }
  }

  /** Requests of dialogs issued by this incarnation go to this node from now on, after a restart of Kamailio too. */
  announceHome(issuer: Incarnation): void {
    this.homes.set(issuer, this.ports.node);
    this.pump(0, true);
  }

  /** Longest time that copies have been waiting in this process, milliseconds. */
  get behindMs(): number {
    const nowMs = this.ports.clock.monotonicMs();
    return Math.max(...this.shards.map(({ queue }) => queue.waitingMs(nowMs)));
  }

  /** Everything handed in until then has been taken by Kamailio. @param asOfMs monotonic clock */
  hasSentAll(asOfMs: number): boolean {
    return this.shards.every(({ queue, busy, idleMs }) => (queue.empty && !busy) || idleMs >= asOfMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.pinging);
    for (let wait = 0; wait < 20 && this.shards.some(({ queue, busy }) => busy || !queue.empty); wait++)
      await pause(50);
    this.stopped = true;
    await Promise.all(this.shards.map(({ client }) => client.close()));
  }

  private shardOf(dialog: OutgoingDialog): number {
    return shardOf(dialog, this.shards.length);
  }

  private ping(): void {
    this.pump(0, true);
  }

  private pump(index: number, evenEmpty = false): void {
    const shard = this.shards[index];
    if (!shard || shard.busy || this.stopped) return;
    shard.busy = true;
    this.drain(index, evenEmpty)
      .catch((error: unknown) => this.ports.onError(error, "speaking to Kamailio"))
      .finally(() => {
        shard.busy = false;
        if (shard.queue.empty) shard.idleMs = this.ports.clock.monotonicMs();
        if (!shard.queue.empty) this.pump(index);
      });
  }

  private async drain(index: number, evenEmpty: boolean): Promise<void> {
    const shard = this.shards[index];
    if (!shard) return;
    await Promise.resolve(); // what is handed in during this turn of the loop leaves in one call
    for (let first = evenEmpty; first || !shard.queue.empty; first = false) {
      if (this.stopped || !this.ports.maySpeak()) return;
      const load = shard.queue.take();
      if (sizeOf(load) === 0) await this.hello(shard);
      else await this.deliver(shard, load);
    }
  }

  /** An empty call that asks for a hello over the way that requests take. */
  private async hello(socket: Socket): Promise<void> {
    const result = await this.pinged(socket, true);
    if (result !== "away" && result !== "refused") this.ports.wayIn.pinged(result);
    else if (result === "away") this.ports.wayIn.lost();
  }

  private deliver(socket: Socket, load: Load): Promise<void> {
    const { clock, maySpeak, onLeftOut, onOverflow } = this.ports;
    const { start, untaken } = this;
    return deliver(load, {
      clock,
      fits: ({ copies }) => socket.told.groupsBytes(copies) <= this.mostCallBytes - FRAME_BYTES,
      attempt: (part, timeoutMs) => this.attempt(socket, part, start, timeoutMs),
      ping: async () => {
        const result = await this.pinged(socket, false);
        return typeof result === "string" ? result : "answered";
      },
      hasMeaning: () => !this.stopped && maySpeak() && start === this.start,
      untaken,
      onLeftOut,
      onUnservable: (dialog) => onOverflow([dialog]),
    });
  }

  /** @returns what Kamailio does not know the dialogs of @throws whatever the client throws */
  private async attempt(socket: Socket, load: Load, start: string, timeoutMs: number): Promise<Load> {
    const given = standing(load, this.start);
    const { unknown } = await this.call(socket, given, start, timeoutMs);
    return { answers: [], copies: socket.told.unknown(unknown, given.copies) };
  }

  private async pinged(socket: Socket, hello: boolean): Promise<BatchResult | "away" | "refused"> {
    try {
      return await this.call(socket, NOTHING, "", PING_TIMEOUT_MS, hello);
    } catch (error) {
      const refused = error instanceof RemoteError && error.httpStatus === 400;
      if (this.reachable || refused) this.ports.onError(error, "calling Kamailio"); // once per outage, not once per try
      if (!refused) this.reachable = false;
      return refused ? "refused" : "away";
    }
  }

  /** One try of one call. @param start the life of Kamailio it is meant for; "": any */
  private async call(
    socket: Socket,
    load: Load,
    start: string,
    timeoutMs: number,
    hello = false,
  ): Promise<BatchResult> {
    const news = this.homes.toTell();
    const { node, me } = this.ports;
    const about = { node, me, start, homes: news?.homes, hello };
    const params = encodeCall(load, about, socket.told);
    const result = batchResult.parse(await socket.client.call("parlance.batch", params, { timeoutMs }));
    this.reachable = true;
    if (start === "" || start === result.start) news?.told();
    this.heard(result.start);
    if (result.readBuffer) this.fit(result.readBuffer);
    this.settle(load.answers, result);
    return result;
  }

  /** Kamailio hangs up on whatever exceeds its read buffer. */
  private fit(readBuffer: number): void {
    const most = Math.min(this.ports.maxCallBytes, readBuffer - HTTP_HEAD_BYTES);
    if (most === this.mostCallBytes) return;
    this.mostCallBytes = most;
    for (const { queue } of this.shards) queue.limit(most);
    this.ports.onReadBuffer(readBuffer, most);
  }

  private settle(answers: readonly PendingAnswer[], result: BatchResult): void {
    if (result.gone.length > 0) {
      const gone = new Set(result.gone.map(([index, label]) => `${index}:${label}`));
      for (const { index, label, onGone } of answers) if (gone.has(`${index}:${label}`)) onGone?.();
    }
    for (const conid of result.dead) this.ports.onDead(result.start, conid);
  }
}
