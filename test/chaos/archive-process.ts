/**
 * A compliance worker like `parlance worker`, on the same tables, jobs and folder, but without its patience: it archives every
 * half second instead of every quarter of an hour, so that a kill finds it at work. Argument: configuration file.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { loadConfig } from "../../plugin/config.ts";
import { makeAdapter } from "../../src/compliance/adapter.ts";
import { RunFolders } from "../../src/compliance/folder.ts";
import { formats } from "../../src/compliance/formats/formats.ts";
import { ComplianceWorker } from "../../src/compliance/worker.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { MysqlHandoverStore } from "../../src/store/mysql/handover-store.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { JobConsumer } from "../../src/store/redis/job-consumer.ts";

const config = loadConfig(process.argv[2] ?? "");
const database = new Database({ url: config.mysqlUrl, connections: 4 });
const { adapter, "one-room-per-file": filePerRoom } = config.compliance;
const say = (what: string, about: unknown) =>
  process.stderr.write(`${new Date().toISOString()} ${what} ${String(about)}\n`);

const worker = new ComplianceWorker({
  outbox: new MysqlOutboxStore(database, false),
  handover: new MysqlHandoverStore(database),
  adapter: makeAdapter(adapter, formats[adapter], { filePerRoom }, new RunFolders(config.outputDirectory)),
  watch: {
    moved: () => {},
    conflict: (eventId) => say("conflict", eventId),
    quarantined: (eventId, reason) => say("quarantined", `${eventId} ${reason}`),
    delivered: () => {},
    trouble: (what, error) => say(what, error),
  },
  clock: { nowMs: () => Date.now() },
  holder: randomUUID(),
  jobs: (handler) => new JobConsumer({ url: config.redisUrl }, handler),
  sweeper: { intervalMs: 1_000, minAgeMs: 2_000 },
  archiver: { leaseMs: 2_000, limits: { maxEvents: 300, maxBodyBytes: 1 << 20 } },
});
worker.start();
process.stdout.write("ready\n");
for (;;) {
  await worker.archiveNow();
  await pause(500);
}
