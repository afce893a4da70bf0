import type { Sessions } from "../src/sessions.ts";
import type { MysqlJournal } from "../src/store/mysql/journal.ts";
import type { Stores } from "../src/store/mysql/stores.ts";
import type { Config } from "./config.ts";

/** A node's sign of life for the archive: its silence is a fault, and what its clock says stands beside the database's. */
export function heartbeat(config: Config, stores: Stores, journal: MysqlJournal, sessions: Sessions) {
  const beat = async () => journal.heartbeat(sessions.size, await stores.leases.databaseMs());
  return { what: "recording a heartbeat", everyMs: config.compliance["heartbeat-interval"], work: beat };
}
