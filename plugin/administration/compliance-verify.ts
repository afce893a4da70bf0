import { existsSync } from "node:fs";
import { MalformedNote, readVerifierKey, type VerifierKey } from "../../src/compliance/log/note.ts";
import { CheckpointList } from "../../src/compliance/verify/checkpoint-list.ts";
import { ExportSource } from "../../src/compliance/verify/export-source.ts";
import { CannotCheck } from "../../src/compliance/verify/ports.ts";
import { type Verified, verifyLog } from "../../src/compliance/verify/verify.ts";
import { MysqlArchiveReader } from "../../src/store/mysql/archive-reader.ts";
import { type ArchiveStatus, MOST_LOST, MysqlArchiveStatus } from "../../src/store/mysql/archive-status.ts";
import { Database, PATIENT_MS } from "../../src/store/mysql/database.ts";
import { requireSchema } from "../../src/store/mysql/migrate.ts";
import { archiveKey } from "../archive-key.ts";
import { UsageError } from "../command-line.ts";
import type { Config } from "../config.ts";
import { type CliCommand, configOf, expectWords, type Values } from "../configured.ts";
import { progressOn, type ShowProgress } from "../progress.ts";
import { list, text } from "../verb.ts";

const USAGE =
  "parlance compliance verify [--from N|last] [--checkpoint FILE] [--key PUBLIC-KEY,…] [--offline FOLDER] [--json]";
/** As compliance officers know them: all is well, changed, something is missing, nothing can be said. */
const CODES = { ok: 0, tampered: 1, incomplete: 2, unchecked: 3 } as const;
/** What is older and not sealed is late; younger events are on their way. */
const LATE_MS = 60_000;

interface Report extends Partial<Verified> {
  readonly verdict: keyof typeof CODES;
  /** What is missing, or why nothing can be said. */
  readonly because: readonly string[];
  /** What whoever reads it should know. */
  readonly remarks: readonly string[];
}

export const verifyCommand: CliCommand = {
  summary: "check that nothing in the archive was changed, left out or cut off",
  usage: USAGE,
  details: [
    "Reads the whole archive and calculates everything anew: commitments, leaves, links, tree, roots and signatures.",
    '--from N            begin at the last checkpoint up to event N; "last": where the last check that was right ended, or at the',
    "                    event that was found changed and has not been found right since. What lies before is compared with that",
    "                    checkpoint only",
    "--checkpoint FILE   checkpoints that were kept elsewhere: only they show that a whole archive was exchanged",
    '--key PUBLIC-KEY    whose signatures count; the configured key unless given. "parlance compliance key show" prints it. The',
    "                    result is shown and not kept: it raises and clears no alert",
    '--offline FOLDER    check what "parlance compliance export" wrote; needs neither database nor configuration',
    "Exit codes: 0 nothing was changed and nothing is missing, 1 changed (the first event that is not as it was sealed, and what of",
    "it), 2 something is missing: not sealed, not vouched for, or not found by the last comparison with the chat, 3 it could not be",
    "checked.",
    "e.g. parlance compliance verify --checkpoint mail-of-2026-11-25.txt",
    "e.g. parlance compliance verify --offline /mnt/export --key example.com/pchat+1a2b3c4d+AQ…",
  ],
  options: {
    from: { type: "string" },
    checkpoint: { type: "string" },
    key: { type: "string" },
    offline: { type: "string" },
    json: { type: "boolean" },
  },
  run: async (words, values) => {
    expectWords(words, [], USAGE);
    const progress = progressOn(process.stderr);
    let report: Report;
    try {
      const folder = text(values.offline);
      report =
        folder === undefined
          ? await online(values, progress.show)
          : await offline(folder, values, progress.show);
    } catch (error) {
      if (error instanceof UsageError) throw error;
      report = {
        verdict: "unchecked",
        because: [error instanceof Error ? error.message : String(error)],
        remarks: [],
      };
    } finally {
      progress.clear();
    }
    process.stdout.write(values.json === true ? jsonOf(report) : textOf(report));
    return CODES[report.verdict];
  },
};

