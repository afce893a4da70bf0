import { randomUUID } from "node:crypto";
import { type Difference, type DifferenceKind, LOSSES } from "../../src/compliance/reconcile/ports.ts";
import { asDay, isComplete, type Statement } from "../../src/compliance/statement/statement.ts";
import { Database, PATIENT_MS } from "../../src/store/mysql/database.ts";
import { differencesOf } from "../../src/store/mysql/differences.ts";
import { requireSchema } from "../../src/store/mysql/migrate.ts";
import { EXIT, UsageError } from "../command-line.ts";
import type { Config } from "../config.ts";
import { type CliCommand, configOf, expectWords } from "../configured.ts";
import { progressOn } from "../progress.ts";
import { print, type Row } from "../table.ts";
import { makeReconciler, makeStatements } from "../wire-reconcile.ts";
import { acceptCommand } from "./compliance-accept.ts";

const RECONCILE = "parlance compliance reconcile [--all] [--json]";
const STATEMENT = "parlance compliance statement DAY [--json]";

/** As for "compliance verify": somebody changed something; something is missing; it could not be found out. */
const TAMPERED = 1;
const INCOMPLETE = 2;
const UNKNOWN = 3;

/** What a worker would say of it in its log is shown. */
const SHOWN = { info: () => {}, warn: () => {}, error: () => {} };

const WORDS: Readonly<Record<DifferenceKind, string>> = {
  missing: "recorded, and not in the archive",
  surplus: "in the archive, and never recorded",
  unreadable: "in the archive under the room, and no event of ours: somebody else recorded it",
  unrecorded: "said in the room, and not recorded",
  vanished: "recorded, not taken away by anybody, and no longer in the room",
  altered: "another text, author or time in the room than in the archive",
};

export const bookCommands: Readonly<Record<string, CliCommand>> = {
  "compliance reconcile": {
    summary: "compare chat and archive now: is everything there, and does it say the same?",
    usage: RECONCILE,
    details: [
      "The worker does so every compliance.reconcile-interval; only what is new is read. --all: everything from the beginning.",
      "Numbers are those of the stream's events for missing, surplus and unreadable, of the room's messages for the others.",
      "Exit codes: 0 all is there and the same, 1 something was changed, 2 something is missing, 3 it could not be compared.",
      "e.g. parlance compliance reconcile --json",
    ],
    options: { all: { type: "boolean" }, json: { type: "boolean" } },
    run: async (words, values) => {
      expectWords(words, [], RECONCILE);
      return withDatabase(configOf(values), async (database, config) => {
        const progress = progressOn(process.stderr);
        const looked = (events: number) => progress.show("events compared", events);
        const reconciler = makeReconciler(config, { database, log: SHOWN, holder: randomUUID(), looked });
        const result = await reconciler.reconcile(values.all === true).finally(progress.clear);
        if (!result) {
          process.stderr.write("parlance: a worker is comparing just now; try again in a moment\n");
          return UNKNOWN;
        }
        const { committed, sealed, pending, rooms, messages, postponed, tookMs } = result;
        const differences = await differencesOf(database);
        const sum: Row = {
          recorded: committed,
          sealed,
          pending,
          rooms,
          messages,
          "took ms": tookMs,
          postponed,
        };
        const comparison = { comparison: [sum] };
        const rows = differences.map(
          ({ what, stream, first, last, sinceMs }): Row => ({
            ...{ stream, first, last, what, means: WORDS[what] },
            since: new Date(sinceMs).toISOString(),
          }),
        );
        print(rows.length > 0 ? { ...comparison, differences: rows } : comparison, values.json === true);
        return verdict(differences, postponed);
      });
    },
  },
  "compliance accept": acceptCommand,
  "compliance statement": {
    summary: "show the signed statement of what was sealed on a day, stream by stream, and of what is open",
    usage: STATEMENT,
    details: [
      "DAY is YYYY-MM-DD, in UTC. Each event belongs to the day on which it was sealed, so that no two days share one and none lacks.",
      "A day that is over has one statement for ever; the worker makes it after midnight. With --json the signed bytes and the signature:",
      "the note holds the SHA-256 of the member statement, its keys sorted and without blanks.",
      "Exit codes: 0 nothing is missing, 2 something is, or was open: an event waited for more than a minute, or the sums differ.",
      "e.g. parlance compliance statement 2026-11-24",
    ],
    options: { json: { type: "boolean" } },
    run: async (words, values) => {
      const [given = ""] = expectWords(words, ["DAY"], STATEMENT);
      const day = asDay(given);
      if (!day) throw new UsageError(`DAY is a day such as 2026-11-24, not "${given}"`);
      return withDatabase(configOf(values), async (database, config) => {
        const progress = progressOn(process.stderr);
        const onProgress = (done: number, all: number) => progress.show("events", done, all);
        const statements = makeStatements(config, { database, log: SHOWN });
        const made = await statements.of(day, onProgress).finally(progress.clear);
        if (!made) throw new UsageError(`${day} has not begun`);
        const statement = JSON.parse(made.body) as Statement; // written by the maker
        if (values.json === true)
          process.stdout.write(`${JSON.stringify({ statement, note: made.note }, undefined, 2)}\n`);
        else show(statement, made.note);
        return isComplete(statement) ? EXIT.ok : INCOMPLETE;
      });
    },
  },
};

function verdict(differences: readonly Difference[], postponed: string | null): number {
  if (differences.some(({ what }) => !LOSSES.includes(what))) return TAMPERED;
  if (differences.length > 0) return INCOMPLETE;
  return postponed === null ? EXIT.ok : UNKNOWN;
}

function show({ day, final, from, to, root, streams, standing }: Statement, note: string | null): void {
  const { oldestUnsealedMs, unsealed, gaps, differences, balance } = standing;
  const rows: Row[] = [
    { what: "day", value: final ? day : `${day}, which is not over: preliminary` },
    { what: "events sealed", value: to - from },
    { what: "numbers of the log", value: to > from ? `${from} to ${to - 1}` : "none" },
    { what: "root of the log after it", value: root },
    { what: "recorded = sealed + pending", value: balance ? sum(balance) : "never compared" },
    { what: "not sealed when this was made", value: unsealed },
    { what: "oldest of them, s", value: Math.round(oldestUnsealedMs / 1_000) },
    { what: "gaps", value: gaps.map(({ stream, missing }) => `${stream} ${missing}`).join(", ") || "none" },
    { what: "differences", value: differences.length },
  ];
  const list = streams.map(({ stream, name, first, last, count, messages, missing = 0, root: of }): Row => {
    return { stream, name, first, last, count, messages, missing, root: of };
  });
  print(list.length > 0 ? { statement: rows, streams: list } : { statement: rows }, false);
  if (note !== null) process.stdout.write(`\n${note}`);
}

function sum({ committed, sealed, pending }: { committed: number; sealed: number; pending: number }): string {
  return `${committed} = ${sealed} + ${pending}${committed === sealed + pending ? "" : ": NOT TRUE"}`;
}

async function withDatabase(
  config: Config,
  work: (database: Database, config: Config) => Promise<number>,
): Promise<number> {
  await requireSchema(config.mysqlUrl);
  const database = new Database({ url: config.mysqlUrl, connections: 3, statementMs: PATIENT_MS });
  try {
    return await work(database, config);
  } finally {
    await database.close();
  }
}
