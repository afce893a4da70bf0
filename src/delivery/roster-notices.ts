import type { Room } from "../chat/room.ts";
import type { Aor } from "../chat/user.ts";
import type { Participant, SipSender } from "../ports.ts";
import type { Session } from "../session.ts";
import { encodeEnvelope } from "../xccos/envelope.ts";
import { encodeJoinNotice, encodePartNotice } from "../xccos/notice.ts";
import { travellingBytes } from "../xccos/travelling.ts";
import type { Envids } from "./envids.ts";

/** Changes of this long reach a receiver as one notice, however many rooms they are in. */
const GATHER_MS = 1_000;

type News = { readonly entered: Participant } | { readonly left: Aor };

/** `order` tells what came before whose arrival. */
interface Change {
  readonly order: number;
  readonly news: News;
}

interface Gathered {
  readonly room: Room;
  oldest: number;
  /** Each user's, in order. */
  readonly changes: Map<Aor, Change[]>;
}

/** Per session and room: everything up to this order was in the list the client got when it joined. */
type Arrivals = Map<Session, Map<number, number>>;

interface NoticePorts {
  readonly sender: SipSender;
  readonly envids: Envids;
  readonly sessionsIn: (roomId: number) => ReadonlySet<Session>;
  /** Bytes of one notice as it travels. */
  readonly maxBytes: () => number;
}

/** `ntc:join` and `ntc:part`, gathered: a thousand sign-ins in a second are one notice to each receiver, not a thousand. */
export class RosterNotices {
  private readonly ports: NoticePorts;
  private pending = new Map<number, Gathered>();
  private timer: NodeJS.Timeout | undefined;
  private order = 0;
  private arrivals: Arrivals = new Map();
  /** Those before the last flush: a change that is still being published may be older than they are. */
  private earlierArrivals: Arrivals = new Map();

  constructor(ports: NoticePorts) {
    this.ports = ports;
  }

  /** The place of a change in the order of all changes and arrivals; taken when it happens, not when it is told. */
  nextOrder(): number {
    this.order += 1;
    return this.order;
  }

  /** This session's list of the room is made from now on: what happened before is in it. */
  arrived(session: Session, roomId: number): void {
    const rooms = this.arrivals.get(session);
    if (rooms) rooms.set(roomId, this.order);
    else this.arrivals.set(session, new Map([[roomId, this.order]]));
  }

