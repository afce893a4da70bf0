import { resolve } from "node:path";
import { readLeaf } from "../../src/compliance/log/leaf.ts";
import { consistencyPath, inclusionPath } from "../../src/compliance/log/proofs.ts";
import { exportLog } from "../../src/compliance/verify/export-writer.ts";
import { CannotCheck } from "../../src/compliance/verify/ports.ts";
import { MysqlArchiveReader } from "../../src/store/mysql/archive-reader.ts";
import { MysqlArchiveStatus } from "../../src/store/mysql/archive-status.ts";
import { Database, PATIENT_MS } from "../../src/store/mysql/database.ts";
import { requireSchema } from "../../src/store/mysql/migrate.ts";
import { archiveKey } from "../archive-key.ts";
import { EXIT, UsageError } from "../command-line.ts";
import type { Config } from "../config.ts";
import { type CliCommand, configOf, expectWords, type Values } from "../configured.ts";
import { progressOn, type ShowProgress } from "../progress.ts";
import { print, type Row } from "../table.ts";
import { wholeNumber } from "../verb.ts";
import { bookCommands } from "./compliance-books.ts";
import { recordExport, Unrecorded } from "./compliance-export.ts";
import { keyCommands } from "./compliance-keys.ts";
import { quarantineCommands } from "./compliance-quarantine.ts";
import { verifyCommand } from "./compliance-verify.ts";
import { reasonOf } from "./recorder.ts";

const GAP_MS = 60_000;
const MOST = 999_999_999;

const EXPORT = "parlance compliance export FOLDER [--reason TEXT] [--json]";
const PROVE = "parlance compliance prove EVENT|NUMBER [--size N] [--json]";
const GROWTH = "parlance compliance prove-growth FIRST [SECOND] [--json]";

export const complianceCommands: Readonly<Record<string, CliCommand>> = {
  "compliance status": command(
    "show how far the archive is sealed and signed, what is missing, and what the last check found",
    "parlance compliance status [--json]",
    [],
    { details: ["e.g. parlance compliance status --json"] },
    async ({ status }, _, values) => {
      const found = await status.read(GAP_MS);
      const { checkpoint, lastCheck, changed } = found;
      const rows: Row[] = [
        { what: "events sealed", value: found.sealed },
        { what: "events signed", value: checkpoint?.size ?? 0 },
        { what: "last checkpoint", value: checkpoint ? new Date(checkpoint.atMs).toISOString() : "none" },
        { what: "root", value: checkpoint?.root.toString("base64") ?? "" },
        { what: "events not sealed yet", value: found.waiting },
        { what: "oldest of them, s", value: Math.round(found.oldestMs / 1_000) },
        { what: "gaps", value: found.gaps.length },
        { what: "differences from the chat", value: found.differences },
        {
          what: "compared with the chat",
          value: found.comparedMs === undefined ? "never" : new Date(found.comparedMs).toISOString(),
        },
        { what: "sealed by", value: found.sealer?.holder ?? "nobody now" },
        { what: "database refuses changes", value: found.guarded },
        {
          what: "last check",
          value: lastCheck ? `${lastCheck.verdict}, ${new Date(lastCheck.atMs).toISOString()}` : "none",
        },
        {
          what: "found changed, not found right since",
          value: changed
            ? `event ${changed.firstBad ?? 0}, ${new Date(changed.atMs).toISOString()}`
            : "nothing",
        },
      ];
      const gaps = found.gaps.map(({ stream, missing, waiting, waitedMs }) => ({
        stream,
        missing,
        waiting,
        seconds: Math.round(waitedMs / 1_000),
      }));
      print(gaps.length > 0 ? { archive: rows, gaps } : { archive: rows }, values.json === true);
    },
  ),
  "compliance verify": verifyCommand,
  "compliance prove": command(
    "prove that an event is in the archive: the hashes that lead from it to a signed checkpoint",
    PROVE,
    ["EVENT|NUMBER"],
    {
      options: ["size"],
      details: [
        "EVENT is an event's id, 32 hex digits; NUMBER its number in the archive, from 0. --size: to the checkpoint of that size,",
        "the last one unless given. Anybody with the public key can check it: RFC 6962, C2SP signed notes (docs/compliance.md).",
        "e.g. parlance compliance prove 4711 --json",
      ],
    },
    async ({ status, reader }, [which = ""], values) => {
      const number = /^\d{1,15}$/.test(which);
      if (!number && !/^[0-9a-f]{32}$/.test(which))
        throw new UsageError(`an event is a number, or an id of 32 hex digits, not "${which}"`);
      const event = await status.find(number ? Number(which) : which);
      if (!event) throw new UsageError(`there is no event ${which} in the archive`);
      const checkpoint = await checkpointOf(status, wholeNumber(values.size, "--size", 1, MOST));
      if (event.seq >= checkpoint.size)
        throw new UsageError(
          `event ${event.seq} is not covered by checkpoint ${checkpoint.size}: wait a minute, or give a larger one`,
        );
      const path = await inclusionPath(reader.hashes, event.seq, checkpoint.size);
      const proof = {
        seq: event.seq,
        eventId: event.eventId,
        leaf: event.leaf,
        size: checkpoint.size,
        path: path.map((hash) => hash.toString("base64")),
        checkpoint: checkpoint.note,
      };
      const { stream = "", streamSeq = 0, kind = "" } = readLeaf(Buffer.from(event.leaf, "latin1")) ?? {};
      show(values, proof, [
        `event ${proof.seq} (${proof.eventId}), ${kind}, number ${streamSeq} of ${stream}`,
        `leaf ${proof.leaf}`,
        ...proof.path.map((hash) => `path ${hash}`),
        "",
        proof.checkpoint,
      ]);
    },
  ),
  "compliance prove-growth": command(
    "prove that the archive of one checkpoint is the beginning of that of a later one",
    GROWTH,
    ["FIRST", "[SECOND]"],
    {
      details: [
        "FIRST and SECOND are sizes of checkpoints; without SECOND the last one.",
        "e.g. parlance compliance prove-growth 10000 20000 --json",
      ],
    },
    async ({ status, reader }, [first, second], values) => {
      const one = await checkpointOf(status, wholeNumber(first, "FIRST", 1, MOST));
      const two = await checkpointOf(status, wholeNumber(second, "SECOND", 1, MOST));
      if (one.size > two.size) throw new UsageError("the first checkpoint is the smaller one");
      const path = (await consistencyPath(reader.hashes, one.size, two.size)).map((hash) =>
        hash.toString("base64"),
      );
      const proof = {
        first: one.size,
        second: two.size,
        path,
        firstCheckpoint: one.note,
        secondCheckpoint: two.note,
      };
      show(values, proof, [
        `from ${one.size} to ${two.size} events`,
        ...path.map((hash) => `path ${hash}`),
        "",
        one.note,
        two.note,
      ]);
    },
  ),
  "compliance export": command(
    "write the archive, content included, into a new folder, where anybody can check it without this server",
    EXPORT,
    ["FOLDER"],
    {
      options: ["reason"],
      details: [
        "As far as its last checkpoint reaches. The folder holds what people wrote: treat it as such.",
        "Before the first byte is written the archive records it as COMPL_EXPORT: who, on which machine, which events, to where, and",
        "what --reason says. That needs an account that may write: without it nothing is exported. One that ends early is on record too.",
        'e.g. parlance compliance export /mnt/auditor/2026-11 --reason "audit of November, ticket 4711"',
      ],
    },
    async ({ reader, config, database }, [folder = ""], values, progress) => {
      const reason = reasonOf(values);
      const into = resolve(folder);
      let recorded = "";
      const { size, files } = await exportLog(reader, into, [archiveKey(config)], {
        announce: async (announced) => {
          recorded = await recordExport(database, config, announced, { folder: into, reason });
        },
        onProgress: (done, all) => progress("events", done, all),
      });
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
      print(
        [{ folder, events: size, files: files.length, megabytes: Math.round(bytes / 1e6), recorded }],
        values.json === true,
      );
    },
  ),
  ...bookCommands,
  ...keyCommands,
  ...quarantineCommands,
};

