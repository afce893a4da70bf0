import { type KeywordFilter, keywordFilter, MAX_FILTERS } from "../chat/keyword-filter.ts";
import { KeywordIndex } from "../chat/keyword-index.ts";
import type { Publication } from "../chat/publication.ts";
import { refusal } from "../chat/role.ts";
import type { Clock, RoomStore, SipSender, UserStore } from "../ports.ts";
import type { Session } from "../session.ts";
import type { PublicationStore } from "../user-ports.ts";
import { encodeEnvelope } from "../xccos/envelope.ts";
import { type FeedMessage, readFeedMessage } from "../xccos/grpchat.ts";
import { presenceNames } from "../xccos/names.ts";
import { encodeFeedNotice } from "../xccos/notice.ts";
import { followedRoom, propertiesOf } from "../xccos/publish.ts";
import { parseRoomUri } from "../xccos/uri.ts";
import type { Envids } from "./envids.ts";
import { Pace } from "./pace.ts";

/** Messages that are being looked at; of more some are passed over. */
const MAX_LOOKING = 1_000;
/** Users whose filters are read side by side. */
const READ_AT_ONCE = 8;
/** Words waited for on a node, some 300 bytes each; whoever comes with more waits until there is room. */
const MAX_WORDS = 500_000;
/** Filters looked at between two chances for others to go on. */
const PORTION = 1_000;

interface KeywordFilterPorts {
  readonly publications: Pick<PublicationStore, "find" | "revisions">;
  readonly rooms: Pick<RoomStore, "find" | "byIds" | "access">;
  readonly users: Pick<UserStore, "find">;
  readonly sessions: { users(): number[]; ofUser(userId: number): readonly Session[] };
  readonly sender: SipSender;
  readonly envids: Envids;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly onError: (error: unknown, what: string) => void;
}

/** A filter, and where it is among those of its user. */
interface Held {
  readonly userId: number;
  readonly place: number;
  readonly filter: KeywordFilter;
}

interface Waiting {
  readonly revision: number;
  readonly held: readonly Held[];
  /** Rooms in which they look, by id. */
  readonly rooms: ReadonlySet<number>;
}

/**
 * The words that users with a session here wait for, in the rooms they follow. A message that fits is told to all clients of the user,
 * whether they are in the room or not, without what it says: that they fetch as any history. Best effort: while Redis is away, what
 * another node stores is looked at only in rooms that somebody here is in.
 */
export class KeywordFilters {
  private readonly ports: KeywordFilterPorts;
  private readonly mostWords: number;
  private readonly byUser = new Map<number, Waiting>();
  private readonly byRoom = new Map<number, Set<number>>();
  private readonly words = new KeywordIndex<Held>();
  private readonly overheard: { readonly roomId: number; readonly grpchat: string }[] = [];
  private readonly reading: Pace;
  private readonly matching: Pace;
  private isMatching = false;
  private isFull = false;
  private looking = 0;

  constructor(ports: KeywordFilterPorts, mostWords = MAX_WORDS) {
    this.ports = ports;
    this.mostWords = mostWords;
    this.reading = new Pace(ports.clock);
    this.matching = new Pace(ports.clock);
  }

  /** Who is here now, and whose filters have changed. Not to be called while it runs. */
  async look(): Promise<void> {
    const here = this.ports.sessions.users();
    const present = new Set(here);
    for (const userId of [...this.byUser.keys()]) {
      if (present.has(userId)) continue;
      this.forget(userId);
      await this.reading.keep();
    }
    const revisions = [...(await this.ports.publications.revisions(here))];
    const changed = revisions.filter(([userId, revision]) => this.byUser.get(userId)?.revision !== revision);
    let leftOut = 0;
    for (let from = 0; from < changed.length; from += READ_AT_ONCE) {
      const some = changed.slice(from, from + READ_AT_ONCE);
      if (this.words.size >= this.mostWords) {
        leftOut += some.length;
        for (const [userId] of some) this.forget(userId); // what was changed is waited for no longer
        await this.reading.keep();
        continue;
      }
      const found = await Promise.all(some.map(([userId]) => this.ports.publications.find(userId, 0)));
      for (const [at, [userId, revision]] of some.entries())
        await this.read(userId, revision, found[at]?.publications ?? []);
    }
    if (leftOut > 0 && !this.isFull)
      this.ports.onError(
        new Error(`${leftOut} users beyond ${this.mostWords} words are left out`),
        "reading keyword filters",
      );
    this.isFull = leftOut > 0;
  }

  /** A message of any room, as it is told to participants: they have it first. Costs nothing where nobody waits. */
  overhear(roomId: number, grpchat: string): void {
    if (!this.byRoom.has(roomId) || this.looking >= MAX_LOOKING) return;
    this.looking += 1;
    this.overheard.push({ roomId, grpchat });
    if (!this.isMatching) void this.matchAll();
  }

