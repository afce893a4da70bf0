import { type FileHandle, mkdir, open, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Incarnation } from "../../sip/dialog.ts";
import { encodeLine } from "./spool-line.ts";

/** The lines could not be taken back after a failure: they may be on the disk, and must not be recorded in another way as well. */
export class LinesLeftError extends Error {}

/** One file of a spool; there is a new one now and then, so that the old ones can go. */
export class SpoolFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #inode: number;
  #bytes = 0;
  /** The last number in it. */
  last = 0;

  private constructor(path: string, handle: FileHandle, inode: number) {
    this.path = path;
    this.#handle = handle;
    this.#inode = inode;
  }

  /** Creates the folder too. @throws when there is such a file, or none can be made */
  static async create(folder: string, life: Incarnation, index: number, store: string): Promise<SpoolFile> {
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    for (let at = folder; made !== undefined && at.length >= made.length; at = dirname(at))
      await syncFolder(dirname(at));
    const path = join(folder, `${life}.${index}.spool`);
    const handle = await open(path, "ax", 0o600);
    try {
      const file = new SpoolFile(path, handle, (await handle.stat()).ino);
      await file.append(encodeLine({ v: 1, life, store }) ?? Buffer.alloc(0), 0);
      await syncFolder(folder);
      return file;
    } catch (error) {
      await handle.close();
      await rm(path, { force: true });
      throw error instanceof LinesLeftError ? error.cause : error; // no reading was among its lines
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Returns when the lines are on the disk, in a file that nobody has taken over by then: whoever records what a dead life left
   * renames its files first (`earlier-spools.ts`), and so reads either these lines, or they are refused here.
   * @throws {LinesLeftError} or another error: nothing of them is in the file
   */
  async append(lines: Buffer, last: number): Promise<void> {
    try {
      await this.#handle.appendFile(lines);
      await this.#handle.datasync();
      if ((await stat(this.path)).ino !== this.#inode) throw new Error(`${this.path} is another file now`);
    } catch (error) {
      await this.#takeBack(error);
      throw error;
    }
    this.#bytes += lines.length;
    this.last = last;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /** All in it is on record. */
  async remove(): Promise<void> {
    await this.#handle.close().catch(() => {}); // closed already after a failure
    await rm(this.path, { force: true });
  }

  async #takeBack(cause: unknown): Promise<void> {
    try {
      await this.#handle.truncate(this.#bytes);
      await this.#handle.datasync();
    } catch {
      throw new LinesLeftError(`${this.path} cannot be cut back`, { cause });
    }
  }
}

/** Names in it are on the disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
