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
    handover: new MysqlHandoverStore(database),
    adapter,
    watch,
    clock: { nowMs: () => Date.now() },
    holder: `test-${process.pid}-${++holders}`,
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

/** Path, size and inode of every file: a file that was written again has another inode. */
export function filesIn(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
}

export async function countRows(database: Database, table: string): Promise<number> {
  const [row] = await database.rows<{ rows_: number }>(`SELECT COUNT(*) AS rows_ FROM ${table}`);
  return Number(row?.rows_);
}
