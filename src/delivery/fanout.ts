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
/** Messages of one room that may wait for its review; beyond it the store is asked, which has them all. */
const MAX_UNREVIEWED = 1_000;
/** Rooms whose version is remembered though nobody here is in them. */
const MAX_VERSIONS = 10_000;

interface Known {
  room: Room;
  readonly channel: RoomChannel;
  holeTimer: NodeJS.Timeout | undefined;
  /** Stored under a version of the room that has not been reviewed here. */
  unreviewed: { readonly number: number; readonly grpchat: string; readonly version: number }[];
}

interface FanoutPorts {
  readonly messages: Pick<MessageStore, "range" | "removed">;
  readonly rooms: RoomStore;
  readonly sender: SipSender;
  readonly bus: NodeBus;
  readonly envids: Envids;
  /** Every message that this node hears of, once; of rooms that nobody here is in what the bus brings. */
  readonly onMessage?: (roomId: number, grpchat: string) => void;
  /** The room is another version than this node knows: whoever lost his right must be out of it before anything is delivered. */
  readonly review: (roomId: number) => Promise<void>;
  /** Errors of background work, for the log. */
  readonly onError: (error: unknown, what: string) => void;
}

/**
 * From a stored message to the participants of this node: encoded once, in the order of the room's numbers. What other nodes
 * stored comes by the bus, and what the bus lost by the store.
 */
export class Fanout {
  private readonly ports: FanoutPorts;
  private readonly channels = new Map<number, Known>();
  /** Of rooms that were reviewed lately, the version. */
  private readonly versions = new Map<number, number>();
  private readonly idByUri = new Map<string, number>();
  private moved = new Set<number>();
  private stopped = false;

  constructor(ports: FanoutPorts) {
    this.ports = ports;
    ports.bus.onMessage((message) => {
      if (message.kind === "posted")
        this.offer(message.roomId, message.number, message.grpchat, message.accessVersion);
    });
  }

  /**
   * The session hears the room from number `since` on. Not earlier than what this node has already delivered.
   * @returns the room as this node knows it: one object for all its participants while nothing of it changes
   */
  enter(session: Session, room: Room, since: number): Room {
    const known = this.channels.get(room.id);
    // Found entitled under a version that has been reviewed since, or is newer than the others here were looked at under.
    const reviewed = known?.room.accessVersion ?? this.versions.get(room.id) ?? room.accessVersion;
    if (reviewed !== room.accessVersion) this.askForReview(room.id);
    if (known) {
      known.channel.sessions.add(session);
      return known.room.accessVersion === room.accessVersion ? known.room : room;
    }
    const channel = new RoomChannel(room.id, since);
    channel.sessions.add(session);
    this.idByUri.set(room.uri, room.id);
    this.channels.set(room.id, { room, channel, holeTimer: undefined, unreviewed: [] });
    return room;
  }

