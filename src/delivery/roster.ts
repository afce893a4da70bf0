import type { Room } from "../chat/room.ts";
import type { Aor } from "../chat/user.ts";
import type { Participant, PresenceChange } from "../ports.ts";

/** A coming or going on this node, which the others have not been told of yet. */
export type RosterChange =
  | { readonly kind: "enter"; readonly order: number; readonly room: Room; readonly participant: Participant }
  | {
      readonly kind: "leave";
      readonly order: number;
      readonly room: Room;
      readonly participant: Participant;
    };

/** Who has to be told: the clients of this node, the other nodes. */
interface Concerned {
  readonly clients: boolean;
  readonly nodes: boolean;
}

/** How long somebody is looked for in published presence before he is taken for gone: a node that lost Redis publishes anew. */
const MISSING_MS = 10_000;

/**
 * One room's participants. Clients here know `here` and `elsewhere`, neither more nor less: whatever changes one of the two is told
 * to them, and whoever enters gets both as his list. So what is published can be compared with what they know.
 */
export class Roster {
  room: Room;
  /** This node's users, with the number of their endpoints here. */
  readonly here = new Map<Aor, { participant: Participant; endpoints: number }>();
  /** Participants in the whole pool, as last heard. */
  total = 0;
  large = false;
  private readonly elsewhere = new Map<Aor, Participant>();
  /** False: what clients here know has other sources, too (their list came from a node that died, the room was large). */
  private complete = false;
  /** The last change of each user that is still being published. */
  private readonly untold = new Map<Aor, RosterChange>();
  private looks = 0;
  /** What the bus said of them is newer than an answer of Redis that is still on its way. */
  private readonly heard = new Set<Aor>();
  /** Published no longer, as far as was seen; since when. */
  private readonly missing = new Map<Aor, number>();

  constructor(room: Room) {
    this.room = room;
  }

  /** Nobody is here, and everybody who left has been told of. */
  get over(): boolean {
    return this.here.size === 0 && this.untold.size === 0;
  }

  /** Participants in the whole pool, as far as this node knows without asking. */
  get known(): number {
    return this.large ? this.total : this.everybody().length;
  }

  queue(change: RosterChange): void {
    const { user } = change.participant;
    this.untold.set(user, change);
    this.heard.delete(user); // what was heard before says nothing of how this change finds him
  }

  /** A change is published, with this outcome; undefined: Redis did not answer. @returns who is to be told */
  published(change: RosterChange, outcome: PresenceChange | undefined): Concerned {
    const { user } = change.participant;
    const nowhereElse = !(outcome?.elsewhere ?? this.elsewhere.has(user));
    const clients =
      change.kind === "enter" ? this.isNews(user, nowhereElse) : this.isGone(change.participant, nowhereElse);
    if (this.untold.get(user) === change) this.untold.delete(user);
    if (this.looks > 0) this.heard.add(user);
    this.settle();
    return { clients, nodes: nowhereElse };
  }

  private isNews(user: Aor, nowhereElse: boolean): boolean {
    return this.complete ? !this.elsewhere.has(user) : nowhereElse;
  }

  private isGone(participant: Participant, nowhereElse: boolean): boolean {
    const { user } = participant;
    const gone = this.heard.has(user) ? !this.elsewhere.has(user) : nowhereElse;
    if (gone) this.elsewhere.delete(user);
    else if (!this.large && !this.elsewhere.has(user)) this.elsewhere.set(user, participant);
    return gone;
  }

  /** The bus says that somebody came elsewhere. @returns whether clients here are to be told */
  cameElsewhere(participant: Participant): boolean {
    const { user } = participant;
    const known = this.complete && this.elsewhere.has(user);
    this.hear(user);
    this.elsewhere.set(user, participant);
    return !known && !this.isShown(user);
  }

  /** The bus says that somebody went elsewhere. @returns whether clients here are to be told */
  wentElsewhere(user: Aor): boolean {
    this.hear(user);
    const known = this.elsewhere.delete(user) || !this.complete;
    return known && !this.isShown(user);
  }

  /** A user of this node stands in the list on its own account, until his leaving has been told. */
  private isShown(user: Aor): boolean {
    return this.here.has(user) || this.untold.has(user);
  }

  private hear(user: Aor): void {
    this.missing.delete(user);
    if (this.looks > 0 || this.untold.size > 0) this.heard.add(user);
  }

  private settle(): void {
    if (this.looks === 0 && this.untold.size === 0) this.heard.clear();
  }

  /** From now on until `looked` an answer of Redis is on its way. */
  look(): void {
    this.looks += 1;
  }

  looked(): void {
    this.looks -= 1;
    this.settle();
  }

  /**
   * Published presence was read. @returns what clients here do not know yet. Who is not there is only told to have gone when he was
   * looked for long enough: `nowMs` says when this is (monotonic), undefined that nobody is given up by this look.
   */
  compare(others: readonly Participant[], nowMs?: number): { entered: Participant[]; left: Aor[] } {
    const entered: Participant[] = [];
    const present = new Set<Aor>();
    for (const participant of others) {
      const { user } = participant;
      present.add(user);
      if (this.heard.has(user) || this.untold.has(user)) continue;
      if (this.complete && !this.elsewhere.has(user) && !this.here.has(user)) entered.push(participant);
      this.elsewhere.set(user, participant);
    }
    this.complete = true;
    return { entered, left: this.givenUp(present, nowMs) };
  }

  private givenUp(present: ReadonlySet<Aor>, nowMs: number | undefined): Aor[] {
    const left: Aor[] = [];
    for (const user of this.elsewhere.keys()) {
      if (present.has(user) || this.heard.has(user) || this.untold.has(user)) {
        this.missing.delete(user);
        continue;
      }
      if (nowMs === undefined) continue;
      const sinceMs = this.missing.get(user);
      if (sinceMs === undefined) this.missing.set(user, nowMs);
      else if (nowMs - sinceMs >= MISSING_MS) {
        this.missing.delete(user);
        this.elsewhere.delete(user);
        if (!this.here.has(user)) left.push(user);
      }
    }
    return left;
  }

  /** The list of who enters now. `others`: what Redis says, if it does. From here on clients know of nobody else. */
  list(others: readonly Participant[] | undefined): Participant[] {
    this.complete = true;
    // Those who have just left here, and are in the room elsewhere too.
    return this.everybody((others ?? []).filter(({ user }) => this.untold.has(user)));
  }

  everybody(others: readonly Participant[] = []): Participant[] {
    const union = new Map<Aor, Participant>(this.elsewhere);
    for (const participant of others) union.set(participant.user, participant);
    for (const [user, { participant }] of this.here) union.set(user, participant);
    return [...union.values()];
  }

  /** Large: clients are told nothing more, and nothing is kept of what they know. */
  resize(large: boolean): void {
    this.large = large;
    if (!large) return;
    this.elsewhere.clear();
    this.missing.clear();
    this.complete = false;
  }
}
