import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import { readCheckpoint } from "../log/checkpoint.ts";
import { HASH_BYTES } from "../log/hashes.ts";

/** A signed note in a file, read byte for byte: its dash has three bytes. A mail may have changed the ends of lines. */
const NOTE =
  /(?<=^|\n)([^\r\n]+)\r?\n(0|[1-9]\d{0,15})\r?\n([A-Za-z0-9+/]{43}=)\r?\n\r?\n(?:\u00e2\u0080\u0094 [^\n]+\n)+/g;
/** No note is longer; what comes in between is passed over. */
const MAX_NOTE = 65_536;
/** What may follow the last line of a note without being another one. */
const DASH_BYTES = 4;

/** A checkpoint in a file; its signature is read when it matters. */
export interface ListedCheckpoint {
  /** The file. */
  readonly from: string;
  readonly size: number;
  readonly root: Buffer;
  /** The note as it stands there. */
  note(): string;
}

/** The checkpoints of a file, by size. Only numbers and roots are kept of it: a year has half a million. */
export class CheckpointList {
  readonly path: string;
  #count = 0;
  #sizes = new Float64Array(64);
  #offsets = new Float64Array(64);
  #lengths = new Uint32Array(64);
  #roots = Buffer.alloc(64 * HASH_BYTES);
  #order: Uint32Array = new Uint32Array();
  /** Names of logs whose checkpoints are in it. */
  readonly origins = new Set<string>();
  /** Something else stands in it too. */
  hasOther = false;

  private constructor(path: string) {
    this.path = path;
  }

  /** @throws what reading a file throws */
  static async read(path: string): Promise<CheckpointList> {
    const list = new CheckpointList(path);
    let text = "";
    let offset = 0;
    const take = (last: boolean) => {
      let done = 0;
      for (const match of text.matchAll(NOTE)) {
        const end = match.index + match[0].length;
        if (!last && end + DASH_BYTES > text.length) break;
        list.#noteOther(text.slice(done, match.index));
        list.#add(match, offset + match.index);
        done = end;
      }
      if (last) list.#noteOther(text.slice(done));
      else if (text.length - done > MAX_NOTE) {
        const cut = text.indexOf("\n", text.length - MAX_NOTE) + 1;
        list.hasOther = true;
        done = cut === 0 ? text.length : cut;
      }
      offset += done;
      text = text.slice(done);
    };
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      text += chunk.toString("latin1");
      take(false);
    }
    take(true);
    list.#order = Uint32Array.from({ length: list.#count }, (_, place) => place);
    list.#order.sort((a, b) => list.#sizeAt(a) - list.#sizeAt(b));
    return list;
  }

  get length(): number {
    return this.#count;
  }

  /** Rising, beginning with this size. */
  *from(size: number): Generator<ListedCheckpoint> {
    for (let at = this.#behind(size - 1); at < this.#count; at++) yield this.#entry(this.#order[at] ?? 0);
  }

  /** The last ones up to this size, the largest last. */
  upTo(size: number, count: number): ListedCheckpoint[] {
    const end = this.#behind(size);
    return [...this.#order.subarray(Math.max(0, end - count), end)].map((place) => this.#entry(place));
  }

  /** How many are not larger. */
  #behind(size: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#sizeAt(this.#order[middle] ?? 0) <= size) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #add(match: RegExpExecArray, offset: number): void {
    const [note, origin = "", digits = "", root = ""] = match;
    const place = this.#count;
    if (place === this.#sizes.length) this.#grow();
    this.#sizes[place] = Number(digits);
    this.#offsets[place] = offset;
    this.#lengths[place] = note.length;
    this.#roots.write(root, place * HASH_BYTES, "base64");
    this.#count += 1;
    if (this.origins.has(origin)) return;
    try {
      readCheckpoint(textOf(Buffer.from(note, "latin1")));
      this.origins.add(Buffer.from(origin, "latin1").toString("utf8"));
    } catch {
      // A piece that only looks like one.
      this.#count -= 1;
      this.hasOther = true;
    }
  }

  #grow(): void {
    const room = this.#sizes.length * 2;
    const grown = <T extends Float64Array | Uint32Array>(fresh: T, old: T): T => {
      fresh.set(old);
      return fresh;
    };
    this.#sizes = grown(new Float64Array(room), this.#sizes);
    this.#offsets = grown(new Float64Array(room), this.#offsets);
    this.#lengths = grown(new Uint32Array(room), this.#lengths);
    this.#roots = Buffer.concat([this.#roots], room * HASH_BYTES);
  }

  #entry(place: number): ListedCheckpoint {
    return {
      from: this.path,
      size: this.#sizeAt(place),
      root: this.#roots.subarray(place * HASH_BYTES, (place + 1) * HASH_BYTES),
      note: () => this.#note(this.#offsets[place] ?? 0, this.#lengths[place] ?? 0),
    };
  }

  /** @throws what reading a file throws */
  #note(offset: number, length: number): string {
    const file = openSync(this.path, "r");
    try {
      const bytes = Buffer.alloc(length);
      return textOf(bytes.subarray(0, readSync(file, bytes, 0, length, offset)));
    } finally {
      closeSync(file);
    }
  }

  #sizeAt(place: number): number {
    return this.#sizes[place] ?? 0;
  }

  #noteOther(text: string): void {
    if (/\S/.test(text)) this.hasOther = true;
  }
}

function textOf(bytes: Buffer): string {
  return bytes.toString("utf8").replaceAll("\r\n", "\n");
}