  add(room: Room, news: News, order = this.nextOrder()): void {
    let gathered = this.pending.get(room.id);
    if (!gathered) {
      gathered = { room, oldest: order, changes: new Map() };
      this.pending.set(room.id, gathered);
    }
    gathered.oldest = Math.min(gathered.oldest, order);
    const user = "entered" in news ? news.entered.user : news.left;
    const changes = gathered.changes.get(user);
    if (changes) changes.push({ order, news });
    else gathered.changes.set(user, [{ order, news }]);
    this.timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  /** Nobody is to be told of this room any more: it has grown large. */
  drop(roomId: number): void {
    this.pending.delete(roomId);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.pending = new Map();
    this.arrivals = new Map();
    this.earlierArrivals = new Map();
  }

  private flush(): void {
    this.timer = undefined;
    const pending = this.pending;
    this.pending = new Map();
    const roomsOf = new Map<Session, number[]>();
    for (const roomId of pending.keys()) {
      for (const session of this.ports.sessionsIn(roomId)) {
        if (!session.reachable) continue;
        const rooms = roomsOf.get(session);
        if (rooms) rooms.push(roomId);
        else roomsOf.set(session, [roomId]);
      }
    }
    for (const [body, sessions] of this.bodies(roomsOf, pending)) this.ports.sender.send(body, sessions, 0);
    this.earlierArrivals = this.arrivals;
    this.arrivals = new Map();
  }

  private arrivalOf(session: Session, roomId: number): number {
    return this.arrivals.get(session)?.get(roomId) ?? this.earlierArrivals.get(session)?.get(roomId) ?? 0;
  }

  /** Receivers of the same news share one body; nobody is told of himself, nor of what he found when he came. */
  private bodies(
    roomsOf: ReadonlyMap<Session, readonly number[]>,
    pending: ReadonlyMap<number, Gathered>,
  ): Map<string, Session[]> {
    const receivers = new Map<string, Session[]>();
    const bodiesByNews = new Map<string, readonly string[]>();
    for (const [session, roomIds] of roomsOf) {
      const isConcerned = roomIds.some((id) => pending.get(id)?.changes.has(session.user.uri));
      const isNew = roomIds.some((id) => this.arrivalOf(session, id) >= (pending.get(id)?.oldest ?? 0));
      const news = `${roomIds.join(",")}${isConcerned ? ` ${session.user.id}` : ""}${isNew ? ` ${session.token}` : ""}`;
      let bodies = bodiesByNews.get(news);
      if (!bodies) {
        bodies = this.encode(roomIds, pending, {
          except: isConcerned ? session.user.uri : undefined,
          arrival: (roomId) => this.arrivalOf(session, roomId),
        });
        bodiesByNews.set(news, bodies);
      }
      for (const body of bodies) {
        const sessions = receivers.get(body);
        if (sessions) sessions.push(session);
        else receivers.set(body, [session]);
      }
    }
    return receivers;
  }

  /** One envelope, or several when one would be too large to travel; none when there is nothing to tell. */
  private encode(
    roomIds: readonly number[],
    pending: ReadonlyMap<number, Gathered>,
    receiver: Receiver,
  ): string[] {
    const notices = encodeNotices(roomIds, pending, receiver);
    if (notices === "") return [];
    if (travellingBytes(notices) > this.ports.maxBytes()) {
      if (roomIds.length > 1) return halves(roomIds).flatMap((half) => this.encode(half, pending, receiver));
      const [roomId = 0] = roomIds;
      const gathered = pending.get(roomId);
      if (gathered && gathered.changes.size > 1)
        return halves([...gathered.changes]).flatMap((half) =>
          this.encode(roomIds, new Map([[roomId, { ...gathered, changes: new Map(half) }]]), receiver),
        );
    }
    return [encodeEnvelope(this.ports.envids.next(), notices)];
  }
}

function halves<Item>(items: readonly Item[]): Item[][] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}

interface Receiver {
  readonly except: Aor | undefined;
  readonly arrival: (roomId: number) => number;
}

/** What is left to tell: coming and going, or going and coming back, cancel out for who has seen neither. */
function newsSince(changes: readonly Change[], arrival: number): News | undefined {
  const since = changes.filter(({ order }) => order > arrival);
  const [first, last] = [since[0]?.news, since.at(-1)?.news];
  return first && last && "entered" in first === "entered" in last ? last : undefined;
}

function encodeNotices(
  roomIds: readonly number[],
  pending: ReadonlyMap<number, Gathered>,
  { except, arrival }: Receiver,
): string {
  const entered = new Map<
    Aor,
    { participant: Participant; rooms: { domain: string; value: string; mask: number }[] }
  >();
  const left: { roomUri: string; users: { uri: string }[] }[] = [];
  for (const id of roomIds) {
    const gathered = pending.get(id);
    if (!gathered) continue;
    const gone: { uri: string }[] = [];
    for (const [user, changes] of gathered.changes) {
      const change = user === except ? undefined : newsSince(changes, arrival(id));
      if (!change) continue;
      if ("left" in change) {
        gone.push({ uri: user });
        continue;
      }
      const where = { domain: gathered.room.domain, value: gathered.room.guid, mask: change.entered.mask };
      const known = entered.get(user);
      if (known) known.rooms.push(where);
      else entered.set(user, { participant: change.entered, rooms: [where] });
    }
    if (gone.length > 0) left.push({ roomUri: gathered.room.uri, users: gone });
  }
  const joins = [...entered.values()].map(({ participant, rooms }) => ({
    uri: participant.user,
    displayName: participant.name,
    rooms,
  }));
  const batch = joins.some(({ rooms }) => rooms.length > 1) ? "bjoin" : "join";
  return (
    (joins.length > 0 ? encodeJoinNotice(joins, batch) : "") + (left.length > 0 ? encodePartNotice(left) : "")
  );
}
