import { randomUUID } from "node:crypto";
import { Reported } from "../src/alerts/reported.ts";
import { type ArchiveAdapter, makeAdapter } from "../src/compliance/adapter.ts";
import { RunFolders } from "../src/compliance/folder.ts";
import { formats } from "../src/compliance/formats/formats.ts";
import type { ComplianceWatch } from "../src/compliance/ports.ts";
import { ComplianceWorker } from "../src/compliance/worker.ts";
import { beginArchive } from "../src/store/mysql/archive-begin.ts";
import { Database } from "../src/store/mysql/database.ts";
import { MysqlDetails } from "../src/store/mysql/details-store.ts";
import { MysqlHandoverStore } from "../src/store/mysql/handover-store.ts";
import { requireSchema } from "../src/store/mysql/migrate.ts";
import { MysqlOutboxStore } from "../src/store/mysql/outbox-store.ts";
import { RedisConnection } from "../src/store/redis/connection.ts";
import { JobConsumer } from "../src/store/redis/job-consumer.ts";
import type { Logger } from "../src/telemetry.ts";
import type { Config } from "./config.ts";
import { runCommand } from "./run-command.ts";
import { watchWorker } from "./wire-alerts.ts";
import { makeArchiveSealer } from "./wire-archive.ts";
import { makeReconciler, makeStatements } from "./wire-reconcile.ts";

/** Within the lease, so that nobody else takes the run over meanwhile. */
const TRANSFORM_MS = 30_000;
/** Bytes of what a transformation makes of one part. */
const TRANSFORMED = 512 << 20;

/** As the section `compliance` says. */
export function archiveAdapter({ compliance, outputDirectory }: Config, database: Database): ArchiveAdapter {
  const {
    adapter,
    "one-room-per-file": filePerRoom,
    "add-room-details": roomDetails,
    "add-user-details": userDetails,
    "transform-command": words,
  } = compliance;
  const limits = { maxOutput: TRANSFORMED, tellsComplaint: false };
  const transform = words && {
    words,
    run: (part: Buffer) => runCommand(words, part, TRANSFORM_MS, limits),
  };
  const extras =
    roomDetails || userDetails || transform
      ? { roomDetails, userDetails, details: new MysqlDetails(database), transform }
      : undefined;
  return makeAdapter(adapter, formats[adapter], { filePerRoom }, new RunFolders(outputDirectory), extras);
}

/** Builds the compliance worker out of its parts and starts it. */
export async function startWorker(config: Config, log: Logger): Promise<{ stop: () => Promise<void> }> {
  await requireSchema(config.mysqlUrl);
  if (config.compliance.archive.enabled) await beginArchive(config.mysqlUrl);
  const database = new Database({ url: config.mysqlUrl, connections: 6 });
  const { "run-interval": runIntervalMs } = config.compliance;
  const watch: ComplianceWatch = {
    moved: (count) => log.debug({ count }, "events moved to the hand-over table"),
    conflict: (eventId) => log.error({ eventId }, "ALARM: two bodies under one event id"),
    quarantined: (eventId, reason) => log.error({ eventId, reason }, "event quarantined"),
    delivered: (runId, events) => log.info({ runId, events }, "events delivered to the adapter"),
    trouble: (what, error) =>
      log.warn({ what, why: error instanceof Error ? error.message : String(error) }, "tried again later"),
  };
  const { enabled: archived } = config.compliance.archive;
  const outbox = new MysqlOutboxStore(database, archived);
  const holder = randomUUID();
  const reported = new Reported();
  const sealer = archived
    ? makeArchiveSealer(config, {
        database,
        log,
        reported,
        holder,
        fetch: (eventIds) => outbox.move(eventIds),
      })
    : undefined;
  const reconciler = archived ? makeReconciler(config, { database, log, holder }) : undefined;
  const statements = archived ? makeStatements(config, { database, log }) : undefined;
  const redis = new RedisConnection({ url: config.redisUrl });
  redis.start();
  const worker = new ComplianceWorker({
    outbox,
    handover: new MysqlHandoverStore(database, archived),
    adapter: archiveAdapter(config, database),
    watch,
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    holder,
    node: config.node.name,
    jobs: (handler) =>
      new JobConsumer(
        { url: config.redisUrl, onTrouble: (error) => log.warn({ why: error.message }, "Redis is away") },
        handler,
      ),
    archiver: { runIntervalMs },
  });
  worker.start();
  sealer?.start();
  reconciler?.start();
  statements?.start();
  const watchman = watchWorker(config, { database, redis, reported, log });
  log.info({ output: config.outputDirectory, runIntervalMs }, "compliance worker is ready");
  return {
    stop: async () => {
      await worker.stop();
      await reconciler?.stop();
      await statements?.stop();
      await sealer?.stop();
      await watchman.stop();
      redis.close();
      await database.close();
    },
  };
}
