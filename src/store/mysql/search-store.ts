import { ChatError } from "../../chat/errors.ts";
import type { FoundInRooms, HistoryQuery } from "../../chat/history-search.ts";
import type { TermGroups } from "../../chat/search-text.ts";
import { authorTerm } from "../../chat/search-words.ts";
import type { Aor } from "../../chat/user.ts";
import type { HistorySearch } from "../../search-ports.ts";
import type { Database } from "./database.ts";
import { readDetails } from "./search-details.ts";
import { SearchGate } from "./search-gate.ts";
import { unindexed } from "./search-indexer.ts";
import { candidatesIn, planSearch, type SearchPlan } from "./search-plan.ts";
import { sortedOnce } from "./search-postings.ts";
import { RoomSource } from "./search-source.ts";
import type { SearchTail, Sifted } from "./search-tail.ts";
import { type Found, walk } from "./search-walk.ts";

/** Searches of a node at once, and searches that may wait for one of them to end. */
const AT_ONCE = 2;
const WAITING = 32;
/** Above this every room is asked for what is not indexed, not each of the list. */
const NAMED_ROOMS = 500;
/** Messages that are not indexed, read to know their words; what is more is read in its turn. */
const MOST_READ = 4_096;
const ALL_INDEXED: Sifted = { numbers: [], unsifted: { from: Number.MAX_SAFE_INTEGER, to: 0 } };
/** Rooms looked into at once by a search that the index cannot help. */
const ROOMS_AT_ONCE = 900;

/**
 * The index says where a word may stand, the messages themselves decide, and what is not indexed yet is read: so that a search
 * finds what reading everything would, whatever state the index is in.
 */
export class MysqlHistorySearch implements HistorySearch {
  readonly #database: Database;
  readonly #gate = new SearchGate(AT_ONCE, WAITING);

  readonly #tail: SearchTail;

  constructor(database: Database, tail: SearchTail) {
    this.#database = database;
    this.#tail = tail;
  }

  find(query: HistoryQuery, roomIds: readonly number[]): Promise<FoundInRooms> {
    return this.#gate.through(() => {
      if (performance.now() > query.deadlineMs) throw new ChatError("OVERLOADED");
      return this.#find(
        query,
        [...new Set(roomIds)].sort((a, b) => a - b),
      );
    });
  }

  async #find(query: HistoryQuery, roomIds: readonly number[]): Promise<FoundInRooms> {
    const { criteria, matcher, most } = query;
    const authorIds = criteria.authors.length > 0 ? await this.#authors(criteria.authors) : undefined;
    if (roomIds.length === 0 || authorIds?.length === 0) return { rooms: [], lastRoom: null };
    const authors = authorIds ? [authorIds.map((id) => [authorTerm(id)])] : [];
    const groups = [...(matcher?.groups ?? []), ...authors];
    // First what is not in the index, then the index: what goes from one to the other meanwhile is seen twice, never not at all.
    // The plan is made of estimates and may be made at any time.
    const [rest, plan] =
      groups.length > 0
        ? await Promise.all([
            this.#siftUnindexed(groups, roomIds),
            planSearch(this.#database, groups, roomIds),
          ])
        : [new Map<number, Sifted>(), undefined];
    const filter = { authorIds, fromMs: criteria.fromMs, toMs: criteria.toMs };
    const step = plan?.roomsAtOnce ?? ROOMS_AT_ONCE;
    const found: Found[] = [];
    let shown = 0;
    let last: number | null = null;
    for (let at = 0; at < roomIds.length && last === null; at += step) {
      const some = roomIds.slice(at, at + step);
      const sources = await this.#sources(some, rest, plan, criteria);
      const { rooms, lastRoom } = await walk(this.#database, sources, query, filter, most - shown);
      found.push(...rooms);
      shown += rooms.reduce((sum, { messages }) => sum + messages.length, 0);
      const isEnough = shown >= most && at + step < roomIds.length;
      last = isEnough ? (lastRoom ?? some.at(-1) ?? 0) : lastRoom;
    }
    return { rooms: await this.#withDetails(found), lastRoom: last };
  }

  async #siftUnindexed(groups: TermGroups, roomIds: readonly number[]): Promise<Map<number, Sifted>> {
    const isAll = roomIds.length > NAMED_ROOMS;
    const behind = await unindexed(this.#database, isAll ? undefined : roomIds);
    await this.#tail.refresh(this.#database, behind, { isAll, most: MOST_READ });
    return new Map(behind.map((range) => [range.roomId, this.#tail.sift(range, groups)]));
  }

  async #sources(
    roomIds: readonly number[],
    rest: ReadonlyMap<number, Sifted>,
    plan: SearchPlan | undefined,
    criteria: HistoryQuery["criteria"],
  ): Promise<RoomSource[]> {
    if (plan) {
      const candidates = await candidatesIn(this.#database, plan.groups, roomIds);
      const sources: RoomSource[] = [];
      for (const id of roomIds) {
        const indexed = candidates.get(id) ?? [];
        const { numbers, unsifted } = rest.get(id) ?? ALL_INDEXED;
        if (indexed.length === 0 && numbers.length === 0 && unsifted.to < unsifted.from) continue;
        const all = numbers.length > 0 ? sortedOnce([...indexed, ...numbers]) : indexed;
        sources.push(new RoomSource(id, all, unsifted, criteria));
      }
      return sources;
    }
    const rows = await this.#database.rows<{ id: number; last_number: number }>(
      "SELECT id, last_number FROM room WHERE id IN (?) ORDER BY id",
      [roomIds],
    );
    return rows.map((row) => new RoomSource(row.id, [], { from: 1, to: row.last_number }, criteria));
  }

  async #authors(authors: readonly Aor[]): Promise<number[]> {
    const rows = await this.#database.rows<{ id: number }>(
      "SELECT id FROM principal WHERE uri IN (?) AND kind = 'user'",
      [authors],
    );
    return rows.map(({ id }) => id);
  }

  async #withDetails(rooms: readonly Found[]): Promise<FoundInRooms["rooms"]> {
    // The first of each room, then the second ones: in this order they are shown when not all can be.
    const most = Math.max(0, ...rooms.map(({ messages }) => messages.length));
    const wanted = Array.from({ length: most }, (_, place) =>
      rooms.flatMap(({ messages }) => messages[place] ?? []),
    );
    const details = await readDetails(this.#database, wanted.flat());
    return rooms.map(({ roomId, matches, exceeded, messages }) => {
      const told = messages.flatMap((message) => details.get(message) ?? []);
      return { roomId, matches, exceeded: exceeded || told.length < messages.length, messages: told };
    });
  }
}
