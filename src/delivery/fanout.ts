import type { StoredMessage } from "../chat/message.ts";
import type { Room } from "../chat/room.ts";
import type { MessageStore, NodeBus, RoomStore, SipSender } from "../ports.ts";
import type { Session } from "../session.ts";
import { encodeEnvelope } from "../xccos/envelope.ts";
import { encodeGrpchat } from "../xccos/grpchat.ts";
import type { Envids } from "./envids.ts";
import { RoomChannel } from "./room-channel.ts";

/** A number that has not come after this long was lost on its way, or its commit was overtaken: the store knows. */
const HOLE_PATIENCE_MS = 50;
/** Longest pause between two looks at a hole that the store could not fill yet. */
const HOLE_RETRY_MS = 2_000;
/** Messages fetched in one step while catching up. */
const CATCH_UP_STEP = 500;
const ROOMS_PER_LOOK = 1_000;

interface FanoutPorts {
  readonly messages: MessageStore;
  readonly rooms: RoomStore;
  readonly sender: SipSender;
  readonly bus: NodeBus;
  readonly envids: Envids;
  /** Every message that this node hears of, once; of rooms that nobody here is in what the bus brings. */
  readonly onMessage?: (roomId: number, grpchat: string) => void;
  /** Errors of background work, for the log. */
  readonly onError: (error: unknown, what: string) => void;
}

/**
 * From a stored message to the participants of this node: encoded once, in the order of the room's numbers. What other nodes
 * stored comes by the bus, and what the bus lost by the store.
 */
export class Fanout {
  private readonly ports: FanoutPorts;
  private readonly channels = new Map<
    number,
    { room: Room; channel: RoomChannel; holeTimer: NodeJS.Timeout | undefined }
  >();
  private readonly idByUri = new Map<string, number>();
  private moved = new Set<number>();
  private stopped = false;

  constructor(ports: FanoutPorts) {
    this.ports = ports;
    ports.bus.onMessage((message) => {
      if (message.kind === "posted") this.offer(message.roomId, message.number, message.grpchat);
    });
  }

  /**
   * The session hears the room from number `since` on. Not earlier than what this node has already delivered.
   * @returns the room as this node knows it: one object for all its participants while nothing of it changes
   */
  enter(session: Session, room: Room, since: number): Room {
    const known = this.channels.get(room.id);
    if (known) {
      if (known.room.accessVersion !== room.accessVersion) known.room = room;
      known.channel.sessions.add(session);
      return known.room;
    }
    const channel = new RoomChannel(room.id, since);
    channel.sessions.add(session);
    this.idByUri.set(room.uri, room.id);
    this.channels.set(room.id, { room, channel, holeTimer: undefined });
    return room;
  }

  /**
   * Sessions that another node served until it died go on where it had come to: each from its own `since`, then in step with the
   * others of the room. Nobody who was here before gets anything twice.
   */
  async resume(sessions: readonly Session[], room: Room): Promise<void> {
    let heard = Math.min(...sessions.map((session) => session.rooms.get(room.id)?.since ?? 0));
    for (;;) {
      const channel = this.channels.get(room.id)?.channel;
      if (!channel || channel.delivered <= heard) break;
      const upTo = Math.min(channel.delivered, heard + CATCH_UP_STEP);
      for (const message of await this.ports.messages.range(room.id, heard + 1, upTo)) {
        this.send(sessions, room.id, message.number, encode(room, message));
      }
      heard = upTo;
    }
    for (const session of sessions) if (!session.ended) this.enter(session, room, heard);
  }

  leave(session: Session, roomId: number): void {
    const known = this.channels.get(roomId);
    if (!known) return;
    known.channel.sessions.delete(session);
    if (known.channel.sessions.size > 0) return;
    clearTimeout(known.holeTimer);
    this.idByUri.delete(known.room.uri);
    this.channels.delete(roomId);
    this.moved.delete(roomId);
  }

  /** Last number handed to the sender; undefined when nobody of this node is in the room. */
  delivered(roomId: number): number | undefined {
    return this.channels.get(roomId)?.channel.delivered;
  }

  /** The room of a URI, when it has participants on this node. */
  idOf(roomUri: string): number | undefined {
    return this.idByUri.get(roomUri);
  }

  sessionsIn(roomId: number): ReadonlySet<Session> {
    return this.channels.get(roomId)?.channel.sessions ?? NOBODY;
  }

