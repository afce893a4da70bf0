import { fits, type KeywordFilter, keywordFilter, MAX_FILTERS } from "../chat/keyword-filter.ts";
import { refusal } from "../chat/role.ts";
import type { RoomStore, SipSender, UserStore } from "../ports.ts";
import type { Session } from "../session.ts";
import type { PublicationStore } from "../user-ports.ts";
import { encodeEnvelope } from "../xccos/envelope.ts";
import { type FeedMessage, readFeedMessage } from "../xccos/grpchat.ts";
import { presenceNames } from "../xccos/names.ts";
import { encodeFeedNotice } from "../xccos/notice.ts";
import { followedRoom, propertiesOf } from "../xccos/publish.ts";
import { parseRoomUri } from "../xccos/uri.ts";
import type { Envids } from "./envids.ts";

/** Messages that are being looked at; of more some are passed over. */
const MAX_LOOKING = 1_000;
/** Users whose filters are read side by side. */
const READ_AT_ONCE = 8;

interface KeywordFilterPorts {
  readonly publications: PublicationStore;
  readonly rooms: RoomStore;
  readonly users: UserStore;
  readonly sessions: { users(): number[]; ofUser(userId: number): readonly Session[] };
  readonly sender: SipSender;
  readonly envids: Envids;
  readonly onError: (error: unknown, what: string) => void;
}

interface Waiting {
  readonly revision: number;
  readonly filters: readonly KeywordFilter[];
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
  private readonly byUser = new Map<number, Waiting>();
  private readonly byRoom = new Map<number, Set<number>>();
  private looking = 0;

  constructor(ports: KeywordFilterPorts) {
    this.ports = ports;
  }

  /** Who is here now, and whose filters have changed. */
  async look(): Promise<void> {
    const here = this.ports.sessions.users();
    const present = new Set(here);
    for (const userId of [...this.byUser.keys()]) if (!present.has(userId)) this.forget(userId);
    const revisions = [...(await this.ports.publications.revisions(here))];
    const changed = revisions.filter(([userId, revision]) => this.byUser.get(userId)?.revision !== revision);
    for (let from = 0; from < changed.length; from += READ_AT_ONCE) {
      const some = changed.slice(from, from + READ_AT_ONCE);
      await Promise.all(some.map(([userId, revision]) => this.read(userId, revision)));
    }
  }

  /** A message of any room, as it is told to participants. Costs nothing where nobody waits. */
  overhear(roomId: number, grpchat: string): void {
    const waiting = this.byRoom.get(roomId);
    if (!waiting || this.looking >= MAX_LOOKING) return;
    this.looking += 1;
    this.find(roomId, [...waiting], readFeedMessage(grpchat))
      .catch((error: unknown) => this.ports.onError(error, "matching keyword filters"))
      .finally(() => {
        this.looking -= 1;
      });
  }

  private async find(roomId: number, userIds: readonly number[], message: FeedMessage): Promise<void> {
    for (const userId of userIds) {
      const matching = this.byUser
        .get(userId)
        ?.filters.filter(
          (filter) => (filter.room ?? message.chanUri) === message.chanUri && fits(filter, message.text),
        );
      const [anyone] = this.ports.sessions.ofUser(userId);
      if (!matching?.length || !anyone || anyone.user.uri === message.author) continue;
      // Following a room gives no right to it.
      const user = await this.ports.users.find(anyone.user.uri);
      const [room] = await this.ports.rooms.byIds([roomId]);
      const [access] = room && user ? await this.ports.rooms.access([room], user) : [];
      if (!room || !access || refusal("read", room, access)) continue;
      const told = this.ports.sessions
        .ofUser(userId)
        .filter((session) => session.purpose !== "lookup" && session.reachable);
      const notice = encodeFeedNotice({ uri: room.uri, name: room.name }, message, matching);
      this.ports.sender.send(encodeEnvelope(this.ports.envids.next(), notice), told, 0);
    }
  }

  private async read(userId: number, revision: number): Promise<void> {
    const { publications } = await this.ports.publications.find(userId, 0);
    const followed: string[] = [];
    const filters: KeywordFilter[] = [];
    for (const { category, instance, content } of publications) {
      if (category === presenceNames.followedRoom) followed.push(followedRoom(content ?? ""));
      if (category !== presenceNames.keywordFilter || filters.length >= MAX_FILTERS) continue;
      const properties = propertiesOf(content ?? "");
      const name = properties.get(presenceNames.filterName) ?? "";
      const words = properties.get(presenceNames.keywords) ?? "";
      const room = parseRoomUri(properties.get(presenceNames.roomUrl) ?? "")?.uri;
      filters.push(keywordFilter(instance, name, words, room));
    }
    const uris = filters.length > 0 ? [...followed, ...filters.flatMap(({ room }) => room ?? [])] : [];
    const refs = [...new Set(uris)].flatMap((uri) => parseRoomUri(uri) ?? []);
    const found = await Promise.all(refs.map(({ domain, value }) => this.ports.rooms.find(domain, value)));
    this.forget(userId);
    const rooms = new Set(found.flatMap((room) => (room ? [room.id] : [])));
    this.byUser.set(userId, { revision, filters, rooms });
    for (const roomId of rooms) {
      const waiting = this.byRoom.get(roomId);
      if (waiting) waiting.add(userId);
      else this.byRoom.set(roomId, new Set([userId]));
    }
  }

  private forget(userId: number): void {
    for (const roomId of this.byUser.get(userId)?.rooms ?? []) {
      const waiting = this.byRoom.get(roomId);
      waiting?.delete(userId);
      if (waiting?.size === 0) this.byRoom.delete(roomId);
    }
    this.byUser.delete(userId);
  }
}
