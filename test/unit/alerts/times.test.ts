import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { configSchema } from "../../../plugin/config-schema.ts";
import { ALERTS, type AlertName } from "../../../src/alerts/alert.ts";
import * as times from "../../../src/alerts/times.ts";

const compliance = configSchema.shape.compliance.parse({});
const MINUTE_MS = 60_000;
/** The one that just missed it, and the one that finds it; of one of them every probe may take its time. */
const LOOKS_MS = 2 * times.LOOK_MS + times.PROBE_LIMIT_MS;
const tried = ({ everyMs, forMs, lateMs }: typeof times.FOLDER) => everyMs + Math.max(forMs, lateMs);
/** Requests of Kamailio, or their absence, are seen within (`way-in.ts`). */
const UNHEARD_MS = 10_000;
const heartbeatMs = compliance["heartbeat-interval"];
const checkpointMs = compliance.archive["checkpoint-interval"];

/** From when it can be seen until it is told, with the settings that there are unless others are given. */
const WITHIN: Readonly<Record<AlertName, number>> = {
  // A node whose writes are refused, and that nobody posts to, meets that with two heartbeats.
  "database-away": Math.max(times.DATABASE_AWAY_MS, 2 * heartbeatMs),
  "redis-away": times.AWAY_MS,
  "redis-emptied": 0,
  "kamailio-away": UNHEARD_MS + times.AWAY_MS,
  "sending-behind": times.BEHIND_MS,
  // After an outage of the database they have some time to come back.
  "node-dead": times.SILENT_MS + times.SETTLED_MS,
  "worker-dead": times.SILENT_MS + times.SETTLED_MS,
  "capture-behind": times.OUTBOX_MS,
  "capture-silent": times.OVERDUE * heartbeatMs,
  "record-missing": times.GAP_MS,
  "archive-differs": compliance["reconcile-interval"],
  "reconciliation-behind": times.OVERDUE * compliance["reconcile-interval"] + times.RECONCILE_GRACE_MS,
  "delivery-failing": tried(times.FOLDER),
  "delivery-behind": compliance["run-interval"] + times.HANDOVER_GRACE_MS,
  "event-quarantined": compliance["run-interval"],
  "seal-behind": times.INTAKE_MS,
  "checkpoint-unsigned": checkpointMs,
  "checkpoint-unpublished": checkpointMs,
  // Looked for whenever somebody begins to seal, or begins anew.
  "archive-broken": 0,
  // By the check that finds it.
  "archive-tampered": 0,
  "alert-undelivered": Math.max(tried(times.REACHED), times.UNTOLD_MS),
  "disk-nearly-full": 0,
  "clock-jumped": 0,
};

/** What is looked for more seldom, as docs/operator.md says. */
const SLOWER: readonly AlertName[] = [
  "archive-differs",
  "reconciliation-behind",
  "delivery-behind",
  "event-quarantined",
  "checkpoint-unsigned",
  "checkpoint-unpublished",
];

test("each alert is told within a minute of when its cause can be seen, but for those that the operator is told of", () => {
  const names = Object.keys(ALERTS) as AlertName[];
  const late = names.filter((name) => WITHIN[name] + LOOKS_MS > MINUTE_MS);
  assert.deepEqual(late.sort(), [...SLOWER].sort());
  const operator = readFileSync(new URL("../../../docs/operator.md", import.meta.url), "utf8");
  const [said = ""] = operator.split("\n\n").filter((part) => part.startsWith("Longer than a minute takes"));
  for (const name of SLOWER) assert.ok(said.includes(`\`${name}\``), `${name} in docs/operator.md`);
});
