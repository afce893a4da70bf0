/**
 * A compliance worker like `parlance worker`, on the same tables, jobs and folder, but without its patience: it archives every
 * half second instead of every quarter of an hour, and signs the log every second, so that a kill finds it at work.
 * Argument: configuration file.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { archiveSigner } from "../../plugin/archive-key.ts";
import { loadConfig } from "../../plugin/config.ts";
import { makeAdapter } from "../../src/compliance/adapter.ts";
import { CheckpointFile } from "../../src/compliance/checkpoint-file.ts";
import { RunFolders } from "../../src/compliance/folder.ts";
import { formats } from "../../src/compliance/formats/formats.ts";
import { Sealer } from "../../src/compliance/sealer.ts";
import { ComplianceWorker } from "../../src/compliance/worker.ts";
import { MysqlArchiveStore } from "../../src/store/mysql/archive-store.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { MysqlHandoverStore } from "../../src/store/mysql/handover-store.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { JobConsumer } from "../../src/store/redis/job-consumer.ts";

const config = loadConfig(process.argv[2] ?? "");
const database = new Database({ url: config.mysqlUrl, connections: 4 });
const { adapter, "one-room-per-file": filePerRoom } = config.compliance;
const say = (what: string, about: unknown) =>
  process.stderr.write(`${new Date().toISOString()} ${what} ${String(about)}\n`);

const outbox = new MysqlOutboxStore(database, true);
const worker = new ComplianceWorker({
  outbox,
  handover: new MysqlHandoverStore(database, true),
  adapter: makeAdapter(adapter, formats[adapter], { filePerRoom }, new RunFolders(config.outputDirectory)),
  watch: {
    moved: () => {},
    conflict: (eventId) => say("conflict", eventId),
    quarantined: (eventId, reason) => say("quarantined", `${eventId} ${reason}`),
    delivered: () => {},
    trouble: (what, error) => say(what, error),
  },
  clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
  holder: randomUUID(),
  node: "archive",
  jobs: (handler) => new JobConsumer({ url: config.redisUrl }, handler),
  sweeper: { intervalMs: 1_000, minAgeMs: 2_000 },
  archiver: { leaseMs: 2_000, limits: { maxEvents: 300, maxBodyBytes: 1 << 20 } },
});
const sealer = new Sealer(
  {
    store: new MysqlArchiveStore(database),
    signer: async () => archiveSigner(config),
    outlets: [new CheckpointFile(config.checkpointFile)],
    watch: {
      sealed: () => {},
      checkpoint: () => {},
      conflict: (eventId) => say("conflict", eventId),
      gap: ({ stream, missing }) => say("gap", `${stream} ${missing}`),
      whole: () => {},
      notOurs: () => {},
      published: () => {},
      gapClosed: (stream) => say("gap closed", stream),
      broken: (why) => say("broken", why),
      trouble: (what, error) => say(what, error),
    },
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    holder: randomUUID(),
    fetch: (eventIds) => outbox.move(eventIds),
  },
  { pollMs: 100, leaseMs: 2_000, everyMs: 1_000, gapMs: 20_000 },
);
sealer.start();
worker.start();
process.stdout.write("ready\n");
for (;;) {
  await worker.archiveNow();
  await pause(500);
}
