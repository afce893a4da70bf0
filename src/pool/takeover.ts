import { setTimeout as pause } from "node:timers/promises";
import type { Attendance } from "../attendance.ts";
import type { Room } from "../chat/room.ts";
import type { Fanout } from "../delivery/fanout.ts";
import type { ReadMarks } from "../delivery/read-marks.ts";
import type { DialogStore, JoinedRoom, LeaseStore, ProgressStore, RoomStore } from "../ports.ts";
import type { Session } from "../session.ts";
import type { Incarnation } from "../sip/dialog.ts";
import type { Changes } from "./changes.ts";
import type { RightsReview } from "./rights-review.ts";

interface TakeoverPorts {
  readonly me: Incarnation;
  readonly leases: LeaseStore;
  readonly dialogs: DialogStore;
  readonly progress: ProgressStore;
  readonly rooms: RoomStore;
  readonly attendance: Attendance;
  readonly changes: Changes;
  readonly review: RightsReview;
  readonly fanout: Fanout;
  readonly readMarks: ReadMarks;
  /** Kamailio is to send requests of dialogs issued by these incarnations here. */
  readonly announceHomes: (issuers: ReadonlySet<Incarnation>) => void;
  /** Published presence of the dead node: its participants are ours now. */
  readonly dropPresence: (dead: Incarnation) => Promise<void>;
  readonly maySpeak: () => boolean;
  readonly onError: (error: unknown, what: string) => void;
  readonly onTaken: (dead: Incarnation, dialogs: number) => void;
}

/** A node died: one survivor takes all its dialogs, tells the edges, and delivers what the rooms got since. */
export class Takeover {
  private readonly ports: TakeoverPorts;
  /** Taken, but not yet restored: the database went away in between. */
  private readonly unfinished = new Set<Incarnation>();

  constructor(ports: TakeoverPorts) {
    this.ports = ports;
  }

  /** Looks for nodes whose lease has lapsed; also this node's own earlier lives. */
  async look(): Promise<void> {
    for (const dead of await this.ports.leases.lapsed()) {
      if (dead !== this.ports.me && (await this.ports.leases.take(dead, this.ports.me)))
        this.unfinished.add(dead);
    }
    for (const dead of [...this.unfinished]) {
      await this.restore(dead);
      this.unfinished.delete(dead);
    }
  }

  /** May be begun again after a failure: what is in memory already is left alone. */
  private async restore(dead: Incarnation): Promise<void> {
    const { dialogs, progress, rooms, attendance, fanout } = this.ports;
    const delivered = await progress.load(dead);
    const left = (await dialogs.ofHome(this.ports.me)).filter(
      ({ dialog }) => !attendance.holds(dialog.state.token),
    );
    const ids = new Set(left.flatMap((one) => one.rooms.map(({ roomId }) => roomId)));
    const byId = new Map((await rooms.byIds([...ids])).map((room) => [room.id, room]));
    const sessionsOf = new Map<number, Session[]>();
    for (const { dialog, rooms: joined } of left) {
      // Copies go on where the dead node had come to, never before the user joined.
      const since = ({ roomId, since: own }: JoinedRoom) => Math.max(own, delivered.get(roomId) ?? 0);
      const session = attendance.restore(
        dialog,
        joined.map((room) => ({ ...room, entered: room.since, since: since(room) })),
        byId,
      );
      for (const { roomId } of joined) {
        const hearing = sessionsOf.get(roomId);
        if (hearing) hearing.push(session);
        else sessionsOf.set(roomId, [session]);
      }
    }
    const restored = new Set([...sessionsOf.values()].flat());
    await this.ports.review.restored([...restored], await this.ports.changes.lately());
    this.ports.announceHomes(new Set([dead, ...left.map(({ dialog }) => dialog.state.issuedBy)]));
    await this.ports.dropPresence(dead);
    for (const [roomId, sessions] of sessionsOf) {
      const room = byId.get(roomId);
      const staying = sessions.filter((session) => session.rooms.has(roomId));
      if (room && staying.length > 0) await this.resume(staying, room);
    }
    await fanout.catchUp();
    // On record at once: a room in which nothing happens any more would else be told from the beginning at the next takeover.
    const heard = [...sessionsOf.keys()].flatMap((roomId) => {
      const number = fanout.delivered(roomId);
      return number === undefined ? [] : [[roomId, number] as const];
    });
    this.ports.readMarks.progressed(new Map(heard));
    await progress.save(this.ports.me, new Map(heard));
    await progress.forget(dead);
    this.ports.onTaken(dead, left.length);
  }

  /** Sessions that are in memory must hear their rooms, however long the database stays away. */
  private async resume(sessions: readonly Session[], room: Room): Promise<void> {
    for (let pauseMs = 50; this.ports.maySpeak(); pauseMs = Math.min(pauseMs * 2, 2_000)) {
      try {
        return await this.ports.fanout.resume(sessions, room);
      } catch (error) {
        this.ports.onError(error, "resuming a room");
        await pause(pauseMs);
      }
    }
  }
}
