import { type Logger, pino } from "pino";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

export type { Logger } from "pino";

/** Events, not prose; never message text, never credentials. JSON lines on standard output. */
export function createLogger(level: string, name: string): Logger {
  return pino({
    level,
    base: { name },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ["key", "*.key", "password", "*.password"],
  });
}

/** All metrics of one process, in a registry of its own. */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    requests: new Counter({
      name: "parlance_sip_requests_total",
      help: "SIP requests answered, by method and status",
      labelNames: ["method", "status"],
      registers,
    }),
    requestSeconds: new Histogram({
      name: "parlance_sip_request_seconds",
      help: "From the arrival of a SIP request at this node to its answer",
      labelNames: ["method"],
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2],
      registers,
    }),
    refusedInfos: new Counter({
      name: "parlance_refused_infos_total",
      help: "INFOs that clients refused, or did not answer (4xx), by class of the status",
      labelNames: ["status"],
      registers,
    }),
    primitives: new Counter({
      name: "parlance_xccos_primitives_total",
      help: "XCCOS commands and posts, by kind and response code",
      labelNames: ["kind", "code"],
      registers,
    }),
    strangers: new Counter({
      name: "parlance_link_strangers_total",
      help: "Frames on the link without the right key, or not understood",
      registers,
    }),
    errors: new Counter({
      name: "parlance_errors_total",
      help: "Failures that are this server's own, by what was being done",
      labelNames: ["what"],
      registers,
    }),
    takeovers: new Counter({
      name: "parlance_takeovers_total",
      help: "Dead nodes whose dialogs this node took over",
      registers,
    }),
    directoryReadings: new Counter({
      name: "parlance_directory_readings_total",
      help: "Readings of the LDAP directory by this node, by what came of them",
      labelNames: ["outcome"],
      registers,
    }),
    dialogs: (read: () => number) =>
      new Gauge({
        name: "parlance_dialogs",
        help: "Dialogs whose home is this node",
        registers,
        collect() {
          this.set(read());
        },
      }),
    edgesReached: (read: () => ReadonlyMap<string, { readonly reached: boolean }>) =>
      new Gauge({
        name: "parlance_edge_reached",
        help: "1 while requests are known to come in from a Kamailio",
        labelNames: ["edge"],
        registers,
        collect() {
          for (const [edge, { reached }] of read()) this.set({ edge }, reached ? 1 : 0);
        },
      }),
    alerts: (read: () => readonly { name: string; subject: string; severity: string }[]) =>
      new Gauge({
        name: "parlance_alert",
        help: "1 while something is the matter, by alert; see docs/operator.md",
        labelNames: ["alert", "subject", "severity"],
        registers,
        collect() {
          this.reset();
          for (const { name, subject, severity } of read()) this.set({ alert: name, subject, severity }, 1);
        },
      }),
    archiveGauges: (read: () => Readonly<Record<ArchiveGauge, number>> | undefined) => {
      for (const name of Object.keys(ARCHIVE_GAUGES) as ArchiveGauge[])
        new Gauge({
          name,
          help: ARCHIVE_GAUGES[name],
          registers,
          collect() {
            const figures = read();
            if (figures) this.set(figures[name]);
          },
        });
    },
    spool: (read: () => { readonly entries: number; readonly oldestMs: number }) => {
      new Gauge({
        name: "parlance_spool_entries",
        help: "Readings of buffered categories that are on this node's disk and not recorded yet",
        registers,
        collect() {
          this.set(read().entries);
        },
      });
      new Gauge({
        name: "parlance_spool_oldest_seconds",
        help: "Age of the oldest of them",
        registers,
        collect() {
          this.set(read().oldestMs / 1_000);
        },
      });
    },
    behindSeconds: (read: () => number) =>
      new Gauge({
        name: "parlance_send_behind_seconds",
        help: "Longest time that a copy has been waiting to be handed to Kamailio",
        registers,
        collect() {
          this.set(read());
        },
      }),
  };
}

/** The same on every node: how the way into the archive is, as the database shows it. */
const ARCHIVE_GAUGES = {
  parlance_outbox_oldest_seconds: "Age of the oldest recorded event that the archive has not taken over",
  parlance_handover_oldest_seconds: "Age of the oldest event that the adapter has not written",
  parlance_quarantined_events: "Events that could not be archived as they are",
  parlance_archive_differences:
    "Places where chat and archive do not say the same, or an event is missing; 20 at most",
  parlance_reconciled_seconds: "Since chat and archive were last compared",
  parlance_workers: "Compliance workers that are running",
} as const;
type ArchiveGauge = keyof typeof ARCHIVE_GAUGES;

export type Metrics = ReturnType<typeof createMetrics>;

const METHODS = new Set(["INVITE", "INFO", "UPDATE", "BYE", "OPTIONS", "SUBSCRIBE", "SERVICE"]);

/** Labels of a metric must not grow with what strangers send. */
export function knownMethod(method: string): string {
  return METHODS.has(method) ? method : "other";
}
