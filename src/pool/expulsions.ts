import type { Attendance } from "../attendance.ts";
import type { Room } from "../chat/room.ts";
import type { RoomNotices } from "../delivery/room-notices.ts";
import type { Session } from "../session.ts";
import { InTurn } from "./in-turn.ts";

export interface ExpulsionPorts {
  readonly attendance: Attendance;
  readonly notices: RoomNotices;
  readonly onError: (error: unknown, what: string) => void;
}

/**
 * Who lost a right: nothing more reaches him from the call on. He is out on the record as soon as his session's turn comes, and is
 * told then. When the database is away in between it is tried again.
 */
export class Expulsions {
  private readonly ports: ExpulsionPorts;
  /** Out of delivery, but not yet on the record. */
  private readonly unrecorded = new Map<Session, Map<number, Room>>();
  private readonly turns: InTurn;

  constructor(ports: ExpulsionPorts) {
    this.ports = ports;
    this.turns = new InTurn(
      (session) => this.putOnRecord(session),
      (error) => ports.onError(error, "expelling"),
    );
  }

  /** Out of one room. */
  expel(session: Session, room: Room): void {
    this.ports.attendance.silence(session, room);
    this.roomsOf(session).set(room.id, room);
    this.turns.add(session);
  }

  /** Out of persistent chat. */
  bar(session: Session): void {
    this.ports.attendance.bar(session);
    this.roomsOf(session);
    this.turns.add(session);
  }

  /** Out of one room, for who hears nothing of it yet. Returns when he is out. */
  async keepOut(session: Session, room: Room): Promise<void> {
    this.roomsOf(session).set(room.id, room);
    await session
      .run(() => this.putOnRecord(session))
      .catch((error: unknown) => {
        this.turns.add(session);
        throw error;
      });
  }

  /** What could not be recorded is tried again. */
  retry(): void {
    this.turns.retry();
  }

  private roomsOf(session: Session): Map<number, Room> {
    const rooms = this.unrecorded.get(session) ?? new Map<number, Room>();
    this.unrecorded.set(session, rooms);
    return rooms;
  }

  /** Within the session's turn. */
  private async putOnRecord(session: Session): Promise<void> {
    const rooms = this.unrecorded.get(session);
    if (!rooms) return;
    const { barred } = session; // from here on: who is barred meanwhile has another turn
    const asked = [...rooms.values()];
    const leaving = asked.filter(({ id }) => session.rooms.has(id));
    if (barred)
      leaving.push(...[...session.rooms.values()].map(({ room }) => room).filter(({ id }) => !rooms.has(id)));
    if (!session.ended) {
      await this.ports.attendance.leave(session, leaving, "expelled");
      for (const room of leaving) this.ports.notices.outOf(room, session);
      for (const { id } of asked) rooms.delete(id);
      if (barred) await this.ports.attendance.end(session, "expelled", false);
    }
    if (session.ended || (rooms.size === 0 && !session.barred)) this.unrecorded.delete(session);
  }
}
