import { ChatError } from "../../src/chat/errors.ts";
import { type Announced, COMPL_EXPORT } from "../../src/compliance/verify/export-writer.ts";
import { recordArchiveEvent } from "../../src/store/mysql/archive-events.ts";
import type { Database } from "../../src/store/mysql/database.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { StoreError } from "../../src/store/mysql/store-error.ts";
import type { Config } from "../config.ts";
import { recorder } from "./recorder.ts";

/** The export was not recorded, so there is none. */
export class Unrecorded extends Error {
  constructor(why: string) {
    super(`nothing was exported: an export is recorded in the archive before it begins, and ${why}`);
    this.name = "Unrecorded";
  }
}

/** Puts on the record who takes what out of the archive, and why. @returns id of the event @throws Unrecorded */
export async function recordExport(
  database: Database,
  config: Config,
  { size, root }: Announced,
  { folder, reason }: { readonly folder: string; readonly reason: string },
): Promise<string> {
  const { enabled, archive } = config.compliance;
  if (!enabled || !archive.enabled)
    throw new Unrecorded("compliance.archive.enabled is off in this configuration: nothing would be sealed");
  const detail = { events: size, folder, from: 0, reason, root, to: size - 1 };
  let eventId: string;
  try {
    eventId = await recordArchiveEvent(database, { kind: COMPL_EXPORT, detail, ...recorder() });
  } catch (error) {
    throw new Unrecorded(whyNot(error));
  }
  // It is on record. Without this the worker's sweeper finds it a little later.
  await new MysqlOutboxStore(database, true).move([eventId]).catch(() => undefined);
  return eventId;
}

/** Denied: a table, a column, the database, the account. */
const NOT_ALLOWED = new Set([1142, 1143, 1044, 1045]);

function whyNot(error: unknown): string {
  const cause = error instanceof ChatError && error.cause !== undefined ? error.cause : error;
  const said = cause instanceof Error ? cause.message : String(cause);
  return cause instanceof StoreError && NOT_ALLOWED.has(cause.errno)
    ? `that could not be written (${said}); the account needs UPDATE on counter and INSERT on compliance_outbox`
    : `that could not be written (${said})`;
}
