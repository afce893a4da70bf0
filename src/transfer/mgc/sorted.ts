import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { linesIn } from "../part-reader.ts";

export interface Keyed {
  readonly major: number;
  readonly minor: number;
  /** One line, without ends of lines in it. */
  readonly text: string;
}

/** Characters that are sorted in memory. */
const RUN_CHARACTERS = 32_000_000;

/** Any number of entries, in the order of their keys: sorted in runs on the disk, then merged. Equal keys stay in their order. */
export class SortedEntries {
  readonly #folder: string;
  readonly #runCharacters: number;
  readonly #runs: string[] = [];
  #waiting: Keyed[] = [];
  #characters = 0;

  constructor(folder: string, runCharacters = RUN_CHARACTERS) {
    this.#folder = folder;
    this.#runCharacters = runCharacters;
  }

  /** @returns what to wait for before more is added */
  add(entry: Keyed): Promise<void> | undefined {
    this.#waiting.push(entry);
    this.#characters += entry.text.length + 64;
    return this.#characters >= this.#runCharacters ? this.#spill() : undefined;
  }

  async #spill(): Promise<void> {
    const entries = this.#waiting.sort(compare);
    this.#waiting = [];
    this.#characters = 0;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const path = join(this.#folder, `run-${this.#runs.length}`);
    this.#runs.push(path);
    const file = createWriteStream(path, { mode: 0o600 });
    for (const { major, minor, text } of entries)
      if (!file.write(`${major} ${minor} ${text}\n`)) await once(file, "drain");
    file.end();
    await once(file, "close");
  }

  async *entries(): AsyncGenerator<Keyed> {
    const runs: AsyncIterator<Keyed>[] = this.#runs.map((path) => readRun(path));
    runs.push(inMemory(this.#waiting.sort(compare)));
    const heads = await Promise.all(runs.map(async (run) => ({ run, head: await run.next() })));
    let open = heads.filter(({ head }) => !head.done);
    while (open.length > 0) {
      const [first, ...others] = open;
      if (!first) return;
      let least = first;
      for (const other of others) if (compare(other.head.value, least.head.value) < 0) least = other;
      yield least.head.value;
      least.head = await least.run.next();
      if (least.head.done) open = open.filter((one) => one !== least);
    }
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function compare(a: Keyed, b: Keyed): number {
  return a.major - b.major || a.minor - b.minor;
}

async function* inMemory(entries: readonly Keyed[]): AsyncGenerator<Keyed> {
  yield* entries;
}

async function* readRun(path: string): AsyncGenerator<Keyed> {
  for await (const lines of linesIn(path))
    for (const { text: line } of lines) {
      const [major = "", minor = ""] = line.split(" ", 2);
      yield {
        major: Number(major),
        minor: Number(minor),
        text: line.slice(major.length + minor.length + 2),
      };
    }
}
