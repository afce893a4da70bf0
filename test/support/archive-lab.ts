import { after, before } from "node:test";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";
import type { ComplianceEvent } from "../../src/chat/compliance-event.ts";
import type {
  ArchiveStore,
  ArchiveWatch,
  CheckpointOutlet,
  Gap,
} from "../../src/compliance/archive-ports.ts";
import { generateSecretKey, readSecretKey, type Signer } from "../../src/compliance/log/note.ts";
import { Sealer, type SealerOptions, type SealerParts } from "../../src/compliance/sealer.ts";
import { type Verified, type VerifyOptions, verifyLog } from "../../src/compliance/verify/verify.ts";
import { MysqlArchiveReader } from "../../src/store/mysql/archive-reader.ts";
import { MysqlArchiveStore } from "../../src/store/mysql/archive-store.ts";
import { Database, type Queries } from "../../src/store/mysql/database.ts";
import { migrate } from "../../src/store/mysql/migrate.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { insertOutbox } from "./compliance-events.ts";

export const ORIGIN = "example.com/pchat";

export function newSigner(name = ORIGIN): Signer {
  return readSecretKey(generateSecretKey(name));
}

export function recordingArchiveWatch() {
  const seen = {
    sealed: 0,
    checkpoints: [] as number[],
    conflicts: [] as string[],
    gaps: [] as Gap[],
    closed: [] as string[],
    broken: [] as string[],
    whole: 0,
    notOurs: 0,
    troubles: [] as string[],
  };
  const watch: ArchiveWatch = {
    sealed: (count) => {
      seen.sealed += count;
    },
    checkpoint: (size) => seen.checkpoints.push(size),
    conflict: (eventId) => seen.conflicts.push(eventId),
    gap: (gap) => seen.gaps.push(gap),
    published: () => {},
    gapClosed: (stream) => seen.closed.push(stream),
    whole: () => {
      seen.whole += 1;
    },
    notOurs: () => {
      seen.notOurs += 1;
    },
    broken: (why) => seen.broken.push(why),
    trouble: (what, error) =>
      seen.troubles.push(`${what}: ${error instanceof Error ? error.message : error}`),
  };
  return { watch, seen };
}

let holders = 0;

/** A sealer that is asked turn by turn. */
export function makeSealer(
  database: Database,
  signer: Signer,
  options: SealerOptions & {
    readonly outlets?: readonly CheckpointOutlet[];
    readonly store?: ArchiveStore;
  } = {},
) {
  const { watch, seen } = recordingArchiveWatch();
  const outbox = new MysqlOutboxStore(database, true);
  const parts: SealerParts = {
    store: options.store ?? new MysqlArchiveStore(database),
    signer: async () => signer,
    outlets: options.outlets ?? [],
    watch,
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    holder: `test-${process.pid}-${++holders}`,
    fetch: (eventIds) => outbox.move(eventIds),
  };
  return { sealer: new Sealer(parts, { leaseMs: 2_000, ...options }), seen };
}

/** A MariaDB for one test file. */
export class ArchiveLab {
  #stack: Stack | undefined;
  #database: Database | undefined;

  /** @param prepare once the database is there, before the first test */
  constructor(prepare: () => Promise<void> = async () => {}, mariadbOptions: Record<string, string> = {}) {
    before(async () => {
      this.#stack = await startStack({ parts: ["mariadb"], mariadbOptions });
      await migrate(this.#stack.mysqlUrl);
      this.#database = new Database({ url: this.#stack.mysqlUrl, connections: 6 });
      await prepare();
    });
    after(async () => {
      await this.#database?.close();
      await this.#stack?.stop();
    });
  }

  get stack(): Stack {
    if (!this.#stack) throw new Error("not started");
    return this.#stack;
  }

  get database(): Database {
    if (!this.#database) throw new Error("not started");
    return this.#database;
  }

  /** Nothing sealed, nothing waiting. */
  async empty(): Promise<void> {
    for (const table of TABLES) await this.database.change(`TRUNCATE TABLE ${table}`);
    await this.database.change("UPDATE counter SET value = 0 WHERE name IN ('archive', 'delivery')");
  }

  /** From the chat's transaction to the intake. */
  async record(events: readonly ComplianceEvent[]): Promise<void> {
    await insertOutbox(this.database, events);
    await this.move(events);
  }

  async move(events: readonly Pick<ComplianceEvent, "eventId">[]): Promise<void> {
    const outbox = new MysqlOutboxStore(this.database, true);
    for (let at = 0; at < events.length; at += 500)
      await outbox.move(events.slice(at, at + 500).map(({ eventId }) => eventId));
  }

  /** Ids in the order of the log. */
  async sealedIds(): Promise<string[]> {
    const rows = await this.database.rows<{ event_id: Buffer }>(
      "SELECT event_id FROM archive_leaf ORDER BY seq",
    );
    return rows.map(({ event_id }) => event_id.toString("hex"));
  }

  verify(options: VerifyOptions, queries: Queries = this.database): Promise<Verified> {
    return verifyLog(new MysqlArchiveReader(queries), options);
  }
}

const TABLES = [
  "archive_intake",
  "archive_stream",
  "archive_leaf",
  "archive_content",
  "archive_node",
  "archive_checkpoint",
  "archive_verification",
  "compliance_outbox",
  "compliance_handover",
  "compliance_quarantine",
  "compliance_lease",
  "compliance_run",
];
