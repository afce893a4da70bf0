import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { readCheckpoint } from "../../src/compliance/log/checkpoint.ts";
import { EMPTY_ROOT } from "../../src/compliance/log/hashes.ts";
import {
  generateSecretKey,
  MalformedNote,
  readSecretKey,
  type Signer,
  signerOf,
  writeVerifierKey,
} from "../../src/compliance/log/note.ts";
import { rangeHash } from "../../src/compliance/log/proofs.ts";
import { KEY_ROTATE, readRotation, signRotation } from "../../src/compliance/log/rotation.ts";
import { recordArchiveEvent } from "../../src/store/mysql/archive-events.ts";
import { MysqlArchiveReader } from "../../src/store/mysql/archive-reader.ts";
import { MysqlArchiveStatus } from "../../src/store/mysql/archive-status.ts";
import { MysqlArchiveStore } from "../../src/store/mysql/archive-store.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { requireSchema } from "../../src/store/mysql/migrate.ts";
import { archiveKey, archiveSigner, signerIn } from "../archive-key.ts";
import { EXIT, UsageError } from "../command-line.ts";
import type { Config } from "../config.ts";
import { type CliCommand, configOf, expectWords } from "../configured.ts";
import { printRows } from "../table.ts";
import { text } from "../verb.ts";
import { isSealed, recorder } from "./recorder.ts";

const SIGNED_WITHIN_MS = 10_000;
const CREATE = "parlance compliance key create [--name NAME] [--json]";
const SHOW = "parlance compliance key show [--json]";
const ROTATE = "parlance compliance key rotate [--from-key FILE] [--dry-run] [--json]";

export const keyCommands: Readonly<Record<string, CliCommand>> = {
  "compliance key create": {
    summary: "make the key that signs the archive, in its file",
    usage: CREATE,
    details: [
      "The file is that of compliance.archive.key-file; one that is there is never overwritten. NAME is the archive's for ever:",
      "domain and pool unless given, such as example.com/pchat. Keep a copy of the file, and give the public key to your auditors.",
      "e.g. parlance compliance key create --name chat.example.com/archive",
    ],
    options: { name: { type: "string" }, json: { type: "boolean" } },
    run: async (words, values) => {
      expectWords(words, [], CREATE);
      const config = configOf(values);
      refuseCommand(config);
      const file = config.archiveKeyFile;
      const name =
        text(values.name) ?? `${config.domain}/${/^sip:([^@]+)@/.exec(config["pool-uri"])?.[1] ?? "pchat"}`;
      const key = newKey(name);
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      try {
        writeDurably(file, key);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error; // what fs throws
        throw new UsageError(`${file} is there already; "parlance compliance key rotate" changes the key`);
      }
      printRows([{ file, publicKey: writeVerifierKey(readSecretKey(key)) }], values.json === true);
      return EXIT.ok;
    },
  },
  "compliance key show": {
    summary: "show the archive's public key, which auditors check it with",
    usage: SHOW,
    details: ["e.g. parlance compliance key show --json"],
    options: { json: { type: "boolean" } },
    run: async (words, values) => {
      expectWords(words, [], SHOW);
      const key = archiveKey(configOf(values));
      printRows([{ name: key.name, id: key.id, publicKey: writeVerifierKey(key) }], values.json === true);
      return EXIT.ok;
    },
  },
  "compliance key rotate": {
    summary: "sign with another key from now on; both keys say so, on the record",
    usage: ROTATE,
    details: [
      "Makes a new key in the place of the old one, which stays beside it as FILE.<its id>. The worker, which must be running, signs",
      'with it from then on. Was the old one stolen, then run "parlance compliance verify --checkpoint" with what your auditors kept',
      "before: the new key vouches for what is there. Ended early, it goes on where it was when it is run again.",
      "--from-key FILE   the old key is in that file, the new one is the configured one (after a change to a sign-command, say)",
      "--dry-run         say what would be done, and do nothing",
      "e.g. parlance compliance key rotate --dry-run",
    ],
    options: { "from-key": { type: "string" }, "dry-run": { type: "boolean" }, json: { type: "boolean" } },
    run: async (words, values) => {
      expectWords(words, [], ROTATE);
      const config = configOf(values);
      const oldFile = text(values["from-key"]);
      const dryRun = values["dry-run"] === true;
      if (oldFile === undefined) refuseCommand(config);
      const old = oldFile === undefined ? archiveSigner(config) : signerIn(resolve(oldFile), "--from-key");
      const file = config.archiveKeyFile;
      // One that was made before and is not in use yet: the log may have it already.
      const isWaiting = oldFile === undefined && existsSync(waiting(file));
      const fresh = oldFile === undefined && !isWaiting ? newKey(old.name) : undefined;
      const next = isWaiting
        ? signerIn(waiting(file), "compliance.archive.key-file")
        : fresh === undefined
          ? archiveSigner(config)
          : readSecretKey(fresh);
      if (next.name !== old.name)
        throw new UsageError(`the new key is called ${next.name}, the archive ${old.name}`);
      if (next.id === old.id) throw new UsageError("this is the same key");
      const kept = `${file}.${old.id}`;
      if (!dryRun) {
        await requireSchema(config.mysqlUrl);
        const database = new Database({ url: config.mysqlUrl, connections: 2 });
        try {
          const before = await lastRoot(database, old, next);
          // Not lost when this ends early.
          if (fresh !== undefined) writeDurably(waiting(file), fresh);
          // First in the log: a checkpoint by a key that nobody introduced would be taken for a forger's.
          const eventId = await recordArchiveEvent(database, {
            kind: KEY_ROTATE,
            detail: { ...(await signRotation(old, next, before)) },
            ...recorder(),
          });
          if (!(await isSealed(database, eventId))) {
            process.stderr.write(
              "parlance: the worker did not seal it within a minute, the old key stays: see that the worker runs, then do it again\n",
            );
            return EXIT.unavailable;
          }
          if (oldFile === undefined) exchange(file, kept);
          // A worker whose configuration was changed knows it only when it begins anew.
          if (!(await isSigned(database, eventId, oldFile === undefined ? SIGNED_WITHIN_MS : 0)))
            process.stderr.write(
              'parlance: the worker has not signed with the new key yet, and signs nothing with the old one; until then "compliance verify" ends with 2: restart the worker if its configuration was changed\n',
            );
        } finally {
          await database.close();
        }
      }
      printRows(
        [
          {
            oldKey: writeVerifierKey(old),
            newKey: writeVerifierKey(next),
            oldKeyIn: oldFile ?? kept,
          },
        ],
        values.json === true,
      );
      return EXIT.ok;
    },
  },
};

