import { createHash, type Hash } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { canonicalJson } from "../chat/compliance-event.ts";
import { LOCK, lockFolder } from "./folder-lock.ts";
import {
  type Counted,
  type Counts,
  countsSchema,
  FORMAT,
  NOTHING_COUNTED,
  type Part,
  type PartKind,
  partSchema,
  type Selection,
  selectionSchema,
  VERSION,
} from "./format.ts";
import { checked, hashOfParts, MANIFEST, parsed, syncFolder, writeDurably } from "./manifest.ts";
import { TransferError } from "./transfer-error.ts";

const PROGRESS = "progress.json";
/** Under this name a part is written; it gets its own when all of it is on the disk. */
const UNFINISHED = "unfinished.part";
/** Bytes of a part; a line more at most. */
const PART_BYTES = 64_000_000;
/** Characters that are gathered before they are written. */
const GATHERED = 262_144;

const progressSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  domain: z.string(),
  selection: selectionSchema,
  counts: countsSchema,
  parts: z.array(partSchema),
  /** Where the next part begins, in the writer's own words. */
  place: z.unknown(),
});

export interface PartWriterOptions {
  readonly domain: string;
  readonly selection: Selection;
  readonly partBytes?: number;
}

/** The folder of an export that is being made: finished parts with their hashes, and where the next one begins. */
export class PartWriter {
  readonly #folder: string;
  readonly #options: PartWriterOptions;
  readonly #partBytes: number;
  readonly #parts: Part[];
  readonly #unlock: () => Promise<void>;
  #counts: Record<Counted, number>;
  #open: { kind: PartKind; handle: FileHandle; hash: Hash; lines: number; bytes: number } | undefined;
  #text = "";
  #gathered = 0;

  private constructor(
    folder: string,
    options: PartWriterOptions,
    { parts, counts }: { parts: readonly Part[]; counts: Counts },
    unlock: () => Promise<void>,
  ) {
    this.#folder = folder;
    this.#options = options;
    this.#partBytes = options.partBytes ?? PART_BYTES;
    this.#parts = [...parts];
    this.#counts = { ...counts };
    this.#unlock = unlock;
  }

  /**
   * Begins an export, or carries on with one that was interrupted.
   * @returns with `place`, what was given to the last `endPart`; undefined for a new one
   * @throws {TransferError} when something else is in the folder
   */
  static async open(
    folder: string,
    options: PartWriterOptions,
  ): Promise<{ writer: PartWriter; place: unknown }> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const unlock = await lockFolder(folder);
    try {
      return await PartWriter.#begin(folder, options, unlock);
    } catch (error) {
      await unlock();
      throw error;
    }
  }

  static async #begin(
    folder: string,
    options: PartWriterOptions,
    unlock: () => Promise<void>,
  ): Promise<{ writer: PartWriter; place: unknown }> {
    const names = await readdir(folder);
    if (names.includes(MANIFEST))
      throw new TransferError(`${folder} holds a finished export: give another folder, or remove it`);
    if (!names.includes(PROGRESS)) {
      const foreign = names.find((name) => name !== UNFINISHED && name !== LOCK && !name.endsWith(".tmp"));
      if (foreign !== undefined)
        throw new TransferError(`${folder} is not empty, ${foreign} is in it: give a folder of its own`);
      const writer = new PartWriter(folder, options, { parts: [], counts: NOTHING_COUNTED }, unlock);
      await writer.#saveProgress(null);
      return { writer, place: undefined };
    }
    const file = join(folder, PROGRESS);
    const progress = checked(progressSchema, parsed(await readFile(file, "utf8"), file, 1), file, 1);
    const asked = ({ domain, selection }: PartWriterOptions) => canonicalJson({ domain, selection });
    if (asked(progress) !== asked(options))
      throw new TransferError(
        `${folder} holds an export that was interrupted and was asked for with other options: give the same ones, or another folder`,
      );
    const known = new Set(progress.parts.map(({ file: name }) => name));
    // A part that got its name, and was not yet written down when everything stopped, is made again.
    for (const name of names) if (name.endsWith(".jsonl") && !known.has(name)) await rm(join(folder, name));
    for (const name of known)
      if (!names.includes(name))
        throw new TransferError(`${join(folder, name)} is missing: begin in another folder`);
    return { writer: new PartWriter(folder, options, progress, unlock), place: progress.place ?? undefined };
  }

  get counts(): Counts {
    return { ...this.#counts };
  }

  /** True when the part is large enough: the next line belongs into another. */
  get isFull(): boolean {
    return this.#open !== undefined && this.#open.bytes + this.#gathered >= this.#partBytes;
  }

  get kind(): PartKind | undefined {
    return this.#open?.kind;
  }

  async beginPart(kind: PartKind): Promise<void> {
    if (this.#open) throw new Error("the part before is not ended");
    const handle = await open(join(this.#folder, UNFINISHED), "w", 0o600);
    this.#open = { kind, handle, hash: createHash("sha256"), lines: 0, bytes: 0 };
  }

  /** One line, without its end. @returns what to wait for before very many more */
  write(line: string, counts?: Counted): Promise<void> | undefined {
    const part = this.#open;
    if (!part) throw new Error("no part is begun");
    this.#text += `${line}\n`;
    this.#gathered += line.length + 1;
    part.lines += 1;
    if (counts) this.#counts[counts] += 1;
    return this.#gathered >= GATHERED ? this.#flush() : undefined;
  }

  async #flush(): Promise<void> {
    const part = this.#open;
    if (!part || this.#text === "") return;
    const bytes = Buffer.from(this.#text, "utf8");
    this.#text = "";
    this.#gathered = 0;
    part.hash.update(bytes);
    part.bytes += bytes.length;
    await part.handle.writeFile(bytes);
  }

  /** @param place where the next part begins; given back by `open` after an interruption */
  async endPart(place: unknown): Promise<void> {
    const part = this.#open;
    if (!part) return;
    await this.#flush();
    await part.handle.sync();
    await part.handle.close();
    this.#open = undefined;
    const file = `${String(this.#parts.length + 1).padStart(4, "0")}-${part.kind}.jsonl`;
    await rename(join(this.#folder, UNFINISHED), join(this.#folder, file));
    await syncFolder(this.#folder);
    this.#parts.push({ file, lines: part.lines, bytes: part.bytes, sha256: part.hash.digest("hex") });
    await this.#saveProgress(place);
  }

  /** Over all parts that are finished. */
  get sha256(): string {
    return hashOfParts(this.#parts);
  }

  /** The manifest is the last thing written: without it there is no export. */
  async finish(): Promise<void> {
    const { domain, selection } = this.#options;
    const manifest = {
      format: FORMAT,
      version: VERSION,
      domain,
      selection,
      counts: this.#counts,
      parts: this.#parts,
      sha256: this.sha256,
    };
    await writeDurably(join(this.#folder, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
    await rm(join(this.#folder, PROGRESS), { force: true });
    await rm(join(this.#folder, UNFINISHED), { force: true });
    await this.#unlock();
  }

  /** Leaves what is done so far for the next time. */
  async close(): Promise<void> {
    await this.#open?.handle.close();
    this.#open = undefined;
    await this.#unlock();
  }

  async #saveProgress(place: unknown): Promise<void> {
    const { domain, selection } = this.#options;
    const progress = {
      format: FORMAT,
      version: VERSION,
      domain,
      selection,
      counts: this.#counts,
      parts: this.#parts,
      place,
    };
    await writeDurably(join(this.#folder, PROGRESS), JSON.stringify(progress));
  }
}