  /**
   * Sessions that another node served until it died go on where it had come to: each from its own `since`, then in step with the
   * others of the room. Nobody who was here before gets anything twice.
   * @returns false when the room is another version by now: who is still entitled must be found again, before anything more is sent
   */
  async resume(sessions: readonly Session[], room: Room): Promise<boolean> {
    let heard = Math.min(...sessions.map((session) => session.rooms.get(room.id)?.since ?? 0));
    for (;;) {
      const channel = this.channels.get(room.id)?.channel;
      if (!channel || channel.delivered <= heard) break;
      const upTo = Math.min(channel.delivered, heard + CATCH_UP_STEP);
      const messages = await this.ports.messages.range(room.id, heard + 1, upTo);
      const [now = room] = await this.ports.rooms.byIds([room.id]); // read after the messages
      if (now.accessVersion !== room.accessVersion) return false;
      for (const one of messages) this.send(sessions, room.id, one.number, encode(room, one));
      heard = upTo;
    }
    for (const session of sessions)
      if (!session.ended && !session.barred && session.rooms.has(room.id)) this.enter(session, room, heard); // or it left meanwhile
    return true;
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

  /** The room as last reviewed, when it has participants on this node. */
  roomHere(roomId: number): Room | undefined {
    return this.channels.get(roomId)?.room;
  }

  /** Everybody who is in the room here is entitled to it as it is in this version: what waited for that is delivered. */
  reviewed(room: Room): void {
    this.versions.delete(room.id);
    this.versions.set(room.id, room.accessVersion);
    if (this.versions.size > MAX_VERSIONS) {
      const oldest = this.versions.keys().next();
      if (!oldest.done) this.versions.delete(oldest.value);
    }
    const known = this.channels.get(room.id);
    if (!known) return;
    known.room = room;
    const waiting = known.unreviewed;
    known.unreviewed = [];
    for (const { number, grpchat, version } of waiting) this.offer(room.id, number, grpchat, version);
  }

  /** Rooms with participants on this node, as last seen. */
  roomsHere(): Room[] {
    return [...this.channels.values()].map(({ room }) => room);
  }

  /** A message this node has just stored. */
  stored(room: Room, message: StoredMessage): void {
    const grpchat = encode(room, message);
    const { accessVersion } = room;
    this.ports.bus.publish({
      kind: "posted",
      roomId: room.id,
      number: message.number,
      grpchat,
      accessVersion,
    });
    this.offer(room.id, message.number, grpchat, accessVersion);
  }

  /** These were removed or replaced: whoever has not had them yet gets what is there now. */
  async moderated(roomId: number, numbers: readonly number[]): Promise<void> {
    const channel = this.channels.get(roomId)?.channel;
    if (!channel) return;
    for (const number of numbers) if (number > channel.delivered) await this.fetch(roomId, number, number);
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

  private offer(roomId: number, number: number, grpchat: string, version = 0): void {
    const known = this.channels.get(roomId);
    if (this.stopped) return;
    if (!known) return this.ports.onMessage?.(roomId, grpchat);
    if (version > known.room.accessVersion) {
      if (known.unreviewed.length < MAX_UNREVIEWED) known.unreviewed.push({ number, grpchat, version });
      return this.askForReview(roomId);
    }
    this.advance(known, number, grpchat);
  }

  private advance(known: Known, number: number, grpchat: string | undefined, stored = false): void {
    const { channel, room } = known;
    const before = channel.delivered;
    for (const leaving of channel.offer(number, grpchat, stored)) {
      this.ports.onMessage?.(room.id, leaving.grpchat);
      this.send(channel.sessions, room.id, leaving.number, leaving.grpchat);
    }
    if (channel.delivered > before) this.moved.add(room.id);
    if (channel.hole && !known.holeTimer) this.watchHole(room.id, HOLE_PATIENCE_MS);
  }

  private askForReview(roomId: number): void {
    this.ports.review(roomId).catch((error: unknown) => this.ports.onError(error, "reviewing rights"));
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
      const end = Math.min(to, start + CATCH_UP_STEP - 1);
      const messages = await this.ports.messages.range(roomId, start, end);
      const complete = messages.length === end - start + 1;
      const removed = complete ? [] : await this.ports.messages.removed(roomId, start, end);
      // Read after the messages: not older than what any of them was stored under.
      const [now] = await this.ports.rooms.byIds([roomId]);
      if (now?.accessVersion !== this.channels.get(roomId)?.room.accessVersion)
        await this.ports.review(roomId);
      const known = this.channels.get(roomId);
      if (!known) return;
      for (const number of removed) this.advance(known, number, undefined, true);
      for (const message of messages) this.advance(known, message.number, encode(known.room, message), true);
    }
  }
}

const NOBODY: ReadonlySet<Session> = new Set();

/** Those who can be reached and had joined when the message got its number. */
function* hearing(sessions: Iterable<Session>, roomId: number, number: number): Generator<Session> {
  for (const session of sessions) {
    const joined = session.rooms.get(roomId);
    if (joined && session.reachable && number > joined.since) yield session;
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
