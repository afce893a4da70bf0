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
  /** Begun, but not done: the database went away in between, perhaps before it said that the node was taken. */
  private readonly begun = new Set<Incarnation>();

  constructor(ports: TakeoverPorts) {
    this.ports = ports;
  }

  /** Looks for nodes whose lease has lapsed; also this node's own earlier lives. */
  async look(): Promise<void> {
    const { leases, me } = this.ports;
    const lapsed = await leases.lapsed();
    for (const dead of new Set([...this.begun, ...lapsed])) {
      if (dead === me) continue;
      this.begun.add(dead);
      // One after another: whose dialogs a node is home to without holding them, his progress is where they go on.
      if (await leases.take(dead, me)) await this.restore(dead);
      this.begun.delete(dead);
    }
  }

  /** Fails before anything is in memory, and is begun again then; or not at all. */
  private async restore(dead: Incarnation): Promise<void> {
    const { changes, dialogs, progress, review, rooms, attendance, fanout } = this.ports;
    const delivered = await progress.load(dead);
    const held = attendance.held(); // before the store is read: who signs off meanwhile is not to come back
    const left = (await dialogs.ofHome(this.ports.me)).filter(
      ({ dialog }) => dialog.epoch > 0 && !held.has(dialog.state.token), // 0: just being opened here
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
    // Asked once they are in memory: what is changed from now on reaches them there.
    const mayHaveChanged = await this.untilDone("reading changes", () => changes.lately());
    await this.untilDone("reviewing rights", () => review.restored([...restored], mayHaveChanged));
    this.ports.announceHomes(new Set([dead, ...left.map(({ dialog }) => dialog.state.issuedBy)]));
    await this.untilDone("dropping presence", () => this.ports.dropPresence(dead));
    for (const [roomId, sessions] of sessionsOf) {
      const room = byId.get(roomId);
      if (room) await this.untilDone("resuming a room", () => this.resume(sessions, room));
    }
    await this.untilDone("catching up", () => fanout.catchUp());
    // On record at once: a room in which nothing happens any more would else be told from the beginning at the next takeover.
    const heard = [...sessionsOf.keys()].flatMap((roomId) => {
      const number = fanout.delivered(roomId);
      return number === undefined ? [] : [[roomId, number] as const];
    });
    this.ports.readMarks.progressed(new Map(heard));
    await this.untilDone("saving progress", () => progress.save(this.ports.me, new Map(heard)));
    await this.untilDone("forgetting progress", () => progress.forget(dead));
    this.ports.onTaken(dead, left.length);
  }

  private async resume(sessions: readonly Session[], reviewed: Room): Promise<void> {
    const { fanout, review, rooms } = this.ports;
    for (let room = reviewed; ; ) {
      const staying = sessions.filter(({ rooms }) => rooms.has(room.id));
      if (staying.length === 0 || (await fanout.resume(staying, room))) return;
      // Whoever looks after a change looks at those who hear the room: not at these, yet.
      [room = room] = await rooms.byIds([room.id]);
      for (const { rooms: joined } of staying) {
        const known = joined.get(room.id);
        if (known) joined.set(room.id, { ...known, room, mayPost: false });
      }
      await review.restored(staying, ({ id }) => id === room.id);
    }
  }

  /** Sessions that are in memory must hear their rooms, however long the database stays away. */
  private async untilDone<T>(what: string, work: () => Promise<T>): Promise<T> {
    for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
      try {
        return await work();
      } catch (error) {
        if (!this.ports.maySpeak()) throw error;
        this.ports.onError(error, what);
        await pause(pauseMs);
      }
    }
  }
}
