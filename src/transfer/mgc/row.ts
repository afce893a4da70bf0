import { TransferError } from "../transfer-error.ts";
import { type Table, TICKS_AT_1970, TICKS_PER_MS } from "./schema.ts";

/** As written: text, bytes, or nothing at all. */
export type Cell = string | Buffer | null;

/** A row of one of the tables, its cells by name of column in lower case. */
export interface Row {
  readonly table: Table;
  readonly cells: Readonly<Record<string, Cell | undefined>>;
  /** File and line, for messages. */
  readonly where: string;
}

const utf16 = new TextDecoder("utf-16le");

/** Null for NULL and for a column that is not there. Bytes are those of nvarchar, or of RTF, which has 7 bits, when `narrow`. */
export function textOf({ cells }: Row, column: string, narrow = false): string | null {
  const cell = cells[column.toLowerCase()];
  if (cell === null || cell === undefined) return null;
  return typeof cell === "string" ? cell : narrow ? cell.toString("latin1") : utf16.decode(cell);
}

/** As `textOf`, where an empty text and the word NULL mean nothing: what spreadsheets make of NULL. */
function wordOf(row: Row, column: string): string | null {
  const text = textOf(row, column)?.trim() ?? "";
  return text === "" || text.toUpperCase() === "NULL" ? null : text;
}

/** @throws {TransferError} when something else stands there */
export function bigOf(row: Row, column: string): bigint | null {
  const word = wordOf(row, column);
  if (word === null) return null;
  if (/^[-+]?\d{1,20}(\.0*)?$/.test(word)) return BigInt(word.replace(/\.0*$/, "").replace("+", ""));
  throw new TransferError(`${row.where}: ${column} is a whole number, not "${word.slice(0, 40)}"`);
}

/** @throws {TransferError} */
export function numberOf(row: Row, column: string): number | null {
  const big = bigOf(row, column);
  if (big === null || (big <= 9_007_199_254_740_991n && big >= -9_007_199_254_740_991n))
    return big === null ? null : Number(big);
  throw new TransferError(`${row.where}: ${column} is too large a number`);
}

/** @throws {TransferError} when it is missing */
export function neededNumber(row: Row, column: string): number {
  const number = numberOf(row, column);
  if (number === null) throw new TransferError(`${row.where}: ${column} is missing`);
  return number;
}

/** bit: 0, 1, False, True. @throws {TransferError} */
export function flagOf(row: Row, column: string): boolean | null {
  const word = wordOf(row, column)?.toLowerCase() ?? null;
  if (word === null) return null;
  if (word === "1" || word === "true") return true;
  if (word === "0" || word === "false") return false;
  throw new TransferError(`${row.where}: ${column} is 0 or 1, not "${word.slice(0, 40)}"`);
}

/** Lower case, without braces. @throws {TransferError} */
export function guidOf(row: Row, column: string): string | null {
  const cell = row.cells[column.toLowerCase()];
  if (cell instanceof Buffer && cell.length === 16) {
    // As SQL Server keeps it: the first three groups are little-endian.
    const hex = [
      [3, 2, 1, 0],
      [5, 4],
      [7, 6],
      [8, 9],
      [10, 11, 12, 13, 14, 15],
    ]
      .map((group) => group.map((at) => cell.toString("hex", at, at + 1)).join(""))
      .join("-");
    return hex;
  }
  const word = wordOf(row, column);
  if (word === null) return null;
  const guid = word.replace(/^\{(.*)\}$/, "$1").toLowerCase();
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(guid)) return guid;
  throw new TransferError(`${row.where}: ${column} is no GUID: "${word.slice(0, 40)}"`);
}

/** Milliseconds since 1970; what is below one is dropped. Null for 0. @throws {TransferError} */
export function ticksOf(row: Row, column: string): number | null {
  const ticks = bigOf(row, column);
  if (ticks === null || ticks === 0n) return null;
  const ms = Number((ticks - TICKS_AT_1970) / TICKS_PER_MS);
  if (ticks >= TICKS_AT_1970 && ms <= 253_402_300_799_999) return ms;
  throw new TransferError(`${row.where}: ${column} is no time in ticks since the year 1: ${ticks}`);
}
