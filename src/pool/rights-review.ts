import type { Attendance } from "../attendance.ts";
import { type Access, accessUnder, type Bindings, refusal } from "../chat/role.ts";
import type { Room } from "../chat/room.ts";
import type { User } from "../chat/user.ts";
import type { Fanout } from "../delivery/fanout.ts";
import type { RoomNotices } from "../delivery/room-notices.ts";
import type { Rosters } from "../delivery/rosters.ts";
import { permissionMask } from "../delivery/wire-room.ts";
import type { NodeBus, Participant, RoomStore, UserStore } from "../ports.ts";
import type { Session } from "../session.ts";
import type { Sessions } from "../sessions.ts";
import { Expulsions } from "./expulsions.ts";
import { InTurn } from "./in-turn.ts";
import { OneAfterAnother } from "./one-after-another.ts";

export interface ReviewPorts {
  readonly sessions: Sessions;
  readonly attendance: Attendance;
  readonly fanout: Fanout;
  readonly rosters: Rosters;
  readonly notices: RoomNotices;
  readonly rooms: RoomStore;
  readonly users: UserStore;
  readonly bus: NodeBus;
  readonly onError: (error: unknown, what: string) => void;
}

const ROOMS_PER_LOOK = 1_000;
const USERS_PER_LOOK = 1_000;
const ROOMS_ABREAST = 8;
const USERS_ABREAST = 64;

/**
 * Rights that changed, applied to who is here: whoever may no longer be in a room gets nothing more of it, is out of it on the
 * record, and is told; who stays hears what is different. Everything can be asked for again and again: it compares with what is.
 * Nothing here waits for a session's turn: one that is busy holds up nobody else's changes.
 */
export class RightsReview {
  private readonly ports: ReviewPorts;
  private readonly rooms = new OneAfterAnother<number>((id) => this.reviewRoom(id));
  private readonly expulsions: Expulsions;
  private readonly lookingAgain: InTurn;

  constructor(ports: ReviewPorts) {
    this.ports = ports;
    this.expulsions = new Expulsions(ports);
    this.lookingAgain = new InTurn(
      (session) => this.reviewRooms(session),
      (error) => ports.onError(error, "reviewing rights"),
    );
    ports.bus.onMessage((message) => {
      if (message.kind !== "permission") return;
      const room = ports.fanout.roomHere(message.roomId);
      if (room) ports.notices.permissions(room, [message.participant], ports.fanout.sessionsIn(room.id));
    });
  }

  /** One room, as it is in the store now. A call while it is under review makes it be reviewed once more. */
  room(roomId: number): Promise<void> {
    return this.rooms.run(roomId);
  }

  /** All rooms of a category that have participants here. */
  async category(categoryId: number): Promise<void> {
    const here = this.ports.fanout.roomsHere().filter((room) => room.categoryId === categoryId);
    await abreast(here, ROOMS_ABREAST, ({ id }) => this.room(id));
  }

  /** One user: who he is, what he may at all, and every room he is in. */
  async user(userId: number): Promise<void> {
    const here = this.ports.sessions.ofUser(userId);
    if (here.length === 0) return;
    await this.asNow(here, (await this.ports.users.byIds([userId])).get(userId));
  }

  /** Everybody and every room here, as far as something is different. */
  async everybody(): Promise<void> {
    const { sessions, users, rooms, fanout } = this.ports;
    const userIds = sessions.users();
    for (let at = 0; at < userIds.length; at += USERS_PER_LOOK) {
      const some = userIds.slice(at, at + USERS_PER_LOOK);
      const now = await users.byIds(some);
      const different = some.filter((id) =>
        sessions.ofUser(id).some(({ user }) => isDifferent(user, now.get(id))),
      );
      // Side by side: what is recorded of them shares transactions.
      await abreast(different, USERS_ABREAST, (id) => this.asNow(sessions.ofUser(id), now.get(id)));
    }
    const here = new Map(fanout.roomsHere().map((room) => [room.id, room.accessVersion]));
    const roomIds = [...here.keys()];
    for (let at = 0; at < roomIds.length; at += ROOMS_PER_LOOK) {
      const some = roomIds.slice(at, at + ROOMS_PER_LOOK);
      const now = new Map((await rooms.byIds(some)).map((room) => [room.id, room.accessVersion]));
      const different = some.filter((id) => now.get(id) !== here.get(id));
      await abreast(different, ROOMS_ABREAST, (id) => this.room(id));
    }
  }

  /** Sessions that are not in the fan-out yet: those rooms of theirs that may have changed while nobody looked. */
  async restored(
    sessions: readonly Session[],
    mayHaveChanged: (room: Room, user: User) => boolean,
  ): Promise<void> {
    const concerned = new Map<number, { room: Room; sessions: Session[] }>();
    for (const session of sessions) {
      for (const { room } of session.rooms.values()) {
        if (!mayHaveChanged(room, session.user)) continue;
        const known = concerned.get(room.id);
        if (known) known.sessions.push(session);
        else concerned.set(room.id, { room, sessions: [session] });
      }
    }
    await abreast([...concerned.values()], ROOMS_ABREAST, async ({ room, sessions: here }) => {
      const { out, staying } = judge(room, await this.ports.rooms.bindings(room), here);
      this.updateMasks(room, staying);
      await Promise.all(out.map(({ session }) => this.expulsions.keepOut(session, room)));
    });
    // Users and rooms were read a moment ago.
    for (const session of sessions) if (session.barred) this.expulsions.bar(session);
  }

