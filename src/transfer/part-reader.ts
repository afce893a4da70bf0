import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { MAX_LINE_BYTES, type Manifest, type Part } from "./format.ts";
import { TransferError } from "./transfer-error.ts";

const CHUNK = 1 << 18;
const NEWLINE = 10;

/**
 * Looks at every byte of every part before anything is made of them.
 * @param onBytes told how far it is
 * @throws {TransferError} naming the file that is missing, cut off or altered
 */
export async function verifyParts(
  folder: string,
  { parts }: Manifest,
  onBytes: (done: number, all: number) => void = () => {},
): Promise<void> {
  const all = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const part of parts) {
    const path = join(folder, part.file);
    const size = await sizeOf(path);
    if (size < part.bytes)
      throw new TransferError(
        `${path}, line ${(await countLines(path)) + 1}: the file is cut off, it has ${size} of ${part.bytes} bytes`,
      );
    if (size > part.bytes)
      throw new TransferError(
        `${path}, line ${part.lines + 1}: the file has more than its ${part.bytes} bytes`,
      );
    const hash = createHash("sha256");
    for await (const chunk of bytesOf(path)) {
      hash.update(chunk);
      done += chunk.length;
      onBytes(done, all);
    }
    if (hash.digest("hex") !== part.sha256)
      throw new TransferError(
        `${path}, lines 1 to ${part.lines}: the file was altered, its SHA-256 is not the one in the manifest`,
      );
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException; // what fs throws
    throw new TransferError(code === "ENOENT" ? `${path} is missing` : `${path} cannot be read (${code})`);
  }
}

async function countLines(path: string): Promise<number> {
  let lines = 0;
  for await (const chunk of bytesOf(path)) for (const byte of chunk) if (byte === NEWLINE) lines += 1;
  return lines;
}

function bytesOf(path: string): AsyncIterable<Buffer> {
  return createReadStream(path, { highWaterMark: CHUNK });
}

export interface Line {
  /** Counted from 1. */
  readonly line: number;
  readonly text: string;
}

/**
 * The lines of a part, some at a time.
 * @param after lines that are passed over
 * @throws {TransferError}
 */
export async function* linesOf(folder: string, part: Part, after = 0): AsyncGenerator<Line[]> {
  const path = join(folder, part.file);
  let last = after;
  for await (const lines of linesIn(path, after)) {
    last = lines.at(-1)?.line ?? last;
    yield lines;
  }
  if (last !== part.lines)
    throw new TransferError(
      `${path}, line ${last + 1}: there are ${last} lines, the manifest says ${part.lines}`,
    );
}

/** Lines end with LF and with nothing else. @throws {TransferError} */
export async function* linesIn(path: string, after = 0): AsyncGenerator<Line[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let line = 0;
  for await (const chunk of bytesOf(path)) {
    const lines: Line[] = [];
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      line += 1;
      if (line > after) {
        const bytes =
          rest.length > 0 ? Buffer.concat([...rest, chunk.subarray(from, at)]) : chunk.subarray(from, at);
        lines.push({ line, text: bytes.toString("utf8") });
      }
      rest = [];
      restBytes = 0;
      from = at + 1;
    }
    if (from < chunk.length) {
      rest.push(chunk.subarray(from));
      restBytes += chunk.length - from;
    }
    if (restBytes > MAX_LINE_BYTES)
      throw new TransferError(`${path}, line ${line + 1}: the line is too long`);
    if (lines.length > 0) yield lines;
  }
  if (restBytes > 0) throw new TransferError(`${path}, line ${line + 1}: the line is cut off`);
}
