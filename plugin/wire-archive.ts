import type { Reported } from "../src/alerts/reported.ts";
import type { ArchiveWatch, CheckpointOutlet } from "../src/compliance/archive-ports.ts";
import { CheckpointFile } from "../src/compliance/checkpoint-file.ts";
import { Sealer } from "../src/compliance/sealer.ts";
import { MysqlArchiveStore } from "../src/store/mysql/archive-store.ts";
import type { Database } from "../src/store/mysql/database.ts";
import type { Logger } from "../src/telemetry.ts";
import { archiveSigner } from "./archive-key.ts";
import type { Config } from "./config.ts";
import { runCommand } from "./run-command.ts";

/** Subject of its alerts. */
const ARCHIVE = "archive";
const SEALERS_ALERTS = ["archive-broken", "checkpoint-unsigned", "checkpoint-unpublished"] as const;
const COMMAND_TIMEOUT_MS = 60_000;

interface ArchiveParts {
  readonly database: Database;
  readonly log: Logger;
  /** What is the matter with it is told there too. */
  readonly reported: Reported;
  readonly holder: string;
  readonly fetch: (eventIds: readonly string[]) => Promise<unknown>;
}

/** The sealer of the permanent archive. @throws {ConfigError} when there is no key that it could sign with */
export function makeArchiveSealer(
  config: Config,
  { database, log, reported, holder, fetch }: ArchiveParts,
): Sealer {
  // A wrong key is told at the start; later ones are read at each checkpoint.
  archiveSigner(config);
  const watch: ArchiveWatch = {
    sealed: (count) => log.debug({ count }, "events sealed"),
    whole: () => reported.over("archive-broken", ARCHIVE),
    notOurs: () => {
      for (const name of SEALERS_ALERTS) reported.over(name, ARCHIVE);
    },
    checkpoint: (size) => {
      reported.over("checkpoint-unsigned", ARCHIVE);
      log.debug({ size }, "checkpoint signed");
    },
    published: () => reported.over("checkpoint-unpublished", ARCHIVE),
    conflict: (eventId) => log.error({ eventId }, "ALARM: another event under a sealed number or id"),
    gap: (gap) => log.error({ ...gap }, "ALARM: an event of the record is missing, those behind it wait"),
    gapClosed: (stream) => log.info({ stream }, "the missing event came"),
    broken: (why) => {
      reported.raise("archive-broken", ARCHIVE, why);
      log.error({ why }, "ALARM: the archive was changed, nothing is sealed: run parlance compliance verify");
    },
    trouble: (what, error) => {
      const why = error instanceof Error ? error.message : String(error);
      if (what === "sign") reported.raise("checkpoint-unsigned", ARCHIVE, why);
      if (what === "publish") reported.raise("checkpoint-unpublished", ARCHIVE, why);
      log.warn({ what, why }, "tried again later");
    },
  };
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
  return new Sealer(
    {
      store: new MysqlArchiveStore(database),
      signer: async () => archiveSigner(config),
      outlets: outletsOf(config),
      watch,
      clock,
      holder,
      fetch,
    },
    { everyMs: config.compliance.archive["checkpoint-interval"] },
  );
}

function outletsOf(config: Config): CheckpointOutlet[] {
  const command = config.compliance.archive["checkpoint-command"];
  const file = new CheckpointFile(config.checkpointFile);
  if (command === undefined) return [file];
  return [
    file,
    {
      publish: async ({ note }) => {
        await runCommand(command, note, COMMAND_TIMEOUT_MS);
      },
      last: async () => undefined,
    },
  ];
}
