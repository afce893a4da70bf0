import { type Database, limit, type Queries } from "./database.ts";
import { beginMerge, FAN_IN, type MergeUnderWay, mergePortion } from "./search-merge.ts";
import { SegmentBuilder, writeSegment } from "./search-segment.ts";
import { portions, readTerms, type SearchTail, type UnindexedRange } from "./search-tail.ts";

/**
 * Messages that wait before they are indexed together, up to twice as many. The more, the fewer rows each message costs; until
 * then every node keeps their words in memory.
 */
const SEAL_MESSAGES = 16_000;
/** However many messages that are: stories of many words are many postings. */
const MAX_POSTINGS = 1_000_000;
/** Messages read at once, and by one turn to have their words in memory. */
const READ_MESSAGES = 256;
const READ_IN_TURN = 8_192;
/** Rooms of one seal. */
const MAX_ROOMS = 32_000;
/** With so many segments of the first level waiting, merging comes first. */
const MERGE_FIRST = 2 * FAN_IN;
/** Portions of a merge follow each other for so long. */
const TURN_MS = 300;
/** A node that is at work for more than this share of its time puts indexing off, until so many seals wait. */
const BUSY = 0.5;
const PUT_OFF_SEALS = 4;
/** After some work for so many times as long there is none: the node has other things to do. */
const REST = 2;

/**
 * Keeps the index of the history search: seals what has gathered into segments, and merges segments. One node at a time works on
 * it; a node that finds another at work leaves it alone. A search is right at every moment of all that.
 */
export class SearchIndexer {
  readonly #database: Database;
  readonly #tail: SearchTail;
  readonly #sealMessages: number;
  #restUntilMs = 0;
  #utilization = performance.eventLoopUtilization();

  constructor(database: Database, tail: SearchTail, sealMessages = SEAL_MESSAGES) {
    this.#database = database;
    this.#tail = tail;
    this.#sealMessages = sealMessages;
  }

  /** Some work, if there is any and it has rested; to be called about every second. */
  async turn(): Promise<void> {
    const beganMs = performance.now();
    if (beganMs < this.#restUntilMs) return;
    const behind = await unindexed(this.#database, undefined);
    await this.#tail.refresh(this.#database, behind, { isAll: true, most: READ_IN_TURN });
    if (!this.#isBusy() || waitingIn(behind) >= PUT_OFF_SEALS * this.#sealMessages)
      while ((await this.step(behind)) === 0 && performance.now() < beganMs + TURN_MS);
    this.#restUntilMs = performance.now() + REST * (performance.now() - beganMs);
  }

  /** One transaction's worth. @returns messages indexed, 0 for a portion of a merge */
  async step(behind?: readonly UnindexedRange[]): Promise<number | "nothing"> {
    const ranges = behind ?? (await unindexed(this.#database, undefined));
    const isDue = waitingIn(ranges) >= this.#sealMessages;
    return this.#database.transaction(async (queries) => {
      const [state] = await queries.rows<StateRow>(
        "SELECT merge_level, merge_up_to, merge_target, merge_term FROM search_state WHERE id = 1 FOR UPDATE SKIP LOCKED",
      );
      if (!state) return "nothing"; // another node is at it
      if (isDue && (await firstLevel(queries)) < MERGE_FIRST) return this.#seal(queries);
      const merge = mergeOf(state) ?? (await beginMerge(queries));
      if (!merge) return isDue ? this.#seal(queries) : "nothing";
      await mergePortion(queries, merge);
      return 0;
    });
  }

  /** Since it was asked the last time. */
  #isBusy(): boolean {
    const before = this.#utilization;
    this.#utilization = performance.eventLoopUtilization();
    return performance.eventLoopUtilization(this.#utilization, before).utilization > BUSY;
  }

  async #seal(queries: Queries): Promise<number> {
    const builder = new SegmentBuilder();
    const reached = new Map<number, number>();
    const ranges = upTo(2 * this.#sealMessages, await unindexed(queries, undefined, MAX_ROOMS));
    for (const portion of portions(ranges, READ_MESSAGES)) {
      const unknown = portion.filter(({ roomId, from, to }) => {
        return !this.#tail.termsOf(roomId, from) || !this.#tail.termsOf(roomId, to); // what lies between is known with them
      });
      const read = unknown.length > 0 ? await readTerms(queries, unknown) : undefined;
      for (const { roomId, from, to } of portion) {
        for (let number = from; number <= to; number++) {
          const terms = read?.get(roomId)?.get(number) ?? this.#tail.termsOf(roomId, number);
          if (terms) builder.add(roomId, number, terms);
        }
        reached.set(roomId, to);
      }
      if (builder.postings >= MAX_POSTINGS) break;
    }
    if (reached.size === 0) return 0;
    await writeSegment(queries, builder);
    await queries.change(
      "INSERT INTO search_progress (room_id, number) VALUES ? ON DUPLICATE KEY UPDATE number = VALUES(number)",
      [[...reached]],
    );
    return builder.messages;
  }
}

interface StateRow {
  merge_level: number | null;
  merge_up_to: number;
  merge_target: number;
  merge_term: number;
}

/**
 * What is not in the index yet, by room. Read before the index is: what is sealed in between is in both then, and in none otherwise.
 * @param roomIds these rooms; every room when undefined
 */
export async function unindexed(
  queries: Queries,
  roomIds: readonly number[] | undefined,
  atMost = Number.MAX_SAFE_INTEGER,
): Promise<UnindexedRange[]> {
  const some = roomIds ? "AND r.id IN (?)" : "";
  const end = atMost < Number.MAX_SAFE_INTEGER ? `ORDER BY r.id ${limit(atMost)}` : "";
  const rows = await queries.rows<{ id: number; last_number: number; number: number }>(
    "SELECT r.id, r.last_number, COALESCE(p.number, 0) AS number FROM room r " +
      `LEFT JOIN search_progress p ON p.room_id = r.id WHERE r.last_number > COALESCE(p.number, 0) ${some} ${end}`,
    roomIds ? [roomIds] : [],
  );
  return rows.map((row) => ({ roomId: row.id, from: Number(row.number) + 1, to: row.last_number }));
}

function waitingIn(ranges: readonly UnindexedRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}

/** The first ones, of so many messages. */
function* upTo(most: number, ranges: readonly UnindexedRange[]): Generator<UnindexedRange> {
  let left = most;
  for (const { roomId, from, to } of ranges) {
    if (left === 0) return;
    const end = Math.min(to, from + left - 1);
    left -= end - from + 1;
    yield { roomId, from, to: end };
  }
}

async function firstLevel(queries: Queries): Promise<number> {
  const [row] = await queries.rows<{ n: number }>("SELECT COUNT(*) AS n FROM search_segment WHERE level = 0");
  return Number(row?.n ?? 0);
}

function mergeOf(state: StateRow): MergeUnderWay | undefined {
  if (state.merge_level === null) return undefined;
  return {
    level: state.merge_level,
    upTo: state.merge_up_to,
    target: state.merge_target,
    term: Number(state.merge_term),
  };
}
