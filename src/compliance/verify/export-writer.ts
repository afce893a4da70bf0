import { type FileHandle, mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { readCheckpoint } from "../log/checkpoint.ts";
import { type VerifierKey, writeVerifierKey } from "../log/note.ts";
import {
  CHECKPOINTS,
  type ExportedFile,
  MANIFEST,
  type Manifest,
  OWN_EVENTS,
  Tally,
  writeLine,
} from "./export-format.ts";
import { CannotCheck, type LogSource } from "./ports.ts";

/** Events in one file. */
const PER_FILE = 100_000;
/** Checkpoints in one write. */
const AT_ONCE = 5_000;

/** In the archive's own stream: who took which events out of it, and why. */
export const COMPL_EXPORT = "COMPL_EXPORT";

/** What is about to be written: the events of a checkpoint. */
export interface Announced {
  readonly size: number;
  /** Base64. */
  readonly root: string;
}

export interface ExportHooks {
  /** Called before the first byte is written, which does not happen when it throws. */
  readonly announce?: (announced: Announced) => Promise<void>;
  readonly onProgress?: (done: number, all: number) => void;
}

/**
 * Writes the log, as far as its last checkpoint reaches, into an empty folder: everything that is needed to check it elsewhere.
 * Reads and writes as a stream.
 * @throws CannotCheck when there is no checkpoint, or the folder is not empty
 */
export async function exportLog(
  source: LogSource,
  folder: string,
  keys: readonly VerifierKey[],
  { announce, onProgress = () => {} }: ExportHooks = {},
): Promise<Manifest> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0) throw new CannotCheck(`${folder} is not empty: give a new folder`);
  const own = await source.ownEvents();
  await source.size();
  const last = await source.checkpointUpTo(Number.MAX_SAFE_INTEGER);
  if (last === undefined)
    throw new CannotCheck(
      "there is no checkpoint yet: the worker makes one within a minute of the first event",
    );
  const { origin, size, root } = readCheckpoint(last.note);
  await announce?.({ size, root: root.toString("base64") });
  const files: ExportedFile[] = [];
  const wanted = new Set(own.map(({ seq }) => seq));
  const ownLines: string[] = [];
  let file: LogFile | undefined;
  for await (const leaves of source.leaves(0, size)) {
    for (let at = 0; at < leaves.length; ) {
      file ??= await LogFile.create(folder, files.length, leaves[at]?.seq ?? 0);
      const some = leaves.slice(at, at + PER_FILE - file.events);
      const lines = some.map(writeLine);
      for (const [place, { seq }] of some.entries()) if (wanted.has(seq)) ownLines.push(lines[place] ?? "");
      await file.write(lines);
      at += some.length;
      onProgress((some.at(-1)?.seq ?? 0) + 1, size);
      if (file.events < PER_FILE) continue;
      files.push(await file.close());
      file = undefined;
    }
  }
  if (file) files.push(await file.close());
  const events = await LogFile.create(folder, OWN_EVENTS, 0);
  await events.write(ownLines);
  files.push({ ...(await events.close()), events: 0 });
  const checkpoints = await LogFile.create(folder, CHECKPOINTS, 0);
  const notes: string[] = [];
  for await (const { note } of source.checkpoints(0)) {
    notes.push(`${note}\n`);
    if (notes.length === AT_ONCE) await checkpoints.write(notes.splice(0));
  }
  await checkpoints.write(notes);
  files.push({ ...(await checkpoints.close()), events: 0 });
  const manifest: Manifest = {
    format: "parlance-log",
    version: 1,
    origin,
    keys: keys.map(writeVerifierKey),
    size,
    files,
  };
  const sheet = await LogFile.create(folder, MANIFEST, 0);
  await sheet.write([`${JSON.stringify(manifest, undefined, 2)}\n`]);
  await sheet.close();
  return manifest;
}

class LogFile {
  readonly #handle: FileHandle;
  readonly #name: string;
  readonly #from: number;
  readonly #tally = new Tally();
  events = 0;

  private constructor(handle: FileHandle, name: string, from: number) {
    this.#handle = handle;
    this.#name = name;
    this.#from = from;
  }

  static async create(folder: string, which: number | string, from: number): Promise<LogFile> {
    const name = typeof which === "string" ? which : `log-${String(which).padStart(6, "0")}.jsonl`;
    return new LogFile(await open(join(folder, name), "wx", 0o600), name, from);
  }

  async write(lines: readonly string[]): Promise<void> {
    const bytes = Buffer.from(lines.join(""), "utf8");
    this.#tally.add(bytes);
    this.events += lines.length;
    await this.#handle.writeFile(bytes);
  }

  async close(): Promise<ExportedFile> {
    await this.#handle.sync();
    await this.#handle.close();
    return { name: this.#name, ...this.#tally.sum(), from: this.#from, events: this.events };
  }
}
