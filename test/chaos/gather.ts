import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SaxesParser } from "saxes";
import { ChatError } from "../../src/chat/errors.ts";
import { decodeFile } from "../../src/store/spool/spool-line.ts";
import type { Lab } from "../support/lab.ts";
import { until } from "../support/until.ts";
import type {
  ActRecord,
  ArchivedMessage,
  DeliveredRun,
  Evidence,
  PostRecord,
  RoomCounters,
  Seat,
  StoredMessage,
} from "./evidence.ts";
import { sealedEvidence } from "./gather-sealed.ts";

/** A worker that was killed holds the adapter's lease until it lapses; the stock one's lasts a minute. */
const ARCHIVE_LIMIT_MS = 90_000;
const ASKING_LIMIT_MS = 20_000;
const ROOM_URI = "CONCAT('ma-chan://', r.domain, '/', r.guid)";

/** The archive has everything: nothing waits before it, on no node's disk either. */
export async function untilArchived(lab: Lab): Promise<void> {
  let waiting = "";
  const nothingWaits = async () => {
    const spooled = await unrecordedReadings(lab);
    const [row] = await asked<Record<string, number>>(
      lab,
      "SELECT (SELECT COUNT(*) FROM compliance_outbox) AS outbox, (SELECT COUNT(*) FROM compliance_handover) AS handover, " +
        "(SELECT COUNT(*) FROM compliance_run) AS runs, (SELECT COUNT(*) FROM archive_intake) AS intake, " +
        "(SELECT MAX(seq) + 1 FROM archive_leaf) - (SELECT MAX(size) FROM archive_checkpoint) AS unsigned_events",
    );
    const all = { ...row, spooled };
    waiting = JSON.stringify(all);
    return Object.values(all).every((rows) => Number(rows) === 0);
  };
  await until("the archive has everything", nothingWaits, ARCHIVE_LIMIT_MS).catch((cause: unknown) => {
    throw new Error(`not archived: ${waiting}`, { cause });
  });
}

/** Readings on the nodes' disks, of living nodes and dead, that are not on record yet. */
async function unrecordedReadings(lab: Lab): Promise<number> {
  const folder = join(lab.stack.stateDir, "spool");
  const lives = await asked<{ incarnation: string; spooled: number }>(
    lab,
    "SELECT incarnation, spooled FROM incarnation",
  );
  const recorded = new Map(lives.map(({ incarnation, spooled }) => [incarnation, Number(spooled)]));
  let unrecorded = 0;
  for (const file of existsSync(folder) ? readdirSync(folder) : []) {
    const bytes = await readFile(join(folder, file)).catch(() => undefined); // gone: it is on record
    if (!bytes) continue;
    const { header, spooled } = decodeFile(bytes);
    const upTo = recorded.get(header?.life ?? "") ?? 0;
    unrecorded += spooled.filter(({ number }) => number > upTo).length;
  }
  return unrecorded;
}

/** A busy machine's database answers late: what is asked here has time. */
export async function asked<Row extends object>(lab: Lab, sql: string): Promise<Row[]> {
  const deadline = performance.now() + ASKING_LIMIT_MS;
  for (;;) {
    try {
      return await lab.sql<Row>(sql);
    } catch (error) {
      const away = error instanceof ChatError && error.code === "STORE_DOWN";
      if (!away || performance.now() > deadline) throw error;
    }
  }
}

/** What the clients know, all of it since the pool was opened but for the seats, which are of one round. */
export interface ClientLogs {
  readonly posts: readonly PostRecord[];
  readonly acts: readonly ActRecord[];
  readonly seats: readonly Seat[];
}

/** All four witnesses, at a moment when nobody does anything. */
export async function gather(lab: Lab, logs: ClientLogs) {
  const stored = await asked<StoredMessage>(
    lab,
    `SELECT ${ROOM_URI} AS room, m.number AS number, p.uri AS author, m.text AS text FROM message m ` +
      "JOIN room r ON r.id = m.room_id JOIN principal p ON p.id = m.author_id",
  );
  return {
    ...logs,
    stored,
    rooms: await roomCounters(lab),
    postKeys: await count(lab, "SELECT COUNT(*) AS n FROM post_key"),
    readEvents: await count(lab, "SELECT SUM(read_events) AS n FROM incarnation"),
    ...readArchive(join(lab.stack.stateDir, "compliance")),
    ...(await sealedEvidence(lab)),
    quarantined: await count(lab, "SELECT COUNT(*) AS n FROM compliance_quarantine"),
  };
}

