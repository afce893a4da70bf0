import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { userInfo } from "node:os";
import type { Actor } from "../../src/management/actor.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { exportDomain } from "../../src/transfer/export.ts";
import type { Counts, Selection } from "../../src/transfer/format.ts";
import { importDomain } from "../../src/transfer/import.ts";
import { CONFLICT_RULES } from "../../src/transfer/ports.ts";
import { UsageError } from "../command-line.ts";
import type { CliCommand, Values } from "../configured.ts";
import type { ShowProgress } from "../progress.ts";
import type { Row, Shown } from "../table.ts";
import { list, moment, oneOf, text, verb } from "../verb.ts";

const LEVELS = ["all", "users", "categories", "rooms", "content"] as const;
const CONFLICT = `[--on-conflict ${CONFLICT_RULES.join("|")}]`;

const exportUsage =
  "parlance export DIR [--level LEVEL] [--category NAME,NAME,…] [--from DATE] [--until DATE] [--without-disabled] [--report FILE] [--json]";
const importUsage = `parlance import DIR ${CONFLICT} [--from-start] [--report FILE] [--dry-run] [--json]`;

/** Whole domains out into files and in again. */
export const transferCommands: Readonly<Record<string, CliCommand>> = {
  export: verb(
    "write all rooms, categories, roles, people and history into a folder; what was interrupted carries on",
    exportUsage,
    ["DIR"],
    ["level", "category", "from", "until", "report"],
    async (stores, [folder = ""], values, progress) => {
      const selection = selectionOf(values);
      const report = reportOf(values);
      const done = await exportDomain(stores.exported, {
        folder,
        domain: stores.servedDomain,
        actor: administrator(),
        selection,
        onProgress: (messages, all) => progress("messages", messages, all),
        onRoom: (uri, messages, hash) => void report?.write(`${uri}: ${messages} messages, ${hash}\n`),
      }).finally(() => report && closed(report));
      const { counts, sha256 } = done;
      return countRows(counts, sha256, done.carriedOn);
    },
    {
      switches: ["without-disabled"],
      details: [
        "--level      all, or only users, categories, rooms (without messages), content (rooms with messages)",
        "--category   only these categories and their rooms",
        "--from, --until  only messages from the one moment until before the other; a date alone is its first moment in UTC",
        "--report     a file for one line a room: its address, how many messages, and their hash",
        "The folder is new, or that of the same export that was interrupted. Nobody waits for it.",
        "Before the first byte of it is written it is on record as DOMAIN_EXPORT: who, what, and to where.",
        "e.g. parlance export /var/backups/parlance-2026-11-25",
        'e.g. parlance export ./operations --category "Operations" --from 2026-01-01',
      ],
    },
  ),
  import: verb(
    "take the files of an export in; what was interrupted carries on, and nothing comes twice",
    importUsage,
    ["DIR"],
    ["on-conflict", "report"],
    (stores, [folder = ""], values, progress) => importFrom(stores, folder, values, progress),
    {
      switches: ["from-start", "dry-run"],
      details: [
        "--on-conflict  what becomes of rooms and categories whose name or address is there already:",
        "               fail (default): nothing is imported; skip: those here stay, the files' are left out;",
        "               rename: the files' are called \"Name (2)\"; overwrite: the files' rooms replace those here with all",
        "               their messages, categories, people and policies become as in the files",
        "--from-start   forget how far the same import had come when it was interrupted; what it made stays",
        "--report FILE  one line for everything that is not taken over as it stands in the files",
        "--dry-run      look at everything, say what would be done or refused, and do nothing",
        "e.g. parlance import /var/backups/parlance-2026-11-25 --dry-run",
      ],
    },
  ),
};

/** Notes that are shown; a report has them all. */
const MOST_SHOWN = 20;

export async function importFrom(
  stores: Stores,
  folder: string,
  values: Values,
  progress: ShowProgress,
  before: readonly string[] = [],
): Promise<Shown> {
  const notes = [...before];
  const report = reportOf(values);
  let noted = 0;
  const dryRun = values["dry-run"] === true;
  const done = await importDomain(stores.imports, {
    folder,
    actor: administrator(),
    onConflict: oneOf(values["on-conflict"], CONFLICT_RULES, "--on-conflict") ?? "fail",
    dryRun,
    fromStart: values["from-start"] === true,
    onProgress: progress,
    note: (line) => {
      noted += 1;
      report?.write(`${line}\n`);
      if (notes.length < MOST_SHOWN) notes.push(line);
    },
  }).finally(() => report && closed(report));
  if (done.domain !== stores.servedDomain)
    notes.unshift(
      `these files are of ${done.domain}, here ${stores.servedDomain} is served: addresses stay as they are`,
    );
  const conflicts = (done.plan?.conflicts ?? []).map(({ kind, name, takenBy, becomes, lost }) => ({
    kind,
    name,
    "is there as": takenBy,
    becomes,
    "messages lost": lost,
  }));
  return {
    [dryRun ? "would be imported" : "imported"]: countRows(done.counts, done.sha256, done.carriedOn),
    ...(conflicts.length > 0 ? { conflicts } : {}),
    ...(notes.length > 0
      ? { [`notes (${Math.max(noted, notes.length)})`]: notes.map((note) => ({ note })) }
      : {}),
  };
}

function administrator(): Actor {
  return { kind: "administrator", name: userInfo().username };
}

function countRows(counts: Counts, sha256: string, carriedOn: boolean): Row[] {
  return [
    ...Object.entries(counts).map(([what, count]) => ({ what, count })),
    { what: "sha256", count: sha256 },
    { what: "carried on", count: carriedOn ? "yes" : "no" },
  ];
}

/** @throws {UsageError} */
function selectionOf(values: Values): Selection {
  return {
    level: oneOf(values.level, LEVELS, "--level") ?? "all",
    categories: list(values.category)?.sort() ?? null,
    fromMs: moment(values.from, "--from") ?? null,
    untilMs: moment(values.until, "--until") ?? null,
    withoutDisabled: values["without-disabled"] === true,
  };
}

/** Lines for a file beside what is shown; behind those of an earlier try. */
function reportOf(values: Values): WriteStream | undefined {
  const file = text(values.report);
  return file === undefined ? undefined : createWriteStream(file, { flags: "a", mode: 0o600 });
}

/** @throws {UsageError} when not all of it could be written */
async function closed(report: WriteStream): Promise<void> {
  try {
    report.end();
    await once(report, "close");
  } catch (error) {
    throw new UsageError(
      `the report cannot be written: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
