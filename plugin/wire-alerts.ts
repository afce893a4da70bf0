import type { EdgeLink } from "../kamailio/edge-link.ts";
import { type Alert, severityOf } from "../src/alerts/alert.ts";
import { Mail } from "../src/alerts/mail.ts";
import type { AlertSink, AlertWatch, Probe, ProcessKind } from "../src/alerts/ports.ts";
import {
  awayProbe,
  clockProbe,
  diskProbe,
  eventProbe,
  refusedProbe,
  triedProbe,
} from "../src/alerts/probes.ts";
import type { Reported } from "../src/alerts/reported.ts";
import { AWAY_MS, BEHIND_MS, FOLDER } from "../src/alerts/times.ts";
import { Watchman } from "../src/alerts/watchman.ts";
import { Webhook } from "../src/alerts/webhook.ts";
import { RunFolders } from "../src/compliance/folder.ts";
import type { NodeBus } from "../src/ports.ts";
import { MysqlAlertStore } from "../src/store/mysql/alert-store.ts";
import type { Database } from "../src/store/mysql/database.ts";
import type { MysqlJournal } from "../src/store/mysql/journal.ts";
import { MysqlPoolView } from "../src/store/mysql/pool-view.ts";
import type { Stores } from "../src/store/mysql/stores.ts";
import type { RedisConnection } from "../src/store/redis/connection.ts";
import { RedisMarker } from "../src/store/redis/marker.ts";
import type { Logger, Metrics } from "../src/telemetry.ts";
import type { Config } from "./config.ts";
import { nowAndThen } from "./now-and-then.ts";

const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

interface AlertParts {
  readonly kind: ProcessKind;
  readonly database: Database;
  /** What this process sees besides the database and its clock. */
  readonly probes: readonly Probe[];
  readonly log: Logger;
  readonly metrics?: Metrics;
}

/** Watches what this process sees and, when it is this one's turn, the pool. */
function startAlerts(config: Config, { kind, database, probes, log, metrics }: AlertParts): Watchman {
  const process = kind === "node" ? config.node.name : workerName(config);
  const watchman = new Watchman({
    process,
    kind,
    probes: [clockProbe(process, clock), ...probes],
    store: new MysqlAlertStore(database),
    pool: new MysqlPoolView(database, clock.nowMs),
    settings: {
      compliance: config.compliance.enabled,
      runIntervalMs: config.compliance["run-interval"],
      checkpointIntervalMs: config.compliance.archive["checkpoint-interval"],
      heartbeatMs: config.compliance["heartbeat-interval"],
      reconcileMs: config.compliance["reconcile-interval"],
      repeatMs: config.alerts["repeat-interval"],
    },
    sinks: alertSinks(config),
    watch: watchOn(log),
    clock,
  });
  metrics?.alerts(() => watchman.alerts.map((alert) => ({ ...alert, severity: severityOf(alert) })));
  metrics?.archiveGauges(() => {
    const { figures } = watchman;
    return (
      figures && {
        parlance_outbox_oldest_seconds: (figures.oldestOutboxMs ?? 0) / 1_000,
        parlance_handover_oldest_seconds: (figures.oldestHandoverMs ?? 0) / 1_000,
        parlance_quarantined_events: figures.quarantined,
        parlance_archive_differences: figures.differences.length,
        parlance_reconciled_seconds: (figures.sinceReconciledMs ?? 0) / 1_000,
        parlance_workers: figures.workers,
      }
    );
  });
  watchman.start();
  return watchman;
}