function refuseCommand(config: Config): void {
  if (config.compliance.archive["sign-command"] !== undefined)
    throw new UsageError("the key is a command's (compliance.archive.sign-command): make it there");
}

function newKey(name: string): string {
  try {
    return generateSecretKey(name);
  } catch (error) {
    if (error instanceof MalformedNote) throw new UsageError(`--name: ${error.message}`);
    throw error;
  }
}

/** Where the new key waits until its event is sealed. */
function waiting(file: string): string {
  return `${file}.new`;
}

/** How far the log was signed when its key is changed: both keys will say so. @throws UsageError when that is not as it was signed */
async function lastRoot(
  database: Database,
  old: Signer,
  next: Signer,
): Promise<{ size: number; root: Buffer }> {
  for (const { body } of await new MysqlArchiveStore(database).ownEvents(KEY_ROTATE, 0))
    if (readRotation(body)?.oldKey.id === next.id)
      throw new UsageError("the new key was in use before and was changed: it cannot come back");
  const reader = new MysqlArchiveReader(database);
  const last = await reader.checkpointUpTo(Number.MAX_SAFE_INTEGER);
  if (!last) return { size: 0, root: EMPTY_ROOT };
  const { size, root, note } = readCheckpoint(last.note);
  if (!signerOf(note, [next, old]))
    throw new UsageError("the last checkpoint is not signed by the old key: run parlance compliance verify");
  if (!(await rangeHash(reader.hashes, 0, size)).equals(root))
    throw new UsageError("the archive is not as it was signed: run parlance compliance verify");
  return { size, root };
}

/** Whether a checkpoint reaches over the event; waits so long for one. */
async function isSigned(database: Database, eventId: string, waitMs: number): Promise<boolean> {
  const sealed = await new MysqlArchiveStatus(database).find(eventId);
  const reader = new MysqlArchiveReader(database);
  for (const deadline = performance.now() + waitMs; ; ) {
    const last = await reader.checkpointUpTo(Number.MAX_SAFE_INTEGER);
    if (sealed && (last?.size ?? 0) > sealed.seq) return true;
    if (performance.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The old one stays readable to its owner; at every moment one of them is the key. */
function exchange(file: string, kept: string): void {
  if (!existsSync(kept)) linkSync(file, kept);
  renameSync(waiting(file), file);
}

/** @throws EEXIST */
function writeDurably(file: string, key: string): void {
  const handle = openSync(file, "wx", 0o600);
  try {
    writeFileSync(handle, `${key}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
