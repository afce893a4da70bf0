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

type Change = { readonly entered: Participant } | { readonly left: Aor };

interface Gathered {
  readonly room: Room;
  readonly changes: Map<Aor, Change>;
}

interface NoticePorts {
  readonly sender: SipSender;
  readonly envids: Envids;
  readonly sessionsIn: (roomId: number) => ReadonlySet<Session>;
  /** Bytes of one notice as it travels. */
  readonly maxBytes: number;
}

/** `ntc:join` and `ntc:part`, gathered: a thousand sign-ins in a second are one notice to each receiver, not a thousand. */
export class RosterNotices {
  private readonly ports: NoticePorts;
  private pending = new Map<number, Gathered>();
  private timer: NodeJS.Timeout | undefined;

  constructor(ports: NoticePorts) {
    this.ports = ports;
  }

  /** Entering after leaving within the gathering time, or the reverse, cancels out: receivers saw neither. */
  add(room: Room, change: Change): void {
    let gathered = this.pending.get(room.id);
    if (!gathered) {
      gathered = { room, changes: new Map() };
      this.pending.set(room.id, gathered);
    }
    const user = "entered" in change ? change.entered.user : change.left;
    const earlier = gathered.changes.get(user);
    if (earlier && "entered" in earlier !== "entered" in change) gathered.changes.delete(user);
    else gathered.changes.set(user, change);
    this.timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  /** Nobody is to be told of this room any more: it has grown large. */
  drop(roomId: number): void {
    this.pending.delete(roomId);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.pending = new Map();
  }

  private flush(): void {
    this.timer = undefined;
    const pending = this.pending;
    this.pending = new Map();
    const roomsOf = new Map<Session, number[]>();
    for (const [roomId, { changes }] of pending) {
      if (changes.size === 0) continue;
      for (const session of this.ports.sessionsIn(roomId)) {
        if (!session.reachable) continue;
        const rooms = roomsOf.get(session);
        if (rooms) rooms.push(roomId);
        else roomsOf.set(session, [roomId]);
      }
    }
    for (const [body, sessions] of this.bodies(roomsOf, pending)) this.ports.sender.send(body, sessions, 0);
  }

  /** Receivers of the same news share one body; nobody is told of himself. */
  private bodies(
    roomsOf: ReadonlyMap<Session, readonly number[]>,
    pending: ReadonlyMap<number, Gathered>,
  ): Map<string, Session[]> {
    const receivers = new Map<string, Session[]>();
    const bodiesByNews = new Map<string, readonly string[]>();
    for (const [session, roomIds] of roomsOf) {
      const isConcerned = roomIds.some((id) => pending.get(id)?.changes.has(session.user.uri));
      const news = `${roomIds.join(",")}${isConcerned ? ` ${session.user.id}` : ""}`;
      let bodies = bodiesByNews.get(news);
      if (!bodies) {
        bodies = this.encode(roomIds, pending, isConcerned ? session.user.uri : undefined);
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
    except: Aor | undefined,
  ): string[] {
    const notices = encodeNotices(roomIds, pending, except);
    if (notices === "") return [];
    if (roomIds.length > 1 && travellingBytes(notices) > this.ports.maxBytes) {
      const middle = Math.ceil(roomIds.length / 2);
      const halves = [roomIds.slice(0, middle), roomIds.slice(middle)];
      return halves.flatMap((half) => this.encode(half, pending, except));
    }
    return [encodeEnvelope(this.ports.envids.next(), notices)];
  }
}

function encodeNotices(
  roomIds: readonly number[],
  pending: ReadonlyMap<number, Gathered>,
  except: Aor | undefined,
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
    for (const [user, change] of gathered.changes) {
      if (user === except) continue;
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