interface NodeParts {
  readonly stores: Pick<Stores, "database">;
  readonly journal: Pick<MysqlJournal, "refused">;
  readonly edges: ReadonlyMap<string, Pick<EdgeLink, "reached">>;
  readonly bus: Pick<NodeBus, "onState">;
  readonly redis: RedisConnection;
  readonly behindMs: () => number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** What a node sees: its Kamailios, the other nodes by way of Redis, and what waits to leave. */
export function watchNode(config: Config, parts: NodeParts): Watchman {
  const { stores, journal, edges, bus, redis, behindMs, log, metrics } = parts;
  const { name } = config.node;
  const { monotonicMs } = clock;
  let isThere = false;
  bus.onState((connected) => {
    isThere = connected;
  });
  return startAlerts(config, {
    kind: "node",
    database: stores.database,
    probes: [
      awayProbe("redis-away", name, () => isThere, AWAY_MS, monotonicMs),
      emptiedProbe(redis, name),
      refusedProbe(`writes of ${name}`, () => journal.refused, monotonicMs),
      ...[...edges].map(([edge, link]) =>
        awayProbe("kamailio-away", `${edge} and ${name}`, () => link.reached, AWAY_MS, monotonicMs),
      ),
      awayProbe("sending-behind", name, () => behindMs() < BEHIND_MS, 0, monotonicMs),
    ],
    log,
    metrics,
  });
}

interface WorkerParts {
  readonly database: Database;
  readonly redis: RedisConnection;
  readonly reported: Reported;
  readonly log: Logger;
}

/** What a worker sees: Redis, the folder that it fills, and its disk. */
export function watchWorker(config: Config, parts: WorkerParts): Watchman {
  const { database, redis, reported, log } = parts;
  const folder = new RunFolders(config.outputDirectory);
  const name = workerName(config);
  const { monotonicMs } = clock;
  const delivery = { name: "delivery-failing", subject: `${config.compliance.adapter} and ${name}` } as const;
  return startAlerts(config, {
    kind: "worker",
    database,
    probes: [
      awayProbe("redis-away", name, () => redis.connected, AWAY_MS, monotonicMs),
      emptiedProbe(redis, name),
      diskProbe(config.outputDirectory),
      // The run that would find it may be a quarter of an hour away.
      triedProbe(delivery, () => folder.tryWriting(name), FOLDER, monotonicMs),
      reported.probe,
    ],
    log,
  });
}

function emptiedProbe(redis: RedisConnection, process: string): Probe {
  const marker = new RedisMarker(redis, process);
  const detail = "a key that was just there was gone, without a restart";
  return eventProbe(
    { name: "redis-emptied", subject: process, detail },
    () => marker.wasLost(),
    clock.monotonicMs,
  );
}

function workerName(config: Config): string {
  return `worker-${config.node.name}`;
}

/** Whoever the configuration wants told. */
export function alertSinks(config: Config): AlertSink[] {
  const { alertSecrets: secrets, alerts, domain } = config;
  const sinks: AlertSink[] = [];
  if (secrets.webhookUrl !== undefined)
    sinks.push(new Webhook({ url: secrets.webhookUrl, token: secrets.webhookToken, domain }, clock.nowMs));
  if (secrets.smtpUrl !== undefined && alerts["mail-from"] !== undefined)
    sinks.push(new Mail({ url: secrets.smtpUrl, from: alerts["mail-from"], to: alerts["mail-to"], domain }));
  return sinks;
}

function watchOn(log: Logger): AlertWatch {
  const trouble = nowAndThen<{ what: string; why: string }>(
    (details, unsaid) => log.warn({ ...details, unsaid }, "put off"),
    { most: 2 },
  );
  const line = ({ name, subject, detail, owner }: Alert) => ({ alert: name, subject, detail, owner });
  return {
    raised: (alert) => log[severityOf(alert) === "critical" ? "error" : "warn"](line(alert), "alert raised"),
    cleared: (alert) => log.info(line(alert), "alert cleared"),
    undelivered: (sink, why) => log.error({ sink, why }, "an alert could not be told; tried again"),
    delivered: (sink) => log.debug({ sink }, "alerts told"),
    trouble: (what, error) => trouble({ what, why: error instanceof Error ? error.message : String(error) }),
  };
}