export async function roomCounters(lab: Lab): Promise<RoomCounters[]> {
  const rows = await asked<{ room: string; n: number; e: number }>(
    lab,
    `SELECT ${ROOM_URI} AS room, r.last_number AS n, r.last_event AS e FROM room r`,
  );
  return rows.map(({ room, n, e }) => ({ room, lastNumber: Number(n), lastEvent: Number(e) }));
}

export async function lastNumbers(lab: Lab): Promise<Map<string, number>> {
  return new Map((await roomCounters(lab)).map(({ room, lastNumber }) => [room, lastNumber]));
}

export async function count(lab: Lab, sql: string): Promise<number> {
  const [row] = await asked<{ n: number | null }>(lab, sql);
  return Number(row?.n ?? 0);
}

/** Every `Message` of every finished run; `FirstMessage`, which repeats one, left out. A run without manifest is none. */
function readArchive(root: string): Pick<Evidence, "archived" | "runs"> {
  const archived: ArchivedMessage[] = [];
  const entries = existsSync(root) ? readdirSync(root, { withFileTypes: true }) : [];
  // Beside the runs lie the checkpoints of the log.
  const runs = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const delivered: DeliveredRun[] = [];
  for (const run of runs.sort()) {
    const files = readdirSync(join(root, run));
    if (!files.includes("manifest.json")) throw new Error(`run ${run} has no manifest`);
    const manifest = readFileSync(join(root, run, "manifest.json"));
    delivered.push({ run, sha256: createHash("sha256").update(manifest).digest("hex") });
    for (const file of files.filter((name) => /^part-.*\.xml$/.test(name)).sort())
      readPart(join(root, run, file), `${run}/${file}`, archived);
    if (files.includes("unmapped.jsonl")) readUnmapped(join(root, run, "unmapped.jsonl"), archived);
  }
  return { archived, runs: delivered };
}

/** Kinds that stand in the XML; what of them is here besides is what it has no attribute for. */
const IN_XML = ["JOIN", "PART", "CHAT", "STORY", "BACKCHAT", "SEARCH"];

/** What Lync's format has no words for, such as the making of a room: canonical bodies, one a line. */
function readUnmapped(path: string, found: ArchivedMessage[]): void {
  for (const line of readFileSync(path, "utf8").split("\n").filter(Boolean)) {
    const { kind, room, actor, detail } = JSON.parse(line) as {
      kind: string;
      room: { uri: string };
      actor: { uri: string };
      detail: { after?: unknown };
    }; // canonical bodies
    if (IN_XML.includes(kind)) continue;
    const text = kind === "ROLE_CHANGED" ? JSON.stringify(detail.after) : "";
    const who = { author: actor.uri, text, number: 0 };
    found.push({ ...who, conversation: path, room: room.uri, type: kind });
  }
}

function readPart(path: string, name: string, found: ArchivedMessage[]): void {
  let room = "";
  let conversations = 0;
  let message: Omit<ArchivedMessage, "author"> | undefined;
  const parser = new SaxesParser();
  parser.on("error", (error) => {
    throw error;
  });
  parser.on("opentag", ({ name: tag, attributes }) => {
    const given = attributes as Record<string, string>; // no namespaces: plain strings
    if (tag === "Channel") {
      room = given.uri ?? "";
      conversations += 1;
    }
    if (tag === "Message")
      message = {
        conversation: `${name}#${conversations}`,
        room,
        type: given.type ?? "",
        number: Number(given.id),
        text: given.content ?? "",
      };
    if (tag === "Sender" && message) {
      found.push({ ...message, author: given.uri ?? "" });
      message = undefined;
    }
  });
  parser.write(readFileSync(path, "utf8")).close();
}
