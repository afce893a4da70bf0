import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach } from "node:test";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";
import type { ComplianceEvent } from "../../src/chat/compliance-event.ts";
import type { ComplianceWorker } from "../../src/compliance/worker.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { migrate } from "../../src/store/mysql/migrate.ts";
import { eventMaker } from "./compliance-events.ts";
import { countRows, makeWorker } from "./compliance-lab.ts";
import { until } from "./until.ts";

/** MariaDB and Redis for one test file; for each test empty tables, an archive folder and events of its own. */
export class ComplianceSetup {
  #stack: Stack | undefined;
  #database: Database | undefined;
  readonly #workers: ComplianceWorker[] = [];
  #tests = 0;
  root = "";
  make = eventMaker("");

  constructor() {
    before(async () => {
      this.#stack = await startStack({ parts: ["mariadb", "redis"] });
      await migrate(this.#stack.mysqlUrl);
      this.#database = new Database({ url: this.#stack.mysqlUrl });
    });
    beforeEach(async () => {
      this.root = mkdtempSync(join(tmpdir(), "parlance-archive-"));
      this.make = eventMaker(`t${++this.#tests}-`);
      for (const table of ["outbox", "handover", "quarantine", "run", "lease"]) {
        await this.database.change(`DELETE FROM compliance_${table}`);
      }
      await this.database.change("DELETE FROM archive_intake");
    });
    afterEach(async () => {
      for (const worker of this.#workers.splice(0)) await worker.stop();
      rmSync(this.root, { recursive: true, force: true });
    });
    after(async () => {
      await this.#database?.close();
      await this.#stack?.stop();
    });
  }

  get stack(): Stack {
    if (this.#stack === undefined) throw new Error("not started");
    return this.#stack;
  }

  get database(): Database {
    if (this.#database === undefined) throw new Error("not started");
    return this.#database;
  }

  /** A worker that is stopped after the test. */
  begin(...args: Parameters<typeof makeWorker>): ReturnType<typeof makeWorker> {
    const made = makeWorker(...args);
    this.#workers.push(made.worker);
    return made;
  }

  /** Chats over a few rooms, numbered so that each message in the archive can be told apart. */
  chats(count: number): ComplianceEvent[] {
    return Array.from({ length: count }, (_, index) => this.make({ roomId: 1 + (index % 5) }));
  }

  async archiveAll(worker: ComplianceWorker): Promise<void> {
    await until("archived", async () => {
      await worker.sweepNow();
      const summary = await worker.archiveNow();
      return summary?.end === "empty" && (await countRows(this.database, "compliance_outbox")) === 0;
    });
  }
}

/** What `archivedMessages` gives for these chats, sorted. */
export function expected(events: readonly ComplianceEvent[]): string[] {
  return events
    .map(({ room, fact }) => `${room.uri}#CHAT#${fact.kind === "CHAT" ? `${fact.number}#${fact.text}` : ""}`)
    .sort();
}
