import { crc32 } from "node:zlib";
import type { SpooledReading } from "../../chat/reading.ts";

/** Longer than what one answer usually shows; a search of very many rooms has no place here. */
export const MAX_LINE_BYTES = 65_536;

/** The first line of a file: whose it is, and of which database. */
export interface SpoolHeader {
  readonly v: 1;
  readonly life: string;
  readonly store: string;
}

/** A line: CRC-32 of what follows, a blank, JSON. @returns undefined when it would be too long */
export function encodeLine(value: SpooledReading | SpoolHeader): Buffer | undefined {
  const json = JSON.stringify(value);
  const line = Buffer.from(`${checksum(Buffer.from(json))} ${json}\n`);
  return line.length > MAX_LINE_BYTES ? undefined : line;
}

/** What a file holds. */
export interface SpoolContent {
  /** Undefined when the file was not even begun: nothing in it was ever waited for. */
  readonly header: SpoolHeader | undefined;
  readonly spooled: readonly SpooledReading[];
  /** A whole line is not as it was written. What stands behind the last one was torn: nobody was answered then. */
  readonly damaged: boolean;
}

export function decodeFile(bytes: Buffer): SpoolContent {
  const values: unknown[] = [];
  let damaged = false;
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) break;
    const value = decodeLine(bytes.subarray(at, end));
    at = end + 1;
    if (value !== undefined) values.push(value);
    else damaged = true;
    if (values.length === 0) return { header: undefined, spooled: [], damaged };
  }
  const [header, ...spooled] = values;
  // What has its checksum was written by encodeLine.
  return { header: header as SpoolHeader | undefined, spooled: spooled as SpooledReading[], damaged };
}

function decodeLine(line: Buffer): unknown {
  const json = line.subarray(9);
  if (line.subarray(0, 9).toString("latin1") !== `${checksum(json)} `) return undefined;
  return JSON.parse(json.toString("utf8"));
}

function checksum(bytes: Buffer): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}
