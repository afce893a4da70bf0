import type { PartReason } from "./chat/compliance-event.ts";
import { ChatError } from "./chat/errors.ts";
import { NO_ACCESS, refusal } from "./chat/role.ts";
import type { Room } from "./chat/room.ts";
import type { Fanout } from "./delivery/fanout.ts";
import type { ReadMarks } from "./delivery/read-marks.ts";
import type { Rosters } from "./delivery/rosters.ts";
import {
  type Clock,
  type DialogRecord,
  type DialogStore,
  type JoinedRoom,
  type Journal,
  type NodeBus,
  type RoomStore,
  STALE,
} from "./ports.ts";
import { type JoinedHere, Session } from "./session.ts";
import type { Sessions } from "./sessions.ts";
import { type DialogToken, type Flow, isSameFlow } from "./sip/dialog.ts";

interface AttendancePorts {
  readonly sessions: Sessions;
  readonly journal: Journal;
  readonly dialogs: DialogStore;
  readonly rooms: RoomStore;
  readonly fanout: Fanout;
  readonly rosters: Rosters;
  readonly readMarks: ReadMarks;
  readonly bus: NodeBus;
  readonly clock: Clock;
}

/**
 * Who is here and in which rooms: every coming and going is recorded first, then memory, fan-out and rosters follow. Methods
 * that change one session's rooms are called from within `session.run`, so they never overlap.
 */
export class Attendance {
  private readonly ports: AttendancePorts;

  constructor(ports: AttendancePorts) {
    this.ports = ports;
    ports.bus.onMessage((message) => {
      if (message.kind === "adopted") this.forget(message.token);
    });
  }

  /** A new dialog: on disk, then in memory. */
  async open(record: DialogRecord): Promise<Session> {
    await this.ports.journal.open(record);
    const session = new Session(record, this.ports.clock.monotonicMs());
    this.ports.sessions.add(session);
    return session;
  }

  /**
   * A dialog that a dead node left behind, with its rooms as they are today. Nothing is recorded: nobody came or went. It hears
   * its rooms as soon as `Fanout.resume` has brought it up to date.
   */
  restore(
    record: DialogRecord,
    joined: readonly (JoinedRoom & { readonly entered: number })[],
    rooms: ReadonlyMap<number, Room>,
  ): Session {
    const nowMs = this.ports.clock.monotonicMs();
    const session = new Session(record, nowMs);
    session.takenOver(nowMs);
    session.purpose = joined.length > 0 ? "pool" : "unknown";
    this.ports.sessions.add(session);
    for (const { roomId, mask, since, entered } of joined) {
      const room = rooms.get(roomId);
      if (!room) continue;
      session.rooms.set(roomId, { room, mask, since, entered, mayPost: false });
      this.ports.rosters.enter(session, room, mask);
    }
    return session;
  }

  /**
   * Enters rooms the caller has been found entitled to.
   * @returns the ids of rooms that changed meanwhile: the caller decides again.
   */
  async enter(session: Session, rooms: readonly Omit<JoinedHere, "since">[]): Promise<Set<number>> {
    const entering = rooms.filter(({ room }) => !session.rooms.has(room.id));
    const stale = new Set<number>();
    if (entering.length === 0) return stale;
    const lastNumbers = await this.ports.journal.join(session, entering);
    entering.forEach((joining, index) => {
      const since = lastNumbers[index];
      if (since === STALE || since === undefined) stale.add(joining.room.id);
      else this.place(session, { ...joining, since });
    });
    return stale;
  }

  async leave(session: Session, rooms: readonly Room[], reason: PartReason): Promise<void> {
    const leaving = rooms.filter((room) => session.rooms.has(room.id));
    if (leaving.length === 0) return;
    await this.ports.journal.part(session, leaving, reason);
    for (const room of leaving) {
      this.heardAll(session, room);
      this.remove(session, room);
    }
  }

  /** Nothing more of the room reaches the session, from this moment on; it leaves it as soon as its turn comes. */
  silence(session: Session, room: Room): void {
    this.heardAll(session, room);
    this.ports.fanout.leave(session, room.id);
  }

  /** Nothing more reaches the user, and nothing he has asked for is begun, from this moment on. */
  bar(session: Session): void {
    for (const { room } of session.rooms.values()) this.silence(session, room);
    session.user = { ...session.user, enabled: false };
  }

  /** What is delivered now has been heard by whoever listens: not who is silenced, nor who is just being taken over. */
  private heardAll(session: Session, room: Room): void {
    if (this.ports.fanout.sessionsIn(room.id).has(session)) this.ports.readMarks.left(session, room);
    else this.ports.readMarks.leftUnheard(session, room);
  }

  /** The dialog is over. With `remember`, a post from the same endpoint may still enter a room for it (`xccos` 3.6). */
  async end(session: Session, why: PartReason, remember: boolean): Promise<void> {
    if (session.ended) return;
    session.ended = true;
    const reason = reasonOnRecord(session, why);
    try {
      await this.ports.journal.end(session, session.home, reason, remember);
    } catch (error) {
      session.ended = false; // still on disk: the next sweep tries again
      throw error;
    }
    if (reason === "signed-off" || reason === "expelled")
      for (const { room } of session.rooms.values()) this.ports.readMarks.left(session, room);
    else if (session.awaySinceMs === null) this.ports.readMarks.lost(session);
    this.forget(session.token);
  }

