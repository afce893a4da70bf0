import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import type { CheckpointOutlet, StoredCheckpoint } from "./archive-ports.ts";
import { readableCheckpoints, type SignedCheckpoint } from "./log/checkpoint.ts";

/** Holds the last note, whatever signatures it carries. */
const TAIL_BYTES = 16_384;

/** A file that checkpoints are appended to, each durable before the next; a copy that nobody changes by changing the database. */
export class CheckpointFile implements CheckpointOutlet {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async publish({ note }: StoredCheckpoint): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const file = await open(this.#path, "a", 0o640);
    try {
      // One write; the line before ends whatever a crash has left of another.
      await file.appendFile(`\n${note}`);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async last(): Promise<number> {
    return (await this.known())?.size ?? 0;
  }

  async known(): Promise<SignedCheckpoint | undefined> {
    let file: Awaited<ReturnType<typeof open>>;
    try {
      file = await open(this.#path, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined; // what fs throws
      throw error;
    }
    try {
      const { size } = await file.stat();
      const from = Math.max(0, size - TAIL_BYTES);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
      const found = readableCheckpoints(buffer.toString("utf8", 0, bytesRead));
      return found.sort((a, b) => a.size - b.size).at(-1);
    } finally {
      await file.close();
    }
  }
}
