import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { MANIFEST_NAME, readManifest } from "./delivery.ts";
import type { ArchiveFolder, FileToWrite } from "./ports.ts";

/** A block of a file system: on a full one there is none left. */
const TRIED_BYTES = 4_096;

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
    for (const { path, sha256 } of readManifest(manifest).files) {
      const bytes = await readIfThere(join(folder, safeName(path)));
      if (bytes !== undefined && createHash("sha256").update(bytes).digest("hex") !== sha256)
        return undefined;
    }
    return manifest;
  }

  async write(runId: string, files: readonly FileToWrite[]): Promise<void> {
    const folder = this.#folder(runId);
    await mkdir(folder, { recursive: true, mode: 0o750 });
    await syncFolder(dirname(folder));
    const manifest = files.at(-1);
    for (const file of files) {
      // All other names must be on the disk before the manifest vouches for them.
      if (file === manifest) await syncFolder(folder);
      await writeDurably(folder, file);
    }
    await removeLeftovers(folder);
    await syncFolder(folder);
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
      // Errors of node:fs carry a code.
      throw new Error(`its folder cannot be written: ${(error as NodeJS.ErrnoException).code ?? "unknown"}`);
    }
  }

  #folder(runId: string): string {
    return join(this.#root, safeName(runId));
  }
}

async function writeDurably(folder: string, { name, bytes }: FileToWrite): Promise<void> {
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
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Temporary files of a process that was killed. One that still writes fails, and finds that it has a successor. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name.endsWith(".tmp")) await rm(join(folder, name), { force: true });
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
    // Errors of node:fs carry a code.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function safeName(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/.test(name)) throw new Error("not a name of an archive file");
  return name;
}
