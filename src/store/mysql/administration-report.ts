import { type Database, limit } from "./database.ts";
import { inRanges, packedRanges, sizeOf } from "./message-ranges.ts";

/** What is counted: messages posted from one moment until, and without, another. */
export interface ReportQuery {
  readonly fromMs: number;
  readonly toMs: number;
  /** Rooms without a message since then are shown as inactive. */
  readonly inactiveSinceMs: number;
}

export interface ActivityReport {
  readonly rooms: number;
  readonly messages: number;
  /** Rooms and authors with at least one message, busiest first. */
  readonly byRoom: readonly { readonly uri: string; readonly name: string; readonly messages: number }[];
  readonly byUser: readonly { readonly uri: string; readonly name: string; readonly messages: number }[];
  /** Days of UTC with at least one message, as their first millisecond. */
  readonly byDay: readonly { readonly dayMs: number; readonly messages: number }[];
  /** Longest silent first; those without any message before all. */
  readonly inactive: readonly {
    readonly uri: string;
    readonly name: string;
    readonly lastMs: number | null;
  }[];
}

const DAY_MS = 86_400_000;
/** Rooms or authors in one statement. */
const ROWS = 2_000;

interface RoomRow {
  id: number;
  uri: string;
  name: string;
  last_number: number;
  last_ms: number | null;
}

/** Who posts where and when. Messages have no index by time: all are looked at, a bounded number at once. */
export function administrationReport(database: Database) {
  return {
    /** @param onStep told after each statement: messages looked at, and all there are to look at */
    async report(
      { fromMs, toMs, inactiveSinceMs }: ReportQuery,
      onStep: (done: number, all: number) => void = () => {},
    ): Promise<ActivityReport> {
      const rooms = await allRooms(database);
      // Who has been silent since before the period has nothing in it.
      const steps = packedRanges(
        rooms.filter(({ last_ms }) => last_ms !== null && Number(last_ms) >= fromMs),
      );
      const all = steps.reduce((sum, ranges) => sum + sizeOf(ranges), 0);
      const counts = {
        room: new Map<number, number>(),
        author: new Map<number, number>(),
        day: new Map<number, number>(),
      };
      let done = 0;
      for (const ranges of steps) {
        const [condition, values] = inRanges(ranges);
        const rows = await database.rows<{ room_id: number; author_id: number; day: number; n: number }>(
          `SELECT room_id, author_id, at_ms DIV ${DAY_MS} AS day, COUNT(*) AS n FROM message ` +
            `WHERE ${condition} AND at_ms >= ? AND at_ms < ? GROUP BY room_id, author_id, day`,
          [...values, fromMs, toMs],
        );
        for (const { room_id, author_id, day, n } of rows) {
          add(counts.room, room_id, n);
          add(counts.author, author_id, n);
          add(counts.day, Number(day), n);
        }
        done += sizeOf(ranges);
        onStep(done, all);
      }
      const named = new Map(rooms.map(({ id, uri, name }) => [id, { uri, name }]));
      const authors = await namesOf(database, [...counts.author.keys()]);
      const silent = rooms.filter(({ last_ms }) => last_ms === null || Number(last_ms) < inactiveSinceMs);
      return {
        rooms: rooms.length,
        messages: [...counts.day.values()].reduce((sum, n) => sum + n, 0),
        byRoom: busiest(counts.room, named),
        byUser: busiest(counts.author, authors),
        byDay: [...counts.day]
          .sort(([a], [b]) => a - b)
          .map(([day, messages]) => ({ dayMs: day * DAY_MS, messages })),
        inactive: silent
          .map(({ uri, name, last_ms }) => ({ uri, name, lastMs: last_ms === null ? null : Number(last_ms) }))
          .sort((a, b) => (a.lastMs ?? 0) - (b.lastMs ?? 0) || (a.name < b.name ? -1 : 1)),
      };
    },
  };
}

async function allRooms(database: Database): Promise<RoomRow[]> {
  const all: RoomRow[] = [];
  for (;;) {
    const rows = await database.rows<RoomRow>(
      "SELECT r.id, CONCAT('ma-chan://', r.domain, '/', r.guid) AS uri, r.name, r.last_number, " +
        "NULLIF(GREATEST(COALESCE((SELECT m.at_ms FROM message m WHERE m.room_id = r.id ORDER BY m.number DESC LIMIT 1), 0), " +
        "COALESCE((SELECT MAX(s.last_ms) FROM unkept_span s WHERE s.room_id = r.id), 0)), 0) AS last_ms " +
        `FROM room r WHERE r.id > ? ORDER BY r.id ${limit(ROWS)}`,
      [all.at(-1)?.id ?? 0],
    );
    all.push(...rows);
    if (rows.length < ROWS) return all;
  }
}

function add(counts: Map<number, number>, key: number, n: number): void {
  counts.set(key, (counts.get(key) ?? 0) + Number(n));
}

interface Named {
  readonly uri: string;
  readonly name: string;
}

async function namesOf(database: Database, userIds: readonly number[]): Promise<Map<number, Named>> {
  const names = new Map<number, Named>();
  for (let from = 0; from < userIds.length; from += ROWS) {
    const rows = await database.rows<{ id: number; uri: string; display_name: string }>(
      "SELECT id, uri, display_name FROM principal WHERE id IN (?)",
      [userIds.slice(from, from + ROWS)],
    );
    for (const { id, uri, display_name } of rows) names.set(id, { uri, name: display_name });
  }
  return names;
}

function busiest(counts: ReadonlyMap<number, number>, names: ReadonlyMap<number, Named>) {
  return [...counts]
    .map(([id, messages]) => ({ uri: "", name: "", ...names.get(id), messages }))
    .sort((a, b) => b.messages - a.messages || (a.name < b.name ? -1 : 1));
}