interface Archive {
  readonly config: Config;
  readonly database: Database;
  readonly status: MysqlArchiveStatus;
  readonly reader: MysqlArchiveReader;
}

function command(
  summary: string,
  usage: string,
  names: readonly string[],
  more: { readonly options?: readonly string[]; readonly details: readonly string[] },
  work: (archive: Archive, words: readonly string[], values: Values, progress: ShowProgress) => Promise<void>,
): CliCommand {
  const strings = Object.fromEntries(
    (more.options ?? []).map((option) => [option, { type: "string" as const }]),
  );
  return {
    summary,
    usage,
    details: more.details,
    options: { ...strings, json: { type: "boolean" } },
    run: async (words, values) => {
      const given = expectWords(words, names, usage);
      const config = configOf(values);
      await requireSchema(config.mysqlUrl);
      const database = new Database({ url: config.mysqlUrl, connections: 3, statementMs: PATIENT_MS });
      const progress = progressOn(process.stderr);
      try {
        const archive = {
          config,
          database,
          status: new MysqlArchiveStatus(database),
          reader: new MysqlArchiveReader(database),
        };
        await work(archive, given, values, progress.show);
        return EXIT.ok;
      } catch (error) {
        if (error instanceof CannotCheck) throw new UsageError(error.message);
        if (error instanceof Unrecorded) {
          process.stderr.write(`parlance: ${error.message}\n`);
          return EXIT.failed;
        }
        throw error;
      } finally {
        progress.clear();
        await database.close();
      }
    },
  };
}

async function checkpointOf(status: MysqlArchiveStatus, size: number | undefined) {
  const checkpoint = await status.checkpoint(size);
  if (checkpoint) return checkpoint;
  throw new UsageError(
    size === undefined
      ? "there is no checkpoint yet: the worker makes one within a minute of the first event"
      : `there is no checkpoint of size ${size}`,
  );
}

function show(values: Values, value: object, lines: readonly string[]): void {
  process.stdout.write(
    values.json === true ? `${JSON.stringify(value, undefined, 2)}\n` : `${lines.join("\n")}\n`,
  );
}
