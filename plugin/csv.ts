import { CsvError as ParserError, parse } from "csv-parse/sync";
import { CsvLines } from "../src/transfer/csv-lines.ts";

/** More than anybody types; a file beyond it is another one than was meant. */
const MOST_ROWS = 1_000_000;

/** A file that is no such list; the message says where. */
export class CsvError extends Error {
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`);
    this.name = "CsvError";
  }
}

/**
 * Records of a file with a line of headings (RFC 4180): fields in quotes may hold commas, quotes (doubled) and ends of lines.
 * Empty lines are passed over; blanks around fields without quotes go.
 * @throws {CsvError}
 */
export function parseCsv(
  text: string,
): { readonly line: number; readonly fields: Readonly<Record<string, string>> }[] {
  const [head, ...records] = rowsOf(text);
  if (!head) throw new CsvError(1, "there is nothing, not even a line of headings");
  const names = head.cells.map((name) => name.toLowerCase());
  return records.map(({ line, cells }) => {
    if (cells.length > names.length)
      throw new CsvError(line, `${cells.length} fields below ${names.length} headings`);
    return { line, fields: Object.fromEntries(names.map((name, at) => [name, cells[at] ?? ""])) };
  });
}

interface Row {
  readonly line: number;
  readonly cells: readonly string[];
}

/** @throws {CsvError} */
function rowsOf(text: string): Row[] {
  const options = {
    bom: true,
    info: true,
    trim: true,
    relax_column_count: true,
    skip_empty_lines: true,
  } as const;
  const lines = new CsvLines();
  try {
    const found = parse(text, { ...options, to: MOST_ROWS + 1 }) as unknown as {
      record: string[];
      info: { lines: number };
    }[]; // what `info` makes of records
    const rows = found.map(({ record, info }) => ({ line: lines.of(record, info.lines), cells: record }));
    if (rows.length > MOST_ROWS) throw new CsvError(rows.at(-1)?.line ?? 1, `more than ${MOST_ROWS} lines`);
    return rows.filter(({ cells }) => cells.some((cell) => cell !== ""));
  } catch (error) {
    if (!(error instanceof ParserError)) throw error;
    throw new CsvError(lines.after(error), "a quote is not where one may be, or is not closed");
  }
}
