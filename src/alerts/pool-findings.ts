import type { Finding } from "./alert.ts";
import type { ArchiveFigures, PoolFigures } from "./ports.ts";
import { HANDOVER_GRACE_MS, INTAKE_MS, OUTBOX_MS, OVERDUE, RECONCILE_GRACE_MS } from "./times.ts";

export interface PoolSettings {
  /** Whether the process that looks records; others may, or may not. */
  readonly compliance: boolean;
  readonly runIntervalMs: number;
  readonly checkpointIntervalMs: number;
  readonly heartbeatMs: number;
  readonly reconcileMs: number;
}

/** Loss on one side, change on the other. */
const MISSING = new Set(["missing", "unrecorded"]);

/** What the pool's figures say is the matter. A pool whose nodes are all without compliance, and without a worker, wants no archive. */
export function poolFindings(figures: PoolFigures, settings: PoolSettings): Finding[] {
  const { compliance, runIntervalMs, checkpointIntervalMs, heartbeatMs, reconcileMs } = settings;
  const found: Finding[] = figures.dead.map(({ name, kind, silentMs }) => ({
    name: kind === "node" ? "node-dead" : "worker-dead",
    subject: name,
    detail: `silent for ${seconds(silentMs)} s`,
  }));
  const { oldestOutboxMs, oldestHandoverMs, quarantined, failing, workers } = figures;
  if (oldestOutboxMs !== null && oldestOutboxMs > OUTBOX_MS)
    found.push({
      name: "capture-behind",
      subject: "outbox",
      detail: `the oldest event has waited for ${seconds(oldestOutboxMs)} s; workers running: ${workers}`,
    });
  // The pool decides, not the setting of whoever looks: that may be the very node that records nothing.
  const isRecorded = compliance || workers > 0 || figures.silent.some(({ silentMs }) => silentMs !== null);
  if (isRecorded) found.push(...silentFindings(figures, heartbeatMs));
  for (const { what, stream, first, last } of figures.differences)
    found.push({
      name: MISSING.has(what) ? "record-missing" : "archive-differs",
      subject: stream,
      detail: `${what}: ${first === last ? first : `${first} to ${last}`}`,
    });
  const { sinceReconciledMs } = figures;
  if (
    isRecorded &&
    sinceReconciledMs !== null &&
    sinceReconciledMs > OVERDUE * reconcileMs + RECONCILE_GRACE_MS
  )
    found.push({
      name: "reconciliation-behind",
      subject: "archive",
      detail: `the last comparison was ${seconds(sinceReconciledMs)} s ago`,
    });
  for (const { adapter, attempts, reason } of failing)
    found.push({ name: "delivery-failing", subject: adapter, detail: `failed ${attempts} times: ${reason}` });
  if (oldestHandoverMs !== null && oldestHandoverMs > runIntervalMs + HANDOVER_GRACE_MS)
    found.push({
      name: "delivery-behind",
      subject: "adapter",
      detail: `the oldest event has waited for ${seconds(oldestHandoverMs)} s, the run-interval is ${seconds(runIntervalMs)} s`,
    });
  if (quarantined > 0)
    found.push({ name: "event-quarantined", subject: "archive", detail: `${quarantined} events put aside` });
  return [...found, ...archiveFindings(figures.archive, checkpointIntervalMs)];
}

function silentFindings({ silent }: PoolFigures, heartbeatMs: number): Finding[] {
  return silent
    .filter(({ silentMs }) => silentMs === null || silentMs > OVERDUE * heartbeatMs)
    .map(({ incarnation, silentMs }) => ({
      name: "capture-silent",
      subject: incarnation,
      detail:
        silentMs === null
          ? "it has recorded nothing since it began"
          : `the last sign of recording is ${seconds(silentMs)} s old`,
    }));
}

function archiveFindings(archive: ArchiveFigures, checkpointIntervalMs: number): Finding[] {
  const { oldestReadyMs, unsignedMs, verdict, changed } = archive;
  const found: Finding[] = [];
  if (oldestReadyMs !== null && oldestReadyMs > INTAKE_MS)
    found.push({
      name: "seal-behind",
      subject: "archive",
      detail: `the oldest event has waited for ${seconds(oldestReadyMs)} s`,
    });
  if (unsignedMs !== null && unsignedMs > OVERDUE * checkpointIntervalMs)
    found.push({
      name: "checkpoint-unsigned",
      subject: "archive",
      detail: `events have been sealed for ${seconds(unsignedMs)} s without a checkpoint`,
    });
  const why = changed
    ? `event ${changed.event} is not as it was sealed: ${changed.field}`
    : verdict === "incomplete" && "nothing was changed, but something is missing";
  if (why) found.push({ name: "archive-tampered", subject: "archive", detail: why });
  return found;
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000);
}
