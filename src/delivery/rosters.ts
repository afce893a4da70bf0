import type { Room } from "../chat/room.ts";
import type { Clock, NodeBus, Participant, PresenceChange, PresenceStore } from "../ports.ts";
import type { Session } from "../session.ts";
import { Roster, type RosterChange } from "./roster.ts";
import type { RosterNotices } from "./roster-notices.ts";

/** Lync: roster traffic of a large room comes back below this share of the limit. */
const RESUME_SHARE = 0.8;
/** Presence changes sent to Redis in one step. */
const CHANGES_PER_STEP = 500;

/** Each room is compared with published presence this often, if there are not too many. */
const COMPARE_TURNS = 15;
const MOST_ROOMS_PER_TURN = 100;

interface RosterPorts {
  readonly presence: PresenceStore;
  readonly bus: NodeBus;
  readonly notices: Pick<RosterNotices, "arrived" | "nextOrder" | "add" | "drop">;
  readonly clock: Clock;
  /** `participant-update-limit`: rooms above it have no roster traffic. */
  readonly participantUpdateLimit: () => number;
  readonly onError: (error: unknown, what: string) => void;
}

/**
 * Who is in which room: this node's users from memory, the others' from published presence. The bus brings their comings and goings
 * at once and may lose any of them; `compare` finds what it lost.
 */
export class Rosters {
  private readonly ports: RosterPorts;
  private readonly rosters = new Map<number, Roster>();
  private changes: RosterChange[] = [];
  private publishing: Promise<void> | undefined;
  private turns = 0;
  private comparing: Iterator<number> | undefined;

  constructor(ports: RosterPorts) {
    this.ports = ports;
    ports.bus.onMessage((message) => {
      if (message.kind !== "entered" && message.kind !== "left") return;
      const roster = this.rosters.get(message.roomId);
      if (!roster) return;
      this.resize(roster, message.total);
      if (roster.large) return;
      if (message.kind === "entered") {
        if (roster.cameElsewhere(message.participant))
          ports.notices.add(roster.room, { entered: message.participant });
      } else if (roster.wentElsewhere(message.user)) {
        ports.notices.add(roster.room, { left: message.user });
      }
    });
  }

