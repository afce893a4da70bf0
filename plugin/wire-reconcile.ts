import type { Difference } from "../src/compliance/reconcile/ports.ts";
import { Reconciler } from "../src/compliance/reconcile/reconciler.ts";
import { StatementMaker } from "../src/compliance/statement/maker.ts";
import { MysqlBooks } from "../src/store/mysql/books-store.ts";
import type { Database } from "../src/store/mysql/database.ts";
import { MysqlStatements } from "../src/store/mysql/statement-store.ts";
import type { Logger } from "../src/telemetry.ts";
import { archiveSigner } from "./archive-key.ts";
import type { Config } from "./config.ts";

type Said = Pick<Logger, "info" | "warn" | "error">;

const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

/** Compares chat and archive, by itself once it is started, and when it is asked. */
export function makeReconciler(
  config: Config,
  {
    database,
    log,
    holder,
    looked = () => {},
  }: { database: Database; log: Said; holder: string; looked?: (events: number) => void },
): Reconciler {
  const about = ({ what, stream, first, last }: Difference) => ({ what, stream, first, last });
  return new Reconciler(
    new MysqlBooks(database),
    {
      looked,
      reconciled: (result) => log.info({ ...result }, "chat and archive compared"),
      difference: (difference) =>
        log.error(
          about(difference),
          "ALARM: chat and archive do not say the same: parlance compliance reconcile",
        ),
      settled: (difference) => log.info(about(difference), "chat and archive say the same again"),
      trouble: (error) =>
        log.warn(
          { why: error instanceof Error ? error.message : String(error) },
          "comparing is tried again later",
        ),
    },
    clock,
    holder,
    { intervalMs: config.compliance["reconcile-interval"] },
  );
}

/** The daily statement of completeness: by itself once it is started, and of any day when it is asked. */
export function makeStatements(
  config: Config,
  { database, log }: { database: Database; log: Said },
): StatementMaker {
  const store = new MysqlStatements(database);
  const failed = (error: unknown) =>
    log.warn(
      { why: error instanceof Error ? error.message : String(error) },
      "the day's statement is tried again later",
    );
  return new StatementMaker(store, async () => archiveSigner(config), clock, failed);
}
