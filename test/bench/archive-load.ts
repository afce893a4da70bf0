import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";
import { canonicalBody } from "../../src/chat/compliance-event.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { migrate } from "../../src/store/mysql/migrate.ts";
import { eventMaker } from "../support/compliance-events.ts";
import { withBulkLoadOf } from "./bulk-messages.ts";

const ROOMS = 500;
const CHUNK = 20_000;
const COLUMNS =
  "CHARACTER SET ascii (@id, stream, stream_seq, kind, at_ms, room_id, body) SET event_id = UNHEX(@id)";
const OUTBOX = `compliance_outbox ${COLUMNS}`;
const INTAKE = `archive_intake ${COLUMNS}, arrived_ms = UNIX_TIMESTAMP(NOW(3)) * 1000`;
/** About 90 characters, as chat is. */
export const TEXT =
  "the quick brown fox jumps over a lazy dog while seven wizards mix quartz and jovial elves";

export interface ArchiveWorld {
  readonly stack: Stack;
  readonly database: Database;
  close(): Promise<void>;
}

/** MariaDB and Redis with the schema and nothing in it. */
export async function openArchiveWorld(): Promise<ArchiveWorld> {
  const stack = await startStack({
    parts: ["mariadb", "redis"],
    mariadbOptions: { "innodb-buffer-pool-size": "1G", "innodb-log-file-size": "1G", "local-infile": "1" },
  });
  await migrate(stack.mysqlUrl);
  const database = new Database({ url: stack.mysqlUrl, connections: 8 });
  return {
    stack,
    database,
    close: async () => {
      await database.close();
      await stack.stop();
    },
  };
}

/** Posts in 500 rooms, as the outbox leaves them to the sealer. */
export function fillIntake(world: Pick<ArchiveWorld, "stack">, events: number): Promise<void> {
  return fill(world, INTAKE, events);
}

/** The same as the chat commits them, with nobody told. */
export function fillOutbox(world: Pick<ArchiveWorld, "stack">, events: number): Promise<void> {
  return fill(world, OUTBOX, events);
}

async function fill({ stack }: Pick<ArchiveWorld, "stack">, into: string, events: number): Promise<void> {
  const make = eventMaker("");
  await withBulkLoadOf(stack.mysqlUrl, async ({ load }) => {
    for (let done = 0; done < events; done += CHUNK)
      await load(into, lines(make, Math.min(CHUNK, events - done)));
  });
}

function* lines(make: ReturnType<typeof eventMaker>, events: number): Generator<string> {
  for (let made = 0; made < events; made++) {
    const number = made + 1;
    const event = make({
      roomId: 1 + (made % ROOMS),
      userId: 1 + (made % 97),
      fact: { kind: "CHAT", number, alert: false, text: `${TEXT} ${number}`, rtf: null },
    });
    const { eventId, stream, streamSeq, fact, atMs, room } = event;
    yield `${eventId}\t${stream}\t${streamSeq}\t${fact.kind}\t${atMs}\t${room.id}\t${canonicalBody(event)}\n`;
  }
}
