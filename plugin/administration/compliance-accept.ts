import { randomUUID } from "node:crypto";
import { accept, acceptable, NotAcceptable } from "../../src/compliance/acceptor.ts";
import type { Difference } from "../../src/compliance/reconcile/ports.ts";
import { MysqlAcceptance } from "../../src/store/mysql/acceptance-store.ts";
import { MysqlBooks } from "../../src/store/mysql/books-store.ts";
import { Database, PATIENT_MS } from "../../src/store/mysql/database.ts";
import { requireSchema } from "../../src/store/mysql/migrate.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { EXIT, UsageError } from "../command-line.ts";
import { type CliCommand, configOf, expectWords } from "../configured.ts";
import { progressOn } from "../progress.ts";
import { print, type Row } from "../table.ts";
import { makeReconciler } from "../wire-reconcile.ts";
import { isSealed, neededReasonOf, recorder } from "./recorder.ts";

const ACCEPT = "parlance compliance accept STREAM|--all --reason TEXT [--dry-run] [--json]";
const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

export const acceptCommand: CliCommand = {
  summary: "put on the record that what is missing or different of a stream stays so, and why",
  usage: ACCEPT,
  details: [
    "For what is lost for good: the archive was switched off for a while, say, or events were deleted. STREAM as reconcile names it.",
    "Each missing number gets an event EVENT_MISSING in its place; what waited behind it is sealed. GAP_ACCEPTED holds everything",
    "that was accepted, with your name and the reason. Both stay in the archive for ever, and verify counts the missing.",
    "Look for what is missing first: should it come afterwards, it is kept in the quarantine and not in the archive.",
    "What can only be compared once the stream goes on, such as messages whose event is missing, is accepted with it.",
    "--all          every stream of which something is missing, and nothing was changed",
    "--dry-run says what would be accepted as of the last comparison, and does nothing.",
    'e.g. parlance compliance accept room:17 --reason "archive off from 1 to 3 November, ticket 4711" --dry-run',
  ],
  options: {
    all: { type: "boolean" },
    reason: { type: "string" },
    "dry-run": { type: "boolean" },
    json: { type: "boolean" },
  },
  run: async (words, values) => {
    const all = values.all === true;
    const [stream] = expectWords(words, all ? [] : ["STREAM"], ACCEPT);
    const reason = neededReasonOf(values);
    const config = configOf(values);
    if (!config.compliance.enabled || !config.compliance.archive.enabled)
      throw new UsageError(
        "there is no archive here (compliance.archive.enabled): nothing waits for what is missing",
      );
    await requireSchema(config.mysqlUrl);
    const database = new Database({ url: config.mysqlUrl, connections: 3, statementMs: PATIENT_MS });
    const progress = progressOn(process.stderr);
    try {
      const books = new MysqlBooks(database);
      const outbox = new MysqlOutboxStore(database, true);
      const parts = {
        books,
        store: new MysqlAcceptance(database),
        move: (eventIds: readonly string[]) => outbox.move(eventIds),
        onProgress: (done: number, of: number) => progress.show("events", done, of),
      };
      const accepted: Difference[] = [];
      for (;;) {
        const open = (await acceptable(books, stream)).filter(
          (one) => !accepted.some((known) => isSame(known, one)),
        );
        if (open.length === 0 && accepted.length === 0)
          throw new NotAcceptable(
            `nothing of ${stream === undefined ? "any stream" : `"${stream}"`} was missing or different, as chat and archive were last compared`,
          );
        accepted.push(...open);
        if (open.length === 0 || values["dry-run"] === true) break;
        let last: string | undefined;
        for (const name of new Set(open.map((one) => one.stream))) {
          last = await accept(parts, name, { ...recorder(), reason }, randomUUID());
          if (last === undefined) return unavailable("a worker is comparing just now; try again in a moment");
        }
        progress.clear();
        if (last !== undefined && !(await isSealed(database, last)))
          return unavailable(
            "it is recorded, and will be sealed when the worker runs: see that it does, then do it again",
          );
        // Alerts follow from the last comparison; and what stood behind a gap could not be compared until now.
        await makeReconciler(config, { database, log: SILENT, holder: randomUUID() }).reconcile();
      }
      print(accepted.map(rowOf), values.json === true);
      return EXIT.ok;
    } catch (error) {
      if (error instanceof NotAcceptable)
        throw new UsageError(`${error.message}; "parlance compliance reconcile" compares now`);
      throw error;
    } finally {
      progress.clear();
      await database.close();
    }
  },
};

function isSame(one: Difference, other: Difference): boolean {
  return (
    one.stream === other.stream &&
    one.what === other.what &&
    one.first === other.first &&
    one.last === other.last
  );
}

function rowOf({ what, stream, first, last }: Difference): Row {
  return { stream, what, first, last, count: last - first + 1 };
}

function unavailable(why: string): number {
  process.stderr.write(`parlance: ${why}\n`);
  return EXIT.unavailable;
}
