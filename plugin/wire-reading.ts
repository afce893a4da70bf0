import type { Clock } from "../src/ports.ts";
import type { ReadingRecords } from "../src/reading-ports.ts";
import type { Incarnation } from "../src/sip/dialog.ts";
import type { MysqlJournal } from "../src/store/mysql/journal.ts";
import type { Stores } from "../src/store/mysql/stores.ts";
import { putAsideNamesakes, recordEarlier } from "../src/store/spool/earlier-spools.ts";
import { ReadingSpool } from "../src/store/spool/reading-spool.ts";
import type { Logger, Metrics } from "../src/telemetry.ts";
import type { Config } from "./config.ts";
import type { OnError } from "./failures.ts";

/** Of readings that the database does not take: more are recorded before they are shown. */
const MOST = { entries: 100_000, bytes: 64 << 20 };
/** A life that died without dialogs is known to be over some seconds after the next one has begun. */
const EARLIER_MS = 2_000;

interface ReadingParts {
  readonly stores: Pick<Stores, "leases" | "storeId">;
  readonly journal: MysqlJournal;
  readonly me: Incarnation;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onError: OnError;
}

/** Where readings are recorded: in the journal, those of buffered categories by way of this node's spool. */
export function makeReading(config: Config, parts: ReadingParts) {
  const { stores, journal, me, clock, log, metrics, onError } = parts;
  const nothing = async () => {};
  if (!config.compliance.enabled)
    return { records: journal as ReadingRecords, chores: [], start: nothing, stop: nothing };
  const place = { folder: config.spoolDirectory, life: me, store: stores.storeId, journal };
  const spool = new ReadingSpool({
    ...place,
    clock,
    most: MOST,
    onStrict: (why) =>
      why === undefined
        ? log.info("readings of buffered categories are spooled again")
        : log.warn({ why }, "readings of buffered categories are recorded before they are shown"),
    onError,
  });
  metrics.spool(() => spool.figures);
  const earlier = {
    ...place,
    node: config.node.name,
    lives: stores.leases,
    onRecorded: (life: Incarnation, answers: number) =>
      log.info({ life, answers }, "what an earlier life had spooled is on record"),
    onAside: (file: string, why: string) => log.error({ file, why }, "a file of the spool is put aside"),
  };
  const work = () => recordEarlier(earlier);
  const what = "recording what earlier lives have spooled";
  return {
    records: spool as ReadingRecords,
    chores: [{ what, everyMs: EARLIER_MS, work }],
    start: async () => {
      await putAsideNamesakes(earlier)
        .then(work)
        .catch((error: unknown) => onError(error, what));
    },
    stop: () => spool.stop(),
  };
}
