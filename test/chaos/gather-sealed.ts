import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readSecretKey } from "../../src/compliance/log/note.ts";
import { Reconciler } from "../../src/compliance/reconcile/reconciler.ts";
import { verifyLog } from "../../src/compliance/verify/verify.ts";
import { MysqlArchiveReader } from "../../src/store/mysql/archive-reader.ts";
import { MysqlBooks } from "../../src/store/mysql/books-store.ts";
import { Database, PATIENT_MS } from "../../src/store/mysql/database.ts";
import { type CapturedEvent, unbalanced } from "../support/captured.ts";
import type { Lab } from "../support/lab.ts";
import type { Evidence, SealedEvent } from "./evidence.ts";

/** The sealed log, read as it is and judged by the product's own means. */
export async function sealedEvidence(
  lab: Lab,
): Promise<Pick<Evidence, "sealed" | "recorded" | "complaints">> {
  const database = new Database({ url: lab.stack.mysqlUrl, connections: 3, statementMs: PATIENT_MS });
  try {
    const events = await allEvents(database);
    return {
      sealed: events.map(sealedEvent),
      recorded: await recordedStreams(database),
      complaints: [
        ...(await unbalanced(lab, inStreamOrder(events))),
        ...(await comparison(database)),
        ...(await check(database, lab)),
      ],
    };
  } finally {
    await database.close();
  }
}

const PAGE = 2_000;

async function allEvents(database: Database): Promise<CapturedEvent[]> {
  const events: CapturedEvent[] = [];
  for (;;) {
    const rows = await database.rows<{ body: Buffer }>(
      `SELECT body FROM archive_content WHERE seq >= ? ORDER BY seq LIMIT ${PAGE}`,
      [events.length],
    );
    for (const { body } of rows) events.push(JSON.parse(body.toString("utf8")));
    if (rows.length < PAGE) return events;
  }
}

function inStreamOrder(events: readonly CapturedEvent[]): CapturedEvent[] {
  return [...events].sort((a, b) =>
    a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : a.streamSeq - b.streamSeq,
  );
}

function sealedEvent(event: CapturedEvent): SealedEvent {
  const { stream, streamSeq, kind, room, actor, detail, session } = event;
  const message = kind === "CHAT" || kind === "STORY";
  const [number, text] = message ? [Number(detail.number), String(detail.text)] : [0, ""];
  return { stream, streamSeq, kind, room: room.uri, author: actor.uri, number, text, session, detail };
}

async function recordedStreams(database: Database): Promise<Map<string, number>> {
  const books = new MysqlBooks(database);
  const lives = await database.rows<{ incarnation: string; read_events: number }>(
    "SELECT incarnation, read_events FROM incarnation",
  );
  const others = await books.otherCounts();
  const counts = [...(await books.roomCounts(0, 10_000)), ...others].map(
    ({ stream, committed }) => [stream, committed] as const,
  );
  const closed = lives.map(
    ({ incarnation, read_events }) => [`read:${incarnation}`, Number(read_events)] as const,
  );
  return new Map([...counts, ...closed]);
}

async function comparison(database: Database): Promise<string[]> {
  const complaints: string[] = [];
  const watch = {
    reconciled: () => {},
    difference: () => {},
    settled: () => {},
    trouble: (error: unknown) => complaints.push(String(error)),
  };
  const clock = { monotonicMs: () => performance.now() };
  const result = await new Reconciler(new MysqlBooks(database), watch, clock, "referee").reconcile(true);
  // The stock worker may be comparing just now: what it finds stands in the database, too.
  if (result?.postponed) complaints.push(`not compared: ${result.postponed}`);
  for (const { what, stream, first, last } of await new MysqlBooks(database).differences())
    complaints.push(`${stream}: ${what} ${first}-${last}`);
  return complaints;
}

async function check(database: Database, lab: Lab): Promise<string[]> {
  const key = readSecretKey(readFileSync(join(lab.stack.stateDir, "secret", "archive.key"), "utf8"));
  const { finding, size, signed } = await verifyLog(new MysqlArchiveReader(database), { keys: [key] });
  if (finding) return [`verify: ${JSON.stringify(finding)}`];
  return signed === size ? [] : [`verify: ${signed} of ${size} events are signed`];
}
