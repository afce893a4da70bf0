import type { ArchiveWatch, CheckpointOutlet } from "../src/compliance/archive-ports.ts";
import { CheckpointFile } from "../src/compliance/checkpoint-file.ts";
import { Sealer } from "../src/compliance/sealer.ts";
import { MysqlArchiveStore } from "../src/store/mysql/archive-store.ts";
import type { Database } from "../src/store/mysql/database.ts";
import type { Logger } from "../src/telemetry.ts";
import { archiveSigner } from "./archive-key.ts";
import type { Config } from "./config.ts";
import { runCommand } from "./run-command.ts";

const COMMAND_TIMEOUT_MS = 60_000;

interface ArchiveParts {
  readonly database: Database;
  readonly log: Logger;
  readonly holder: string;
  readonly fetch: (eventIds: readonly string[]) => Promise<unknown>;
}

/** The sealer of the permanent archive. @throws {ConfigError} when there is no key that it could sign with */
export function makeArchiveSealer(config: Config, { database, log, holder, fetch }: ArchiveParts): Sealer {
  // A wrong key is told at the start; later ones are read at each checkpoint.
  archiveSigner(config);
  const watch: ArchiveWatch = {
    sealed: (count) => log.debug({ count }, "events sealed"),
    checkpoint: (size) => log.debug({ size }, "checkpoint signed"),
    conflict: (eventId) => log.error({ eventId }, "ALARM: another event under a sealed number or id"),
    gap: (gap) => log.error({ ...gap }, "ALARM: an event of the record is missing, those behind it wait"),
    gapClosed: (stream) => log.info({ stream }, "the missing event came"),
    broken: (why) =>
      log.error({ why }, "ALARM: the archive was changed, nothing is sealed: run parlance compliance verify"),
    trouble: (what, error) =>
      log.warn({ what, why: error instanceof Error ? error.message : String(error) }, "tried again later"),
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
