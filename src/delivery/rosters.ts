import type { Room } from "../chat/room.ts";
import type { Aor } from "../chat/user.ts";
import type { NodeBus, Participant, PresenceChange, PresenceStore } from "../ports.ts";
import type { Session } from "../session.ts";
import type { RosterNotices } from "./roster-notices.ts";

/** Lync: roster traffic of a large room comes back below this share of the limit. */
const RESUME_SHARE = 0.8;
/** Presence changes sent to Redis in one step. */
const CHANGES_PER_STEP = 500;

interface Roster {
  room: Room;
  /** This node's users, with the number of their endpoints here. */
  readonly here: Map<Aor, { participant: Participant; endpoints: number }>;
  /** Participants in the whole pool, as last heard. */
  total: number;
  large: boolean;
}

interface RosterPorts {
  readonly presence: PresenceStore;
  readonly bus: NodeBus;
  readonly notices: RosterNotices;
  /** `participant-update-limit`: rooms above it have no roster traffic. */
  readonly participantUpdateLimit: () => number;
  readonly onError: (error: unknown, what: string) => void;
}

type Change =
  | { readonly kind: "enter"; readonly order: number; readonly room: Room; readonly participant: Participant }
  | { readonly kind: "leave"; readonly order: number; readonly room: Room; readonly user: Aor };

/** Who is in which room: this node's users from memory, the others' from published presence. */
export class Rosters {
  private readonly ports: RosterPorts;
  private readonly rosters = new Map<number, Roster>();
  private changes: Change[] = [];
  private publishing: Promise<void> | undefined;

  constructor(ports: RosterPorts) {
    this.ports = ports;
    ports.bus.onMessage((message) => {
      if (message.kind !== "entered" && message.kind !== "left") return;
      const roster = this.rosters.get(message.roomId);
      if (!roster) return;
      this.resize(roster, message.total);
      if (roster.large) return;
      if (message.kind === "entered") ports.notices.add(roster.room, { entered: message.participant });
      else if (!roster.here.has(message.user)) ports.notices.add(roster.room, { left: message.user });
    });
  }

  enter(session: Session, room: Room, mask: number): void {
    let roster = this.rosters.get(room.id);
    if (!roster) {
      roster = { room, here: new Map(), total: 0, large: false };
      this.rosters.set(room.id, roster);
    }
    roster.room = room;
    this.ports.notices.arrived(session, room.id);
    const participant = { user: session.user.uri, name: session.user.displayName, mask };
    const known = roster.here.get(session.user.uri);
    if (known) {
      known.endpoints += 1;
      known.participant = participant;
      return;
    }
    roster.here.set(session.user.uri, { participant, endpoints: 1 });
    this.change({ kind: "enter", order: this.ports.notices.nextOrder(), room, participant });
  }

  /** Participants of this node may do more or less than before. */
  changed(room: Room, participants: readonly Participant[]): void {
    const roster = this.rosters.get(room.id);
    if (!roster) return;
    roster.room = room;
    const here = participants.filter(({ user }) => roster.here.has(user));
    for (const participant of here) {
      const known = roster.here.get(participant.user);
      if (known) known.participant = participant;
      if (!roster.large) this.ports.bus.publish({ kind: "permission", roomId: room.id, participant });
    }
    for (let from = 0; from < here.length; from += CHANGES_PER_STEP) {
      const step = here.slice(from, from + CHANGES_PER_STEP);
      this.ports.presence
        .enter(step.map((participant) => ({ roomId: room.id, participant })))
        .catch((error: unknown) => this.ports.onError(error, "publishing presence"));
    }
  }

  /** Above the limit, or above its lower bound since: its roster is not shown. */
  isLarge(roomId: number): boolean {
    return this.rosters.get(roomId)?.large ?? false;
  }

  /** Everybody in a large room, whose roster is shown on request only. */
  async everybody(roomId: number): Promise<Participant[]> {
    return this.union(roomId, await this.ports.presence.others([roomId]));
  }

  leave(session: Session, room: Room): void {
    const roster = this.rosters.get(room.id);
    const known = roster?.here.get(session.user.uri);
    if (!roster || !known) return;
    known.endpoints -= 1;
    if (known.endpoints > 0) return;
    roster.here.delete(session.user.uri);
    this.change({ kind: "leave", order: this.ports.notices.nextOrder(), room, user: session.user.uri });
  }

