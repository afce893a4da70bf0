import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SaxesParser } from "saxes";
import { type ArchiveAdapter, makeAdapter } from "../../src/compliance/adapter.ts";
import { RunFolders } from "../../src/compliance/folder.ts";
import { lyncXml } from "../../src/compliance/formats/lync-xml.ts";
import type { ArchiveFolder, ComplianceWatch } from "../../src/compliance/ports.ts";
import { ComplianceWorker, type JobSource, type WorkerParts } from "../../src/compliance/worker.ts";
import type { Database } from "../../src/store/mysql/database.ts";
import { MysqlHandoverStore } from "../../src/store/mysql/handover-store.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";

export const noJobs = (): JobSource => ({ start: () => {}, close: async () => {} });

/** A watch that remembers. */
export function recordingWatch() {
  const seen = {
    moved: 0,
    delivered: 0,
    conflicts: [] as string[],
    quarantined: [] as string[],
    troubles: [] as string[],
  };
  const watch: ComplianceWatch = {
    moved: (count) => {
      seen.moved += count;
    },
    conflict: (eventId) => seen.conflicts.push(eventId),
    quarantined: (eventId) => seen.quarantined.push(eventId),
    delivered: (_, events) => {
      seen.delivered += events;
    },
    trouble: (what) => seen.troubles.push(what),
  };
  return { watch, seen };
}

export function lyncAdapter(
  root: string,
  wrap: (folder: ArchiveFolder) => ArchiveFolder = (same) => same,
): ArchiveAdapter {
  return makeAdapter("archive", lyncXml, { filePerRoom: false }, wrap(new RunFolders(root)));
}

let holders = 0;

/** A worker that leaves no row to its jobs' patience: every row is old enough for its sweeper. */
export function makeWorker(
  database: Database,
  adapter: ArchiveAdapter | undefined,
  parts: Partial<WorkerParts> = {},
) {
  const { watch, seen } = recordingWatch();
  const worker = new ComplianceWorker({
    outbox: new MysqlOutboxStore(database, false),
    handover: new MysqlHandoverStore(database, true),
    adapter,
    watch,
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    holder: `test-${process.pid}-${++holders}`,
    node: "n1",
    jobs: noJobs,
    sweeper: { minAgeMs: -60_000, intervalMs: 200 },
    archiver: { leaseMs: 400, limits: { maxEvents: 200, maxBodyBytes: 1 << 20 } },
    ...parts,
  });
  return { worker, seen };
}

/** Every message in the archive, as `<room uri>#<type>#<id>#<content>`; FirstMessage, which repeats, left out. */
export function archivedMessages(root: string): string[] {
  const found: string[] = [];
  for (const run of readdirSync(root)) {
    for (const file of readdirSync(join(root, run)).filter((name) => /^part-.*\.xml$/.test(name))) {
      let room = "";
      const parser = new SaxesParser();
      parser.on("error", (error) => {
        throw error;
      });
      parser.on("opentag", ({ name, attributes }) => {
        const { uri, type, id, content } = attributes as Record<string, string>; // no namespaces: plain strings
        if (name === "Channel") room = uri ?? "";
        if (name === "Message") found.push(`${room}#${type}#${id}#${content}`);
      });
      parser.write(readFileSync(join(root, run, file), "utf8")).close();
    }
  }
  return found;
}

/** What was recorded of deliveries, and is not sealed yet. */
export async function recordedDeliveries(database: Database) {
  const rows = await database.rows<{ body: Buffer }>(
    "SELECT body FROM archive_intake WHERE kind = 'DELIVERY' ORDER BY stream_seq",
  );
  return rows.map(({ body }) => {
    const { stream, streamSeq, actor, detail } = JSON.parse(body.toString("utf8"));
    return { stream, streamSeq, actor: actor.uri, ...detail } as RecordedDelivery; // as handover-store.ts writes it
  });
}

export interface RecordedDelivery {
  readonly stream: string;
  readonly streamSeq: number;
  readonly actor: string;
  readonly adapter: string;
  readonly runId: string;
  readonly events: number;
  readonly first: string;
  readonly last: string;
  readonly countsByKind: Readonly<Record<string, number>>;
  readonly unmapped: number;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
}

/** Each run that is there was recorded once, with every file as it is on the disk. */
export function assertRecorded(root: string, deliveries: readonly RecordedDelivery[]): void {
  const onDisk = readdirSync(root).map((run) => [run, ...readdirSync(join(root, run)).sort()]);
  const recorded = deliveries.map(({ runId, files }) => [runId, ...files.map(({ name }) => name).sort()]);
  assert.deepEqual(recorded.sort(), onDisk.sort());
  for (const { runId, files } of deliveries)
    for (const { name, bytes, sha256 } of files) {
      const found = readFileSync(join(root, runId, name));
      assert.deepEqual([found.length, createHash("sha256").update(found).digest("hex")], [bytes, sha256]);
    }
}

/** Path, size and inode of every file: a file that was written again has another inode. */
export function filesIn(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
}

export async function countRows(database: Database, table: string): Promise<number> {
  const [row] = await database.rows<{ rows_: number }>(`SELECT COUNT(*) AS rows_ FROM ${table}`);
  return Number(row?.rows_);
}