  /** What could not be done in a session's turn is tried again. */
  retry(): void {
    this.expulsions.retry();
    this.lookingAgain.retry();
  }

  private async asNow(sessions: readonly Session[], user: User | undefined): Promise<void> {
    await Promise.all(
      sessions.map(async (session) => {
        // Whose policy comes back before he is out is put out all the same: he has missed what was said.
        if (!user?.enabled || session.barred) return this.expulsions.bar(session);
        session.user = user;
        // What it is about just now was decided by who the user was before.
        if (session.busy) this.lookingAgain.add(session);
        await this.reviewRooms(session).catch((error: unknown) => {
          this.lookingAgain.add(session); // he is no longer different from what he was found to be
          throw error;
        });
      }),
    );
  }

  private async reviewRoom(roomId: number): Promise<void> {
    const { fanout, rooms, notices } = this.ports;
    const [room] = await rooms.byIds([roomId]);
    const before = fanout.roomHere(roomId);
    if (!room || !before) {
      if (room) fanout.reviewed(room);
      else if (before) this.expelAll(before);
      return;
    }
    const bindings = await rooms.bindings(room);
    // From here on in one turn of the loop: nobody comes in between.
    const { out, staying } = judge(room, bindings, fanout.sessionsIn(roomId));
    const told = room.disabled ? [...out, ...staying] : staying;
    if (looksDifferent(before, room))
      notices.modified(
        room,
        told.map(({ session }) => session),
      );
    for (const { session } of out) this.expulsions.expel(session, room);
    this.updateMasks(room, staying);
    fanout.reviewed(room);
  }

  /** The rooms that a session is in, by who its user is now. */
  private async reviewRooms(session: Session): Promise<void> {
    const { user } = session;
    const joined = [...session.rooms.keys()];
    const found = new Map((await this.ports.rooms.byIds(joined)).map((room) => [room.id, room]));
    const rooms = [...found.values()];
    const access = await this.ports.rooms.access(rooms, user);
    if (session.ended || session.user !== user) return; // whoever set another user looks by that one
    const held = new Map(rooms.map((room, index) => [room.id, access[index]]));
    for (const id of joined) {
      const [room, binding] = [found.get(id), held.get(id)];
      const known = session.rooms.get(id)?.room;
      if (room && binding && !refusal("join", room, binding))
        this.updateMasks(room, [{ session, access: binding }]);
      else if (known) this.expulsions.expel(session, room ?? known);
    }
  }

  private expelAll(room: Room): void {
    for (const session of [...this.ports.fanout.sessionsIn(room.id)]) this.expulsions.expel(session, room);
  }

  /** Those who stay: whether they may post, and what others see beside their names. */
  private updateMasks(room: Room, staying: readonly Judged[]): void {
    const changed = new Map<string, Participant>(); // a user with two clients is told of once
    for (const { session, access } of staying) {
      const joined = session.rooms.get(room.id);
      if (!joined) continue;
      const mask = permissionMask(room, access);
      session.rooms.set(room.id, { ...joined, room, mask, mayPost: !refusal("post", room, access) });
      if (mask === joined.mask) continue;
      const participant = { user: session.user.uri, name: session.user.displayName, mask };
      changed.set(participant.user, participant);
    }
    if (changed.size === 0) return;
    this.ports.rosters.changed(room, [...changed.values()]);
    const concerned = this.ports.rosters.isLarge(room.id)
      ? staying.map(({ session }) => session).filter(({ user }) => changed.has(user.uri))
      : this.ports.fanout.sessionsIn(room.id);
    this.ports.notices.permissions(room, [...changed.values()], concerned);
  }
}

interface Judged {
  readonly session: Session;
  readonly access: Access;
}

function judge(
  room: Room,
  bindings: Bindings,
  sessions: Iterable<Session>,
): { out: Judged[]; staying: Judged[] } {
  const judged = [...sessions].map((session) => ({ session, access: accessUnder(bindings, session.user) }));
  return {
    out: judged.filter(({ access }) => refusal("join", room, access)),
    staying: judged.filter(({ access }) => !refusal("join", room, access)),
  };
}

/** So many at a time. */
async function abreast<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  const worker = async () => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

function isDifferent(user: User, now: User | undefined): boolean {
  return (
    !now?.enabled ||
    user.administrator !== now.administrator ||
    user.mayCreateRooms !== now.mayCreateRooms ||
    user.principalIds.length !== now.principalIds.length ||
    user.principalIds.some((id) => !now.principalIds.includes(id))
  );
}

/** What participants are told of. */
function looksDifferent(before: Room, after: Room): boolean {
  return (
    before.name !== after.name ||
    before.description !== after.description ||
    before.privacy !== after.privacy ||
    before.type !== after.type ||
    before.disabled !== after.disabled ||
    before.invitations !== after.invitations ||
    before.fileUpload !== after.fileUpload ||
    before.keepsHistory !== after.keepsHistory ||
    before.addIn?.id !== after.addIn?.id ||
    before.addIn?.url !== after.addIn?.url ||
    before.addIn?.name !== after.addIn?.name
  );
}