  /** Everybody in these rooms; for a large room undefined: its roster is not shown. */
  async participants(roomIds: readonly number[]): Promise<Map<number, Participant[] | undefined>> {
    const counts = await this.ports.presence.counts(roomIds);
    const small: number[] = [];
    for (const id of roomIds) {
      const roster = this.rosters.get(id);
      if (!roster) continue;
      this.resize(roster, roster.here.size + (counts.get(id) ?? 0));
      if (!roster.large) small.push(id);
    }
    const crowded = small.filter((id) => (counts.get(id) ?? 0) > 0);
    const others =
      crowded.length > 0 ? await this.ports.presence.others(crowded) : new Map<number, Participant[]>();
    const result = new Map<number, Participant[] | undefined>();
    for (const id of roomIds) result.set(id, undefined);
    for (const id of small) result.set(id, this.union(id, others));
    return result;
  }

  private union(roomId: number, others: ReadonlyMap<number, readonly Participant[]>): Participant[] {
    const union = new Map<Aor, Participant>();
    for (const participant of others.get(roomId) ?? []) union.set(participant.user, participant);
    for (const participant of this.participantsHere(roomId)) union.set(participant.user, participant);
    return [...union.values()];
  }

  /** Number of participants per room. */
  async counts(roomIds: readonly number[]): Promise<Map<number, number>> {
    const others = await this.ports.presence.counts(roomIds);
    return new Map(roomIds.map((id) => [id, (this.rosters.get(id)?.here.size ?? 0) + (others.get(id) ?? 0)]));
  }

  /** Rooms with participants on this node. */
  roomsHere(): Iterable<number> {
    return this.rosters.keys();
  }

  /** This node's participants of a room, each user once. */
  *participantsHere(roomId: number): Generator<Participant> {
    for (const { participant } of this.rosters.get(roomId)?.here.values() ?? []) yield participant;
  }

  /** Whatever was before: a room is large that has more participants. What was gathered of it until now is still told. */
  limitChanged(): void {
    const limit = this.ports.participantUpdateLimit();
    for (const roster of this.rosters.values()) roster.large = roster.total > limit;
  }

  private resize(roster: Roster, total: number): void {
    roster.total = total;
    const limit = this.ports.participantUpdateLimit();
    if (!roster.large && total > limit) {
      roster.large = true;
      this.ports.notices.drop(roster.room.id);
    } else if (roster.large && total < limit * RESUME_SHARE) {
      roster.large = false;
    }
  }

  private change(change: Change): void {
    this.changes.push(change);
    this.publishing ??= this.publish().finally(() => {
      this.publishing = undefined;
    });
  }

  /** In the order of the changes, in steps of equal kind; then the others are told. */
  private async publish(): Promise<void> {
    while (this.changes.length > 0) {
      const kind = this.changes[0]?.kind;
      let length = this.changes.findIndex((change) => change.kind !== kind);
      if (length < 0) length = this.changes.length;
      const step = this.changes.splice(0, Math.min(length, CHANGES_PER_STEP));
      const results = await this.store(step).catch((error: unknown) => {
        this.ports.onError(error, "publishing presence");
        return [];
      });
      step.forEach((change, index) => {
        this.tell(change, results[index]);
      });
    }
  }

  private store(step: readonly Change[]): Promise<PresenceChange[]> {
    const enters = step.flatMap((c) =>
      c.kind === "enter" ? [{ roomId: c.room.id, participant: c.participant }] : [],
    );
    if (enters.length > 0) return this.ports.presence.enter(enters);
    return this.ports.presence.leave(
      step.flatMap((c) => (c.kind === "leave" ? [{ roomId: c.room.id, user: c.user }] : [])),
    );
  }

  private tell(change: Change, result: PresenceChange | undefined): void {
    const { room } = change;
    const roster = this.rosters.get(room.id);
    if (!roster) return;
    const total = roster.here.size + (result?.others ?? 0);
    this.resize(roster, total);
    if (roster.here.size === 0) this.rosters.delete(room.id);
    if (result?.elsewhere) return;
    if (change.kind === "enter") {
      this.ports.bus.publish({ kind: "entered", roomId: room.id, participant: change.participant, total });
      if (!roster.large) this.ports.notices.add(room, { entered: change.participant }, change.order);
    } else {
      this.ports.bus.publish({ kind: "left", roomId: room.id, user: change.user, total });
      if (!roster.large) this.ports.notices.add(room, { left: change.user }, change.order);
    }
  }
}
