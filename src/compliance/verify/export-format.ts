import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { leafHash } from "../log/hashes.ts";
import { readLeaf } from "../log/leaf.ts";
import type { StoredLeaf } from "./ports.ts";

/** The files of an exported log. `manifest.json` is written last: without it an export is not whole. */
export const MANIFEST = "manifest.json";
export const CHECKPOINTS = "checkpoints.txt";
/** Changed keys and purges once more, to be read before all else. */
export const OWN_EVENTS = "archive-events.jsonl";

export interface ExportedFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
  /** First event in it, and how many there are. */
  readonly from: number;
  readonly events: number;
}

export interface Manifest {
  readonly format: "parlance-log";
  readonly version: 1;
  readonly origin: string;
  /** Public keys, as whoever made the export knew them. Trust them only as far as you trust him. */
  readonly keys: readonly string[];
  readonly size: number;
  readonly files: readonly ExportedFile[];
}

const NAME = /^[a-z0-9][a-z0-9-]{0,60}\.(?:jsonl|txt)$/;
const MAX_FILES = 100_000;

/** @returns undefined for what is no manifest */
export function readManifest(text: string): Manifest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { format, version, origin, keys, size, files } = (value ?? {}) as Record<string, unknown>; // looked at here
  const whole = (number: unknown) => Number.isSafeInteger(number) && Number(number) >= 0;
  if (format !== "parlance-log" || version !== 1 || typeof origin !== "string" || !whole(size))
    return undefined;
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === "string")) return undefined;
  if (!Array.isArray(files) || files.length > MAX_FILES) return undefined;
  const fine = files.every((file: Record<string, unknown> | null) => {
    const { name, bytes, sha256, from, events } = file ?? {};
    return (
      typeof name === "string" &&
      NAME.test(name) &&
      typeof sha256 === "string" &&
      [bytes, from, events].every(whole)
    );
  });
  return fine ? (value as Manifest) : undefined; // as was just looked at
}

/** A line of the export, with its newline. */
export function writeLine({ seq, leaf, salts, body }: StoredLeaf): string {
  const content =
    body === null || salts === null
      ? {}
      : {
          ...(isUtf8(body) ? { body: body.toString("utf8") } : { bodyBase64: body.toString("base64") }),
          salts: salts.toString("base64"),
        };
  return `${JSON.stringify({ ...content, leaf: leaf.toString("latin1"), seq })}\n`;
}

/** @returns undefined for what is no such line, spelled as writeLine does: other programs must not read something else in it */
export function readLine(line: string): StoredLeaf | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { body, bodyBase64, leaf: text, salts, seq } = (value ?? {}) as Record<string, unknown>; // looked at here
  if (typeof text !== "string" || !Number.isSafeInteger(seq)) return undefined;
  const leaf = Buffer.from(text, "latin1");
  const said = readLeaf(leaf);
  const stored: StoredLeaf = {
    seq: Number(seq),
    eventId: said?.eventId ?? "",
    stream: said?.stream ?? "",
    streamSeq: said?.streamSeq ?? 0,
    hash: leafHash(leaf),
    leaf,
    salts: typeof salts === "string" ? Buffer.from(salts, "base64") : null,
    body:
      typeof body === "string"
        ? Buffer.from(body, "utf8")
        : typeof bodyBase64 === "string"
          ? Buffer.from(bodyBase64, "base64")
          : null,
  };
  return writeLine(stored) === `${line}\n` ? stored : undefined;
}

/** Bytes and SHA-256 of what passes by. */
export class Tally {
  readonly #hash = createHash("sha256");
  bytes = 0;

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.bytes += bytes.length;
  }

  sum(): { readonly bytes: number; readonly sha256: string } {
    return { bytes: this.bytes, sha256: this.#hash.digest("hex") };
  }
}
