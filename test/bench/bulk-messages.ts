import { Readable } from "node:stream";
import { createConnection } from "mysql2/promise";
import { seededRandom } from "./statistics.ts";
import type { World, WorldRoom } from "./world.ts";

/** Rows in one transaction. */
const CHUNK = 100_000;
const LOAD_LIMIT_MS = 120_000;
const WORDS =
  "the quick brown fox jumps over a lazy dog while seven wizards mix quartz and jovial elves fold paper boats".split(
    " ",
  );

/**
 * Fills rooms up to `each` messages from those they have, in the order of the primary key, and sets their last number. The
 * server must have been started with local-infile=1.
 */
export async function fillRooms(
  world: World,
  rooms: readonly WorldRoom[],
  have: number,
  each: number,
  authorId: number,
): Promise<void> {
  await withBulkLoad(world, async ({ load, run }) => {
    const ids = rooms.map(({ id }) => id);
    const roomsAtOnce = Math.max(1, Math.floor(CHUNK / (each - have)));
    for (let at = 0; at < rooms.length; at += roomsAtOnce)
      await load(MESSAGE_ROWS, linesOfRooms(ids.slice(at, at + roomsAtOnce), have, each, authorId));
    await run("UPDATE room SET last_number = ? WHERE id IN (?)", [each, ids]);
  });
}

/** What `load` puts messages into. */
export const MESSAGE_ROWS =
  "message CHARACTER SET ascii (room_id, number, author_id, at_ms, alert, text, rtf)";

export interface BulkLoad {
  /** Tab-separated rows into a table, its character set and columns; one transaction. */
  load(into: string, lines: Iterable<string>): Promise<void>;
  run(sql: string, values?: readonly unknown[]): Promise<void>;
}

/** The server must have been started with local-infile=1. */
export function withBulkLoad(world: World, work: (bulk: BulkLoad) => Promise<void>): Promise<void> {
  return withBulkLoadOf(world.stack.mysqlUrl, work);
}

/** As `withBulkLoad`, of any database. */
export async function withBulkLoadOf(
  mysqlUrl: string,
  work: (bulk: BulkLoad) => Promise<void>,
): Promise<void> {
  const connection = await createConnection({
    uri: mysqlUrl,
    connectTimeout: 10_000,
    flags: ["+LOCAL_FILES"],
  });
  try {
    await connection.query("SET SESSION unique_checks = 0, SESSION foreign_key_checks = 0");
    await work({
      async load(into, lines) {
        await connection.query({
          sql: `LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${into}`,
          timeout: LOAD_LIMIT_MS,
          infileStreamFactory: () => Readable.from(lines, { objectMode: false, highWaterMark: 1 << 20 }),
        });
      },
      async run(sql, values = []) {
        await connection.query({ sql, values: [...values], timeout: LOAD_LIMIT_MS });
      },
    });
  } finally {
    connection.destroy();
  }
}

/** Tab-separated rows, one string a room. */
export function* linesOfRooms(
  rooms: readonly number[],
  have: number,
  each: number,
  authorId: number,
): Generator<string> {
  for (const id of rooms) {
    const random = seededRandom(id);
    let text = "";
    for (let number = have + 1; number <= each; number++) {
      text += `${id}\t${number}\t${authorId}\t${1_700_000_000_000 + number * 60_000}\t0\t${sentence(random)}\t\\N\n`;
    }
    yield text;
  }
}

/** About 90 characters, as chat is. */
function sentence(random: () => number): string {
  let text = "";
  const words = 8 + Math.floor(random() * 20);
  for (let word = 0; word < words; word++) text += `${WORDS[Math.floor(random() * WORDS.length)]} `;
  return text.trimEnd();
}