async function online(values: Values, show: ShowProgress): Promise<Report> {
  const config = configOf(values);
  const keys = givenKeys(values) ?? [archiveKey(config)];
  await requireSchema(config.mysqlUrl);
  const database = new Database({ url: config.mysqlUrl, connections: 3, statementMs: PATIENT_MS });
  try {
    const status = new MysqlArchiveStatus(database);
    const from = await fromOf(values, status);
    const outside = [...(await given(values)), ...(await copies(config))];
    const onProgress = (done: number, all: number) => show("events", done, all);
    const found = await verifyLog(new MysqlArchiveReader(database), { keys, from, outside, onProgress });
    const because = found.finding ? [] : [...found.open, ...(await missing(status, found))];
    const verdict = found.finding ? "tampered" : because.length > 0 ? "incomplete" : "ok";
    const check = {
      from: found.from,
      size: found.size,
      root: found.root === undefined ? null : Buffer.from(found.root, "base64"),
      verdict,
      firstBad: found.finding?.seq ?? null,
      field: found.finding?.field ?? null,
      outside: values.checkpoint !== undefined,
    };
    // Whose signatures somebody else wants to see is no news of the archive.
    if (values.key === undefined) await status.noteCheck(check);
    const remarks = [...remarksOn(found), ...(await standing(status, found))];
    return { ...found, verdict, because, remarks };
  } finally {
    await database.close();
  }
}

async function offline(folder: string, values: Values, show: ShowProgress): Promise<Report> {
  if (values.from !== undefined)
    throw new UsageError("--from is for the database: an export is read from its beginning");
  const source = await ExportSource.open(folder);
  const trusted = givenKeys(values) ?? configuredKey(values);
  const keys = trusted ?? source.manifest.keys.map(publicKey);
  const onProgress = (done: number, all: number) => show("events", done, all);
  const found = await verifyLog(source, { keys, outside: await given(values), onProgress });
  const remarks = trusted
    ? []
    : ["the public key was taken from the export itself: whoever forged one forged the other; give --key"];
  return {
    ...found,
    verdict: found.finding ? "tampered" : found.open.length > 0 ? "incomplete" : "ok",
    because: found.open,
    remarks: [...remarksOn(found), ...remarks],
  };
}

async function missing(status: MysqlArchiveStatus, { size, signed }: Verified): Promise<string[]> {
  const found = await status.read(LATE_MS);
  const { gaps, waiting, oldestMs } = found;
  const because = gaps.map(
    (gap) => `event ${gap.missing} of ${gap.stream} is missing; ${gap.waiting} behind it wait for it`,
  );
  if (oldestMs > LATE_MS)
    because.push(
      `${waiting} recorded events are not sealed, the oldest since ${Math.round(oldestMs / 1_000)} s: does the worker run?`,
    );
  if (size > 0 && signed === 0) because.push("no checkpoint vouches for it: does the worker have its key?");
  return [...because, ...lost(found)];
}

/** What the last comparison with the chat missed. */
function lost({ lost: found, comparedMs }: ArchiveStatus): string[] {
  const when = comparedMs === undefined ? "" : `, as of ${new Date(comparedMs).toISOString()}`;
  const more = found.length < MOST_LOST ? [] : ["there may be more: parlance compliance reconcile"];
  const said = found.map(({ what, stream, first, last }) => {
    const numbers = first === last ? `${first}` : `${first} to ${last}`;
    return what === "missing"
      ? `${stream}: recorded, and not in the archive: event ${numbers}${when}`
      : `${stream}: said in the room, and not recorded: message ${numbers}${when}`;
  });
  return [...said, ...more];
}