  /** The connection closed: nothing is sent any more, the rooms wait for the client to come back. It may have come by another one already. */
  async away(session: Session, closed: Flow): Promise<void> {
    if (session.awaySinceMs !== null || session.ended || !isSameFlow(session.flow, closed)) return;
    session.awaySinceMs = this.ports.clock.nowMs();
    session.lostWithNode = session.orphaned && session.isOvertaking(this.ports.clock.monotonicMs());
    this.ports.readMarks.lost(session);
    await this.record(session);
  }

  /** All connections of its edge are gone; who comes by datagrams has none to lose, and notices nothing. */
  async edgeBegan(session: Session, edge: string, start: string): Promise<void> {
    const { flow } = session;
    if (flow.edge !== edge || flow.edgeStart === start) return;
    if (flow.transport === "udp" && session.awaySinceMs === null)
      await this.back(session, { ...flow, edgeStart: start });
    else await this.away(session, flow);
  }

  /** The client is heard, perhaps on a new connection. */
  async back(session: Session, flow: Flow): Promise<void> {
    if (session.awaySinceMs === null && isSameFlow(session.flow, flow) && session.onRecord) return;
    session.awaySinceMs = null;
    this.ports.sessions.move(session, flow);
    await this.record(session);
  }

  /** By the clock: what the database was not there for is written now, and the next epoch before its numbers are used. */
  async keepRecords(): Promise<void> {
    const concerned = [...this.ports.sessions.all()].filter((one) => !one.onRecord || one.needsEpoch);
    await Promise.all(
      concerned.map((session) =>
        session.run(async () => {
          if (session.needsEpoch) {
            session.epoch += 1;
            session.onRecord = false;
          }
          if (!session.onRecord && !session.ended) await this.record(session);
        }),
      ),
    );
  }

  private async record(session: Session): Promise<void> {
    const { token, flow, awaySinceMs, epoch } = session;
    session.onRecord = false;
    await this.ports.journal.flow(token, { flow, awaySinceMs, epoch });
    session.onRecord = true;
  }

  /** Takes over the rooms of this endpoint's earlier dialogs whose connection is closed; once per dialog, begun again after a failure. */
  async adoptEarlier(session: Session): Promise<void> {
    if (session.epid === "") return;
    for (const token of await this.ports.dialogs.away(session.user.id, session.epid)) {
      if (token === session.token) continue;
      session.adopting.add(token);
      await this.ports.journal.adopt(session, token);
    }
    if (session.adopting.size === 0) return;
    // Entered before the old one leaves: the user was there all the time, nobody is told anything.
    await this.enterOnRecord(session);
    for (const token of session.adopting) {
      const cameBack = (await this.ports.dialogs.home(token)) !== undefined;
      if (!cameBack) {
        this.forget(token);
        this.ports.bus.publish({ kind: "adopted", token });
      }
      session.adopting.delete(token);
    }
  }

  /** The rooms that are this dialog's on record, and that it does not hear: it hears them from where it entered them. */
  private async enterOnRecord(session: Session): Promise<void> {
    const { dialogs, fanout, journal, rooms, rosters } = this.ports;
    const missing = (await dialogs.rooms(session.token)).filter(
      ({ roomId }) => !fanout.sessionsIn(roomId).has(session),
    );
    const found = await rooms.byIds(missing.map(({ roomId }) => roomId));
    const access = await rooms.access(found, session.user);
    const isEntitled = found.map((room, index) => !refusal("join", room, access[index] ?? NO_ACCESS));
    // The right was taken away while nobody held the dialog who would have looked.
    const lost = found.filter((_, index) => !isEntitled[index]);
    if (lost.length > 0) await journal.part(session, lost, "expelled");
    for (const room of lost) if (session.rooms.has(room.id)) this.remove(session, room);
    const entitled = new Map(found.filter((_, index) => isEntitled[index]).map((room) => [room.id, room]));
    for (const { roomId, mask, since } of missing) {
      const room = entitled.get(roomId);
      if (!room) continue;
      if (!session.rooms.has(roomId)) {
        session.rooms.set(roomId, { room, mask, since, mayPost: false });
        rosters.enter(session, room, mask);
      }
      if (!(await fanout.resume([session], room))) throw new ChatError("OVERLOADED"); // decided again at its next word
    }
  }

  /** The dialogs that this node has in memory now. */
  held(): ReadonlySet<DialogToken> {
    return new Set([...this.ports.sessions.all()].map(({ token }) => token));
  }

  /** Out of memory only: what is on disk has gone already, or belongs to somebody else now. */
  forget(token: DialogToken): void {
    const session = this.ports.sessions.find(token);
    if (!session) return;
    session.ended = true;
    for (const { room } of [...session.rooms.values()]) this.remove(session, room);
    this.ports.sessions.remove(session);
  }

  private place(session: Session, joined: JoinedHere): void {
    if (session.rooms.has(joined.room.id)) return;
    // Heard before it is in the map of the session: nothing is sent in between, this is one turn of the loop.
    const room = session.barred ? joined.room : this.ports.fanout.enter(session, joined.room, joined.since);
    session.rooms.set(room.id, { ...joined, room });
    this.ports.rosters.enter(session, room, joined.mask);
  }

  private remove(session: Session, room: Room): void {
    session.rooms.delete(room.id);
    this.ports.fanout.leave(session, room.id);
    this.ports.rosters.leave(session, room);
  }
}

/** Who was gone when his dead node's work was taken up, or was never heard of again, left at a moment nobody knows. */
function reasonOnRecord(session: Session, why: PartReason): PartReason {
  const orphan =
    (why === "connection-lost" && session.lostWithNode) || (why === "session-expired" && session.orphaned);
  return orphan && session.orphaned ? "server-lost" : why;
}
