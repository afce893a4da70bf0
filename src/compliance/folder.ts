import { randomBytes } from "node:crypto";
import { link, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { MANIFEST_NAME, readManifest } from "./delivery.ts";
import { sha256Hex } from "./log/hashes.ts";
import type { ArchiveFolder, FileToWrite, HeldLease } from "./ports.ts";

/** A block of a file system: on a full one there is none left. */
const TRIED_BYTES = 4_096;
/** Names that we give to files of a run; the receiver may put others beside them. */
const OURS = /^(?:(?:part|transformed|details)-\d+[.-].*|unmapped\.jsonl)$/;

/**
 * One folder per run below `root`. A file appears under its name only when all its bytes are on the disk, and the manifest
 * only when every other file is there.
 */
export class RunFolders implements ArchiveFolder {
  readonly #root: string;

  constructor(root: string) {
    this.#root = resolve(root);
  }

  /**
   * A file that the receiver has already fetched and removed counts as delivered; one that is there with other bytes does not.
   */
  async delivered(runId: string): Promise<Buffer | undefined> {
    const folder = this.#folder(runId);
    const manifest = await readIfThere(join(folder, MANIFEST_NAME));
    if (manifest === undefined) return undefined;
    const { files } = readManifest(manifest);
    for (const { path, sha256 } of files) {
      const bytes = await readIfThere(join(folder, safeName(path)));
      if (bytes !== undefined && sha256Hex(bytes) !== sha256) return undefined;
    }
    // Not before there is a manifest: who still writes would find his own gone, and a manifest is never another one.
    await removeStrays(
      folder,
      files.map(({ path }) => ({ name: path })),
    );
    return manifest;
  }

  async write(runId: string, files: readonly FileToWrite[], lease: HeldLease): Promise<Buffer> {
    const folder = this.#folder(runId);
    const manifest = files.at(-1);
    if (manifest?.name !== MANIFEST_NAME) throw new TypeError("The manifest comes last");
    await mkdir(folder, { recursive: true, mode: 0o750 });
    await syncFolder(dirname(folder));
    try {
      for (const file of files.slice(0, -1)) {
        await lease.keep();
        await writeDurably(folder, file, rename);
      }
      // All other names must be on the disk before the manifest vouches for them.
      await syncFolder(folder);
      await lease.check();
      if (!(await writeDurably(folder, manifest, putOnce))) {
        const theirs = await this.delivered(runId);
        if (theirs !== undefined) return theirs;
        await writeDurably(folder, manifest, rename); // it named a file that is there with other bytes
      }
    } catch (error) {
      // Whoever went on with the run has cleared away before the last of ours was there.
      await this.delivered(runId).catch(() => undefined);
      throw error;
    }
    await removeStrays(folder, files);
    return manifest.bytes;
  }

  async discard(runId: string): Promise<void> {
    await rm(this.#folder(runId), { recursive: true, force: true });
  }

  /** Writes a little and takes it away again. @param who unlike anybody else that tries @throws when a run could not be written now */
  async tryWriting(who: string): Promise<void> {
    // Hidden, and the same each time: what a process that was killed left is written over.
    const path = join(this.#root, `.${safeName(who)}`);
    try {
      await mkdir(this.#root, { recursive: true, mode: 0o750 });
      const file = await open(path, "w", 0o640);
      try {
        await file.writeFile(Buffer.alloc(TRIED_BYTES));
        await file.sync();
      } finally {
        await file.close();
      }
      await rm(path, { force: true });
    } catch (error) {
      await rm(path, { force: true }).catch(() => {});
      throw new Error(`its folder cannot be written: ${codeOf(error) ?? "unknown"}`);
    }
  }

  #folder(runId: string): string {
    return join(this.#root, safeName(runId));
  }
}

/** @param put gives the whole file its name */
async function writeDurably<Result>(
  folder: string,
  { name, bytes }: FileToWrite,
  put: (temporary: string, path: string) => Promise<Result>,
): Promise<Result> {
  const path = join(folder, safeName(name));
  // A holder whose lease ran out may still be writing the same file: each has its own temporary one.
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o640);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    return await put(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Unlike `rename` it leaves alone what is there, however long its caller has slept. @returns whether nothing was there */
async function putOnce(temporary: string, path: string): Promise<boolean> {
  let isPut = true;
  try {
    await link(temporary, path);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") throw error; // a successor has cleared the temporary one away
    isPut = false;
    if (code !== "EEXIST" && (await readIfThere(path)) === undefined) {
      await rename(temporary, path); // a file system without links
      return true;
    }
  }
  await rm(temporary, { force: true });
  return isPut;
}

/**
 * What is ours and not named: of attempts that were killed, or that others overtook. One that still writes fails, and finds that it
 * has a successor.
 */
async function removeStrays(folder: string, named: readonly Pick<FileToWrite, "name">[]): Promise<void> {
  const names = new Set(named.map(({ name }) => name));
  try {
    for (const name of await readdir(folder))
      if (name.endsWith(".tmp") || (OURS.test(name) && !names.has(name)))
        await rm(join(folder, name), { force: true });
    await syncFolder(folder);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error; // the receiver has taken the folder
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Errors of node:fs carry one. */
function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

function safeName(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/.test(name)) throw new Error("not a name of an archive file");
  return name;
}
