import type { Attendance } from "../attendance.ts";
import type { Fanout } from "../delivery/fanout.ts";
import type { DialogStore, LeaseStore, ProgressStore, RoomStore } from "../ports.ts";
import type { Incarnation } from "../sip/dialog.ts";

interface TakeoverPorts {
  readonly me: Incarnation;
  readonly leases: LeaseStore;
  readonly dialogs: DialogStore;
  readonly progress: ProgressStore;
  readonly rooms: RoomStore;
  readonly attendance: Attendance;
  readonly fanout: Fanout;
  /** Kamailio is to send requests of dialogs issued by these incarnations here. */
  readonly announceHomes: (issuers: ReadonlySet<Incarnation>) => void;
  /** Published presence of the dead node: its participants are ours now. */
  readonly dropPresence: (dead: Incarnation) => Promise<void>;
  readonly onTaken: (dead: Incarnation, dialogs: number) => void;
}

/** A node died: one survivor takes all its dialogs, tells the edges, and delivers what the rooms got since. */
export class Takeover {
  private readonly ports: TakeoverPorts;

  constructor(ports: TakeoverPorts) {
    this.ports = ports;
  }

  /** Looks for nodes whose lease has lapsed; also this node's own earlier lives. */
  async look(): Promise<void> {
    for (const dead of await this.ports.leases.lapsed()) {
      if (dead !== this.ports.me && (await this.ports.leases.take(dead, this.ports.me)))
        await this.restore(dead);
    }
  }

  private async restore(dead: Incarnation): Promise<void> {
    const { dialogs, progress, rooms, attendance, fanout } = this.ports;
    const delivered = await progress.load(dead);
    const left = (await dialogs.ofHome(this.ports.me)).filter(
      ({ dialog }) => !attendance.holds(dialog.state.token),
    );
    const ids = new Set(left.flatMap((one) => one.rooms.map(({ roomId }) => roomId)));
    const byId = new Map((await rooms.byIds([...ids])).map((room) => [room.id, room]));
    for (const { dialog, rooms: joined } of left) {
      attendance.restore(
        dialog,
        // Copies go on where the dead node had come to, never before the user joined.
        joined.map((room) => ({ ...room, since: Math.max(room.since, delivered.get(room.roomId) ?? 0) })),
        byId,
      );
    }
    this.ports.announceHomes(new Set([dead, ...left.map(({ dialog }) => dialog.state.issuedBy)]));
    await this.ports.dropPresence(dead);
    await fanout.catchUp();
    await progress.forget(dead);
    this.ports.onTaken(dead, left.length);
  }
}