/** What other checks found, and this one does not refute. */
async function standing(status: MysqlArchiveStatus, { finding }: Verified): Promise<string[]> {
  const changed = finding ? undefined : await status.changed();
  if (!changed) return [];
  const { firstBad, field, atMs, outside } = changed;
  return [
    `event ${firstBad ?? 0} was found CHANGED (${plain(field ?? "")}) on ${new Date(atMs).toISOString()}; only a check that ` +
      `begins at it or before${outside ? ", with --checkpoint," : ""} and finds it right clears that`,
  ];
}

function remarksOn({ size, signed, finding }: Verified): string[] {
  if (finding || signed === size) return [];
  return [`the last ${size - signed} events are not covered by a checkpoint yet`];
}

async function fromOf(values: Values, status: MysqlArchiveStatus): Promise<number> {
  const said = text(values.from);
  if (said === undefined) return 0;
  if (said === "last") {
    const changed = await status.changed();
    return Math.min((await status.lastCheck("ok"))?.size ?? 0, changed ? (changed.firstBad ?? 0) : Infinity);
  }
  if (!/^\d{1,15}$/.test(said))
    throw new UsageError(`--from is the number of an event, or last, not "${said}"`);
  return Number(said);
}

function givenKeys(values: Values): VerifierKey[] | undefined {
  return list(values.key)?.map(publicKey);
}

function publicKey(said: string): VerifierKey {
  try {
    return readVerifierKey(said);
  } catch (error) {
    if (error instanceof MalformedNote) throw new UsageError(`--key: ${error.message}`);
    throw error;
  }
}

/** An auditor has no configuration. */
function configuredKey(values: Values): VerifierKey[] | undefined {
  if (values.config === undefined && !existsSync("parlance.yaml")) return undefined;
  return [archiveKey(configOf(values))];
}

/** What --checkpoint names. @throws CannotCheck */
async function given(values: Values): Promise<CheckpointList[]> {
  const file = text(values.checkpoint);
  if (file === undefined) return [];
  let found: CheckpointList;
  try {
    found = await CheckpointList.read(file);
  } catch {
    throw new CannotCheck(`${file} cannot be read`);
  }
  if (found.length === 0) throw new CannotCheck(`there is no checkpoint in ${file}`);
  return [found];
}

/** The worker's own copies, where this process can read them. */
async function copies({ checkpointFile: file }: Config): Promise<CheckpointList[]> {
  try {
    return [await CheckpointList.read(file)];
  } catch {
    return [];
  }
}

function textOf(report: Report): string {
  const {
    verdict,
    finding,
    size,
    from,
    root,
    signed,
    checkpoints,
    purged,
    missing: lost,
    because,
    remarks,
  } = report;
  const lines: string[] = [];
  if (verdict === "unchecked") lines.push("could not be checked");
  else if (finding)
    lines.push(
      `CHANGED: event ${finding.seq} is the first that is not as it was sealed`,
      `  what      ${plain(finding.field)}`,
      `  expected  ${plain(finding.expected)}`,
      `  found     ${plain(finding.found)}`,
    );
  else {
    lines.push(
      verdict === "ok"
        ? lost
          ? "nothing was changed, and nothing is missing but what was accepted"
          : "nothing was changed, nothing is missing"
        : "nothing was changed, but something is MISSING",
    );
    lines.push(`  events       ${size}${from ? `, checked from ${from} on` : ""}`, `  root         ${root}`);
    lines.push(`  checkpoints  ${checkpoints}, up to event ${signed}`);
    if (purged) lines.push(`  purged       ${purged} events without content, on the record`);
    if (lost)
      lines.push(`  missing      ${lost} events, accepted on the record (EVENT_MISSING, GAP_ACCEPTED)`);
  }
  lines.push(...because.map((why) => `  ${plain(why)}`), ...remarks.map((why) => `  note: ${why}`));
  return `${lines.join("\n")}\n`;
}

function jsonOf({ finding, ...report }: Report): string {
  return `${JSON.stringify({ ...report, finding: finding ?? null }, undefined, 2)}\n`;
}

/** Names in the archive come from strangers. */
function plain(said: string): string {
  return said.replace(/\p{Cc}/gu, " ");
}
