import { hostname, userInfo } from "node:os";
import { MysqlArchiveStatus } from "../../src/store/mysql/archive-status.ts";
import type { Database } from "../../src/store/mysql/database.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";

const SEALED_WITHIN_MS = 60_000;

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
