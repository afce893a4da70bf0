import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { TransferError } from "../transfer-error.ts";

const CHUNK = 1 << 18;
const LOOKED_AT = 4_096;

type Encoding = "utf-8" | "utf-16le" | "utf-16be";

/** The text of a file in UTF-8 or UTF-16, told apart by its mark at the beginning or, without one, by its zeros. */
export async function* decodedFile(path: string): AsyncGenerator<string> {
  const encoding = await encodingOf(path);
  // What is half a character in UTF-16 is shown as one that is missing: SQL Server lets such texts be.
  const decoder = new TextDecoder(encoding, { fatal: encoding === "utf-8" });
  let bytes = 0;
  const decode = (chunk?: Buffer) => {
    try {
      return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
    } catch {
      throw new TransferError(`${path}: near byte ${bytes} this is neither UTF-8 nor UTF-16`);
    }
  };
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) {
    const text = decode(chunk);
    bytes += chunk.length;
    if (text !== "") yield text;
  }
  const rest = decode();
  if (rest !== "") yield rest;
}

async function encodingOf(path: string): Promise<Encoding> {
  const handle = await open(path, "r");
  try {
    const buffer = Buffer.alloc(LOOKED_AT);
    const { bytesRead } = await handle.read(buffer, 0, LOOKED_AT, 0);
    const start = buffer.subarray(0, bytesRead);
    if (start[0] === 0xff && start[1] === 0xfe) return "utf-16le";
    if (start[0] === 0xfe && start[1] === 0xff) return "utf-16be";
    const zeros = (odd: number) => start.filter((byte, at) => at % 2 === odd && byte === 0).length;
    if (zeros(1) > bytesRead / 4) return "utf-16le";
    return zeros(0) > bytesRead / 4 ? "utf-16be" : "utf-8";
  } finally {
    await handle.close();
  }
}
