import type { Finding } from "./alert.ts";
import type { PoolFigures } from "./ports.ts";

/** The worker moves an event within a second; the sweeper what it missed within 15. */
const OUTBOX_MS = 30_000;
/** A run takes its time, and one that failed waits for its turn. */
const HANDOVER_GRACE_MS = 10 * 60_000;

export interface PoolSettings {
  readonly compliance: boolean;
  readonly runIntervalMs: number;
}

/** What the pool's figures say is the matter. */
export function poolFindings(figures: PoolFigures, { compliance, runIntervalMs }: PoolSettings): Finding[] {
  const found: Finding[] = figures.dead.map(({ name, kind, silentMs }) => ({
    name: kind === "node" ? "node-dead" : "worker-dead",
    subject: name,
    detail: `silent for ${seconds(silentMs)} s`,
  }));
  if (!compliance) return found;
  const { oldestOutboxMs, oldestHandoverMs, quarantined, failing, workers } = figures;
  if (oldestOutboxMs !== null && oldestOutboxMs > OUTBOX_MS)
    found.push({
      name: "capture-behind",
      subject: "outbox",
      detail: `the oldest event has waited for ${seconds(oldestOutboxMs)} s; workers running: ${workers}`,
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
  return found;
}

function seconds(ms: number): number {
  return Math.round(ms / 1_000);
}
