import type { Room } from "../chat/room.ts";
import type { Session } from "../session.ts";
import type { ReadMark, ReadMarkStore } from "../user-ports.ts";

/** Marks written in one go; the others wait for the next. */
const MAX_SAVED_AT_ONCE = 20_000;
/** Beyond it marks are forgotten, which makes a message unread again. */
const MAX_WAITING = 500_000;

interface ReadMarkPorts {
  readonly store: ReadMarkStore;
  /** Last number handed to the sender, for rooms with participants on this node. */
  readonly delivered: (roomId: number) => number | undefined;
}

/**
 * How far each user has read each room: to where history was shown, to the user's own last post, and to the last live copy. A copy
 * costs nothing here: while a dialog hears a room the store knows that it is read, and its mark is made when it leaves. Marks
 * wait a few seconds and are written together; what is lost with the node makes messages unread again.
 */
export class ReadMarks {
  private readonly ports: ReadMarkPorts;
  private waiting = new Map<string, ReadMark>();
  private saving: ReadonlyMap<string, ReadMark> = new Map();
  /** Per room, up to where copies had left this process when its progress was saved. */
  private readonly sent = new Map<number, number>();

  constructor(ports: ReadMarkPorts) {
    this.ports = ports;
  }

  /** The user has seen everything up to this number. */
  note(userId: number, roomId: number, number: number): void {
    const key = keyOf(userId, roomId);
    const known = this.waiting.get(key);
    if (number <= (known?.number ?? 0)) return;
    if (known || this.waiting.size < MAX_WAITING) this.waiting.set(key, { userId, roomId, number });
  }

  /** The session leaves the room of its own will, or is shown the door: it has heard all that was said. */
  left(session: Session, room: Room): void {
    this.heard(session, room, this.ports.delivered(room.id));
  }

  /** The session leaves a room it hears nothing of, not yet or no more: what its dead node had sent it is all it is sure to have heard. */
  leftUnheard(session: Session, room: Room): void {
    this.heard(session, room, undefined);
  }

  /**
   * Nobody knows when the connection died: it counts as having heard what had left a moment ago. Of datagrams nobody knows even
   * that: what such a client heard live is unread again.
   */
  lost(session: Session): void {
    if (session.flow.transport === "udp") return;
    for (const { room } of session.rooms.values()) this.heard(session, room, this.sent.get(room.id));
  }

  /** All copies up to these numbers have left this process. */
  progressed(numbers: ReadonlyMap<number, number>): void {
    for (const [roomId, number] of numbers) this.sent.set(roomId, number);
    for (const roomId of this.sent.keys())
      if (this.ports.delivered(roomId) === undefined) this.sent.delete(roomId);
  }

  /** Messages of each room that the user has not read; rooms that keep no history have none. */
  async unread(userId: number, rooms: readonly Room[]): Promise<Map<number, number>> {
    const keeping = rooms.filter(({ keepsHistory }) => keepsHistory).map(({ id }) => id);
    const unread = new Map<number, number>();
    if (keeping.length === 0) return unread;
    for (const [roomId, { last, read, removed }] of await this.ports.store.read(userId, keeping)) {
      const key = keyOf(userId, roomId);
      const noted = Math.max(this.waiting.get(key)?.number ?? 0, this.saving.get(key)?.number ?? 0);
      const gone = removed > 0 && noted > read ? await this.ports.store.removedAbove(roomId, noted) : removed;
      unread.set(roomId, Math.max(0, last - Math.max(read, noted) - gone));
    }
    return unread;
  }

  /** Writes what waits. Not to be called while it runs. */
  async save(): Promise<void> {
    if (this.waiting.size === 0) return;
    const all = [...this.waiting];
    this.waiting = new Map(all.slice(MAX_SAVED_AT_ONCE));
    this.saving = new Map(all.slice(0, MAX_SAVED_AT_ONCE));
    try {
      await this.ports.store.save([...this.saving.values()]);
    } catch (error) {
      for (const { userId, roomId, number } of this.saving.values()) this.note(userId, roomId, number);
      throw error;
    } finally {
      this.saving = new Map();
    }
  }

  private heard(session: Session, room: Room, upTo: number | undefined): void {
    const joined = session.rooms.get(room.id);
    if (!joined) return;
    const number = Math.max(joined.since, upTo ?? 0);
    if (number > (joined.entered ?? joined.since)) this.note(session.user.id, room.id, number);
  }
}

function keyOf(userId: number, roomId: number): string {
  return `${userId} ${roomId}`;
}