  /** Rooms with participants on this node, as last seen. */
  roomsHere(): Room[] {
    return [...this.channels.values()].map(({ room }) => room);
  }

  /** A message this node has just stored. */
  stored(room: Room, message: StoredMessage): void {
    const grpchat = encode(room, message);
    this.ports.bus.publish({ kind: "posted", roomId: room.id, number: message.number, grpchat });
    this.offer(room.id, message.number, grpchat);
  }

  /** Numbers up to which each room that moved since the last call has been handed over; for `ProgressStore`. */
  takeProgress(): Map<number, number> {
    const progress = new Map<number, number>();
    for (const roomId of this.moved) {
      const delivered = this.delivered(roomId);
      if (delivered !== undefined) progress.set(roomId, delivered);
    }
    this.moved = new Set();
    return progress;
  }

  /** Compares with the store and delivers what was missed; for the time without Redis, after it, and now and then. */
  async catchUp(): Promise<void> {
    const ids = [...this.channels.keys()];
    for (let at = 0; at < ids.length && !this.stopped; at += ROOMS_PER_LOOK) {
      const last = await this.ports.rooms.lastNumbers(ids.slice(at, at + ROOMS_PER_LOOK));
      for (const [roomId, number] of last) {
        const channel = this.channels.get(roomId)?.channel;
        if (channel && channel.delivered < number) await this.fetch(roomId, channel.delivered + 1, number);
      }
    }
  }

  stop(): void {
    this.stopped = true;
    for (const { holeTimer } of this.channels.values()) clearTimeout(holeTimer);
  }

  private offer(roomId: number, number: number, grpchat: string): void {
    const known = this.channels.get(roomId);
    if (this.stopped) return;
    if (!known) return this.ports.onMessage?.(roomId, grpchat);
    for (const leaving of known.channel.offer(number, grpchat)) {
      this.ports.onMessage?.(roomId, leaving.grpchat);
      this.send(known.channel.sessions, roomId, leaving.number, leaving.grpchat);
      this.moved.add(roomId);
    }
    if (known.channel.hole && !known.holeTimer) this.watchHole(roomId, HOLE_PATIENCE_MS);
  }

  private send(sessions: Iterable<Session>, roomId: number, number: number, grpchat: string): void {
    // One grpchat per envelope, never beside a reply or notice: COMPAT(SIPE, 1.25) reads no other.
    const body = encodeEnvelope(this.ports.envids.next(), grpchat);
    this.ports.sender.send(body, hearing(sessions, roomId, number), roomId);
  }

  private watchHole(roomId: number, patienceMs: number): void {
    const known = this.channels.get(roomId);
    if (!known || this.stopped) return;
    known.holeTimer = setTimeout(() => {
      known.holeTimer = undefined;
      const hole = known.channel.hole;
      if (!hole || this.channels.get(roomId) !== known) return;
      this.fetch(roomId, hole.from, hole.to)
        .catch((error: unknown) => this.ports.onError(error, "fetching missed messages"))
        .finally(() => {
          if (known.channel.hole && !known.holeTimer)
            this.watchHole(roomId, Math.min(patienceMs * 2, HOLE_RETRY_MS));
        });
    }, patienceMs);
  }

  private async fetch(roomId: number, from: number, to: number): Promise<void> {
    for (let start = from; start <= to && !this.stopped; start += CATCH_UP_STEP) {
      const messages = await this.ports.messages.range(
        roomId,
        start,
        Math.min(to, start + CATCH_UP_STEP - 1),
      );
      const room = this.channels.get(roomId)?.room;
      if (!room) return;
      for (const message of messages) this.offer(roomId, message.number, encode(room, message));
    }
  }
}

const NOBODY: ReadonlySet<Session> = new Set();

/** Those who can be reached and had joined when the message got its number. */
function* hearing(sessions: Iterable<Session>, roomId: number, number: number): Generator<Session> {
  for (const session of sessions) {
    if (session.reachable && number > (session.rooms.get(roomId)?.since ?? 0)) yield session;
  }
}

function encode(room: Room, message: StoredMessage): string {
  return encodeGrpchat(wireMessage(room, message), "grpchat");
}

/** A stored message in the words of the wire. */
export function wireMessage(room: Room, message: StoredMessage) {
  return {
    chanUri: room.uri,
    author: message.author,
    authdisp: message.authorName,
    alert: message.alert,
    chatId: message.number,
    ts: message.atMs,
    chat: message.text,
    rtf: message.rtf ?? undefined,
  };
}
