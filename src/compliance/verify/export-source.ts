import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointList } from "./checkpoint-list.ts";
import {
  CHECKPOINTS,
  MANIFEST,
  type Manifest,
  OWN_EVENTS,
  readLine,
  readManifest,
  Tally,
} from "./export-format.ts";
import { CannotCheck, type Finding, type KeptCheckpoint, type LogSource, type StoredLeaf } from "./ports.ts";

const MAX_SMALL_FILE = 256 << 20;
/** No event is longer. */
const MAX_LINE = 64 << 20;
const LINES = 2_000;

/** An exported log, read as a stream. */
export class ExportSource implements LogSource {
  readonly manifest: Manifest;
  readonly isCopy = true;
  readonly hashes = undefined;
  readonly #folder: string;
  readonly #tallies = new Map<string, Tally>();
  #checkpoints: CheckpointList | undefined;

  private constructor(folder: string, manifest: Manifest) {
    this.#folder = folder;
    this.manifest = manifest;
  }

  /** @throws CannotCheck when there is no export */
  static async open(folder: string): Promise<ExportSource> {
    const text = await small(join(folder, MANIFEST));
    const manifest = readManifest(text);
    if (!manifest) throw new CannotCheck(`${join(folder, MANIFEST)} is no manifest of an exported log`);
    return new ExportSource(folder, manifest);
  }

  async size(): Promise<number> {
    return this.manifest.size;
  }

  async *leaves(from: number, to: number): AsyncIterable<readonly StoredLeaf[]> {
    if (from !== 0) throw new RangeError("an export is read from its beginning");
    let leaves: StoredLeaf[] = [];
    for (const { name } of this.manifest.files.filter(({ events }) => events > 0)) {
      for await (const line of this.#lines(name)) {
        const leaf = readLine(line);
        // What cannot be read is missing; so is what comes behind it.
        if (!leaf || leaf.seq >= to) {
          yield leaves;
          return;
        }
        leaves.push(leaf);
        if (leaves.length < LINES) continue;
        yield leaves;
        leaves = [];
      }
    }
    yield leaves;
  }

  async *checkpoints(): AsyncIterable<KeptCheckpoint> {
    const list = await this.#list();
    if (list.hasOther || list.length === 0) yield { note: "" };
    for (const { size, root, note } of list.from(0)) yield { size, root, note: note() };
  }

  async checkpointUpTo(size: number): Promise<KeptCheckpoint | undefined> {
    const [last] = (await this.#list()).upTo(size, 1);
    return last && { size: last.size, root: last.root, note: last.note() };
  }

  /** @throws CannotCheck */
  async #list(): Promise<CheckpointList> {
    const path = join(this.#folder, CHECKPOINTS);
    try {
      this.#checkpoints ??= await CheckpointList.read(path);
    } catch (error) {
      throw unreadable(path, error);
    }
    return this.#checkpoints;
  }

  async leafBefore(): Promise<undefined> {
    return undefined;
  }

  async ownEvents(): Promise<StoredLeaf[]> {
    const text = await small(join(this.#folder, OWN_EVENTS));
    const lines = text.split("\n").filter((line) => line !== "");
    return lines.map(readLine).filter((leaf) => leaf !== undefined);
  }

  /** What the manifest says of its files. */
  async others(): Promise<Finding | undefined> {
    let next = 0;
    for (const { name, from, events, bytes, sha256 } of this.manifest.files) {
      const tally = this.#tallies.get(name) ?? (await this.#read(name));
      const found = tally.sum();
      const bad = (field: string, expected: string | number, is: string | number): Finding => ({
        seq: from,
        field: `${field} of ${name}`,
        expected: String(expected).slice(0, 200),
        found: String(is),
      });
      if (found.bytes !== bytes) return bad("bytes", bytes, found.bytes);
      if (found.sha256 !== sha256) return bad("sha256", sha256, found.sha256);
      if (events > 0 && from !== next) return bad("first event", from, next);
      next += events;
    }
    const { size } = this.manifest;
    return next === size
      ? undefined
      : { seq: Math.min(size, next), field: "events in the manifest", expected: `${size}`, found: `${next}` };
  }

  async #read(name: string): Promise<Tally> {
    for await (const _ of this.#lines(name));
    return this.#tallies.get(name) ?? new Tally();
  }

  async *#lines(name: string): AsyncIterable<string> {
    const tally = new Tally();
    this.#tallies.set(name, tally);
    const path = join(this.#folder, name);
    let rest = "";
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    try {
      for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
        tally.add(chunk);
        const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        rest = lines.pop() ?? "";
        yield* lines;
        if (rest.length > MAX_LINE)
          throw new CannotCheck(`${path}: a line is longer than ${MAX_LINE} characters`);
      }
    } catch (error) {
      if (error instanceof CannotCheck) throw error;
      // A file that the manifest names and that is gone: its events are missing.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return; // what fs throws
      throw unreadable(path, error);
    }
    if (rest !== "") yield rest;
  }
}

/** @throws CannotCheck */
async function small(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > MAX_SMALL_FILE)
      throw new CannotCheck(`${path} is larger than ${MAX_SMALL_FILE} bytes`);
    return await readFile(path, "utf8");
  } catch (error) {
    throw error instanceof CannotCheck ? error : unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): CannotCheck {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined; // what fs throws
  return new CannotCheck(
    `${path} ${code === "ENOENT" ? "does not exist" : `cannot be read${code ? ` (${code})` : ""}`}`,
  );
}
