import { hostname, userInfo } from "node:os";
import { MysqlArchiveStatus } from "../../src/store/mysql/archive-status.ts";
import type { Database } from "../../src/store/mysql/database.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { UsageError } from "../command-line.ts";
import type { Values } from "../configured.ts";
import { text } from "../verb.ts";

const SEALED_WITHIN_MS = 60_000;
const MAX_REASON = 1_000;

/** What --reason says; empty without it. @throws UsageError */
export function reasonOf(values: Values): string {
  const reason = text(values.reason)?.trim() ?? "";
  if (reason.length > MAX_REASON)
    throw new UsageError(`--reason is a text of up to ${MAX_REASON} characters: the archive keeps it`);
  return reason;
}

/** The same where there has to be one. @throws UsageError */
export function neededReasonOf(values: Values): string {
  const reason = reasonOf(values);
  if (reason === "") throw new UsageError("--reason is missing: the archive keeps it");
  return reason;
}

/** Sends an event on its way and waits for the worker to seal it. */
export async function isSealed(database: Database, eventId: string): Promise<boolean> {
  await new MysqlOutboxStore(database, true).move([eventId]);
  const status = new MysqlArchiveStatus(database);
  const deadline = performance.now() + SEALED_WITHIN_MS;
  while (performance.now() < deadline) {
    if (await status.find(eventId)) return true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return false;
}

/** The administrator at this command line, as what he does is recorded. */
export function recorder() {
  const name = userInfo().username;
  return {
    actor: { id: 0, uri: `administrator:${name}`, displayName: name, email: null },
    node:
      hostname()
        .replace(/[^\w.-]/g, "")
        .slice(0, 60) || "administration",
    atMs: Date.now(),
  };
}