  enter(session: Session, room: Room, mask: number): void {
    let roster = this.rosters.get(room.id);
    if (!roster) {
      roster = new Roster(room);
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
    this.change(roster, { kind: "enter", order: this.ports.notices.nextOrder(), room, participant });
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
    const others = await this.ports.presence.others([roomId]);
    return this.rosters.get(roomId)?.everybody(others?.get(roomId)) ?? [];
  }

  leave(session: Session, room: Room): void {
    const roster = this.rosters.get(room.id);
    const known = roster?.here.get(session.user.uri);
    if (!roster || !known) return;
    known.endpoints -= 1;
    if (known.endpoints > 0) return;
    roster.here.delete(session.user.uri);
    const order = this.ports.notices.nextOrder();
    this.change(roster, { kind: "leave", order, room, participant: known.participant });
  }

  /** Everybody in these rooms, for a session that is in them; for a large room undefined: its roster is not shown. */
  async participants(
    session: Session,
    roomIds: readonly number[],
  ): Promise<Map<number, Participant[] | undefined>> {
    const others = await this.look(roomIds);
    const result = new Map<number, Participant[] | undefined>();
    for (const id of roomIds) {
      const roster = this.rosters.get(id);
      result.set(id, roster && !roster.large ? roster.list(others?.get(id)) : undefined);
      this.ports.notices.arrived(session, id); // whatever has not been told yet is in this list
    }
    return result;
  }

  /** Once a second: compares some rooms with what is published, and tells clients here what the bus has lost. */
  async compare(): Promise<void> {
    this.turns += 1;
    if (!this.comparing) {
      if (this.turns < COMPARE_TURNS) return;
      this.turns = 0;
      this.comparing = this.rosters.keys();
    }
    const most = Math.min(Math.ceil(this.rosters.size / COMPARE_TURNS), MOST_ROOMS_PER_TURN);
    const roomIds: number[] = [];
    while (roomIds.length < most) {
      const { value, done } = this.comparing.next();
      if (done) break;
      roomIds.push(value);
    }
    if (roomIds.length < most || most === 0) this.comparing = undefined;
    if (roomIds.length > 0) await this.look(roomIds, this.ports.clock.monotonicMs());
  }

  /** Reads what is published of small rooms and tells what is new in it. @returns undefined when Redis does not answer */
  private async look(
    roomIds: readonly number[],
    nowMs?: number,
  ): Promise<ReadonlyMap<number, readonly Participant[]> | undefined> {
    const rosters = new Map<number, Roster>();
    for (const id of roomIds) {
      const roster = this.rosters.get(id);
      if (roster) rosters.set(id, roster);
    }
    for (const roster of rosters.values()) roster.look();
    try {
      const counts = await this.ports.presence.counts(roomIds);
      if (!counts) return undefined;
      for (const [id, roster] of rosters) this.resize(roster, roster.here.size + (counts.get(id) ?? 0));
      const crowded = [...counts.keys()].filter((id) => rosters.get(id)?.large === false);
      const others =
        crowded.length > 0 ? await this.ports.presence.others(crowded) : new Map<number, Participant[]>();
      if (!others) return undefined;
      for (const [id, roster] of rosters) {
        if (roster.large) continue;
        const { entered, left } = roster.compare(others.get(id) ?? [], nowMs);
        for (const participant of entered) this.ports.notices.add(roster.room, { entered: participant });
        for (const user of left) this.ports.notices.add(roster.room, { left: user });
      }
      return others;
    } finally {
      for (const roster of rosters.values()) roster.looked();
    }
  }

  /** Number of participants per room. */
  async counts(roomIds: readonly number[]): Promise<Map<number, number>> {
    const others = await this.ports.presence.counts(roomIds);
    const count = (id: number, roster = this.rosters.get(id)) =>
      others ? (roster?.here.size ?? 0) + (others.get(id) ?? 0) : (roster?.known ?? 0);
    return new Map(roomIds.map((id) => [id, count(id)]));
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
    for (const roster of this.rosters.values()) roster.resize(roster.total > limit);
  }

  private resize(roster: Roster, total: number): void {
    roster.total = total;
    const limit = this.ports.participantUpdateLimit();
    if (!roster.large && total > limit) {
      roster.resize(true);
      this.ports.notices.drop(roster.room.id);
    } else if (roster.large && total < limit * RESUME_SHARE) {
      roster.resize(false);
    }
  }

  private change(roster: Roster, change: RosterChange): void {
    roster.queue(change);
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
        return undefined;
      });
      step.forEach((change, index) => {
        this.tell(change, results?.[index]);
      });
    }
  }

  private store(step: readonly RosterChange[]): Promise<PresenceChange[] | undefined> {
    if (step[0]?.kind === "leave")
      return this.ports.presence.leave(
        step.map(({ room, participant }) => ({ roomId: room.id, user: participant.user })),
      );
    return this.ports.presence.enter(step.map(({ room, participant }) => ({ roomId: room.id, participant })));
  }

  private tell(change: RosterChange, outcome: PresenceChange | undefined): void {
    const { room, participant, order } = change;
    const roster = this.rosters.get(room.id);
    if (!roster) return; // never: it stays until all is told
    const { clients, nodes } = roster.published(change, outcome);
    const total = outcome ? roster.here.size + outcome.others : roster.known;
    this.resize(roster, total);
    if (roster.over) this.rosters.delete(room.id);
    const { user } = participant;
    if (nodes) {
      this.ports.bus.publish(
        change.kind === "enter"
          ? { kind: "entered", roomId: room.id, participant, total }
          : { kind: "left", roomId: room.id, user, total },
      );
    }
    if (clients && !roster.large)
      this.ports.notices.add(
        room,
        change.kind === "enter" ? { entered: participant } : { left: user },
        order,
      );
  }
}