  /** One message after the other: many at once would each have a portion of every turn. */
  private async matchAll(): Promise<void> {
    this.isMatching = true;
    await this.matching.turn();
    for (let next = this.overheard.shift(); next; next = this.overheard.shift()) {
      const { roomId, grpchat } = next;
      const done = (error?: unknown) => {
        this.looking -= 1;
        if (error !== undefined) this.ports.onError(error, "matching keyword filters");
      };
      try {
        const message = readFeedMessage(grpchat);
        const matching = await this.match(roomId, message);
        this.tell(roomId, message, matching).then(() => done(), done);
      } catch (error) {
        done(error);
      }
      await this.matching.keep();
    }
    this.isMatching = false;
  }

  /** Which filters of whom the message fits. */
  private async match(roomId: number, message: FeedMessage): Promise<Map<number, Held[]>> {
    const matching = new Map<number, Set<Held>>();
    let steps = 0;
    for (const found of this.words.find(message.text)) {
      for (const those of found)
        for (const held of those) {
          const { userId, filter } = held;
          if (++steps % PORTION === 0) await this.matching.keep();
          if ((filter.room ?? message.chanUri) !== message.chanUri) continue;
          if (!this.byRoom.get(roomId)?.has(userId)) continue;
          const fitting = matching.get(userId);
          if (fitting) fitting.add(held);
          else matching.set(userId, new Set([held]));
        }
      await this.matching.keep();
    }
    return new Map(
      [...matching].map(([userId, fitting]) => [userId, [...fitting].sort((a, b) => a.place - b.place)]),
    );
  }

  private async tell(
    roomId: number,
    message: FeedMessage,
    matching: ReadonlyMap<number, readonly Held[]>,
  ): Promise<void> {
    for (const [userId, fitting] of matching) {
      const [anyone] = this.ports.sessions.ofUser(userId);
      if (!anyone || anyone.user.uri === message.author) continue;
      // Following a room gives no right to it.
      const user = await this.ports.users.find(anyone.user.uri);
      const [room] = await this.ports.rooms.byIds([roomId]);
      const [access] = room && user ? await this.ports.rooms.access([room], user) : [];
      if (!room || !access || refusal("read", room, access)) continue;
      const told = this.ports.sessions
        .ofUser(userId)
        .filter((session) => session.purpose !== "lookup" && session.reachable);
      const filters = fitting.map(({ filter }) => filter);
      const notice = encodeFeedNotice({ uri: room.uri, name: room.name }, message, filters);
      this.ports.sender.send(encodeEnvelope(this.ports.envids.next(), notice), told, 0);
    }
  }

  private async read(userId: number, revision: number, publications: readonly Publication[]): Promise<void> {
    const filters: KeywordFilter[] = [];
    for (const { category, instance, content } of publications) {
      if (category !== presenceNames.keywordFilter || filters.length >= MAX_FILTERS) continue;
      const properties = propertiesOf(content ?? "");
      const name = properties.get(presenceNames.filterName) ?? "";
      const words = properties.get(presenceNames.keywords) ?? "";
      const room = parseRoomUri(properties.get(presenceNames.roomUrl) ?? "")?.uri;
      filters.push(keywordFilter(instance, name, words, room));
      await this.reading.keep();
    }
    const rooms = filters.length > 0 ? await this.roomsOf(publications, filters) : new Set<number>();
    this.forget(userId);
    const held = rooms.size > 0 ? filters.map((filter, place) => ({ userId, place, filter })) : [];
    this.byUser.set(userId, { revision, held, rooms });
    for (const one of held) for (const word of one.filter.words) this.words.add(word, one);
    for (const roomId of rooms) {
      const waiting = this.byRoom.get(roomId);
      if (waiting) waiting.add(userId);
      else this.byRoom.set(roomId, new Set([userId]));
    }
    await this.reading.keep();
  }

  private async roomsOf(
    publications: readonly Publication[],
    filters: readonly KeywordFilter[],
  ): Promise<Set<number>> {
    const uris = new Set(filters.flatMap(({ room }) => room ?? []));
    for (const { category, content } of publications) {
      if (category !== presenceNames.followedRoom) continue;
      uris.add(followedRoom(content ?? ""));
      await this.reading.keep();
    }
    const refs = [...uris].flatMap((uri) => parseRoomUri(uri) ?? []);
    const found = await Promise.all(refs.map(({ domain, value }) => this.ports.rooms.find(domain, value)));
    return new Set(found.flatMap((room) => (room ? [room.id] : [])));
  }

  private forget(userId: number): void {
    const known = this.byUser.get(userId);
    for (const held of known?.held ?? []) for (const word of held.filter.words) this.words.remove(word, held);
    for (const roomId of known?.rooms ?? []) {
      const waiting = this.byRoom.get(roomId);
      waiting?.delete(userId);
      if (waiting?.size === 0) this.byRoom.delete(roomId);
    }
    this.byUser.delete(userId);
  }
}
