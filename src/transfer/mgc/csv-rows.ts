import { Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";
import { CsvLines } from "../csv-lines.ts";
import { TransferError } from "../transfer-error.ts";
import { decodedFile } from "./decoded.ts";
import type { Cell, Row } from "./row.ts";
import { TABLES, type Table } from "./schema.ts";

/** Characters of one row. */
const MOST_CHARACTERS = 32_000_000;
/** What stands in no text: `bcp -t 0x1F -r 0x1E`. */
const FIRST_FIELD = 64;
const FIELD_END = "\x1f";
const ROW_END = "\x1e";
/** The first column of every table is a number or a GUID. */
const KEY = /^\s*(\d+|[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12})\s*$/i;

/**
 * Rows of one table. With a line of headings: fields separated by commas, semicolons, tabs or bars; those in quotes may hold all of
 * these, quotes (doubled) and ends of lines. So PowerShell's Export-Csv writes; sqlcmd puts a line of dashes below the headings and
 * quotes nothing. Without headings, separated by tabs or 0x1F: as bcp writes, all columns in their order, nothing in quotes.
 * @throws {TransferError} with the line
 */
export async function* csvRows(path: string, table: Table): AsyncGenerator<Row> {
  const chunks = decodedFile(path);
  const first = await chunks.next();
  if (first.done) throw new TransferError(`${path}, line 1: there is nothing, not even a line of headings`);
  const style = styleOf(first.value, table);
  const parser = parse({
    bom: true,
    delimiter: style.delimiter,
    ...(style.rowEnd === undefined ? {} : { record_delimiter: style.rowEnd }),
    quote: style.isQuoted ? '"' : false,
    skip_empty_lines: true,
    relax_column_count: true,
    info: true,
    max_record_size: MOST_CHARACTERS,
  });
  const source = Readable.from(behind(first.value.slice(style.begin), chunks));
  source.on("error", (error) => parser.destroy(error));
  source.pipe(parser);
  const lines = new CsvLines();
  let names = style.hasHeadings ? undefined : TABLES[table].map((name) => name.toLowerCase());
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[];
      info: { lines: number; records: number };
    }>) {
      const line = lines.of(record, info.lines) + style.linesBefore;
      const where = style.rowEnd === undefined ? `${path}, line ${line}` : `${path}, row ${info.records}`;
      if (!names) {
        names = record.map((name) => name.trim().toLowerCase());
        checkNames(path, table, names);
        continue;
      }
      if (style.isSqlcmd && isNoRow(record)) continue;
      if (record.length !== names.length)
        throw new TransferError(
          `${where}: another number of fields than ${style.hasHeadings ? "headings" : "columns: use bcp -t 0x1F -r 0x1E"}`,
        );
      const cells: Record<string, Cell> = {};
      names.forEach((name, at) => {
        cells[name] = style.hasHeadings ? (record[at] ?? null) : bcpCell(record[at]);
      });
      yield { table, cells, where };
    }
  } catch (error) {
    throw error instanceof CsvError ? refusal(path, lines.after(error) + style.linesBefore, error) : error;
  } finally {
    source.destroy();
    parser.destroy();
  }
}

interface Style {
  /** Characters and lines before the headings or the first row. */
  readonly begin: number;
  readonly linesBefore: number;
  readonly delimiter: string;
  /** Undefined: an end of line. */
  readonly rowEnd: string | undefined;
  readonly hasHeadings: boolean;
  readonly isSqlcmd: boolean;
  readonly isQuoted: boolean;
}

function styleOf(text: string, table: Table): Style {
  const [type = ""] = /^\uFEFF?#TYPE [^\n]*\n/.exec(text) ?? []; // of Windows PowerShell's Export-Csv
  const isSeparated = text.slice(0, FIRST_FIELD).includes(FIELD_END);
  const rowEnd = isSeparated && text.includes(ROW_END) ? ROW_END : undefined;
  const [headings = "", below = ""] = text.slice(type.length).split(rowEnd ?? /\r?\n/, 2);
  const delimiter = isSeparated ? FIELD_END : (["\t", ";", "|"].find((one) => headings.includes(one)) ?? ",");
  const fields = headings.replace("\uFEFF", "").split(delimiter);
  const isBcp =
    (delimiter === "\t" || isSeparated) &&
    fields.length === TABLES[table].length &&
    KEY.test(fields[0] ?? "");
  const hasHeadings = !isBcp;
  const isSqlcmd = hasHeadings && below.includes("-") && isNoRow(below.split(delimiter));
  return {
    begin: type.length,
    linesBefore: type === "" ? 0 : 1,
    delimiter,
    rowEnd,
    hasHeadings,
    isSqlcmd,
    isQuoted: hasHeadings && !isSqlcmd,
  };
}

/** What sqlcmd puts below the headings and behind the last row. */
function isNoRow(record: readonly string[]): boolean {
  const [only = ""] = record;
  return record.every((cell) => /^\s*-+\s*$/.test(cell)) || (record.length === 1 && /^\(\d+ /.test(only));
}

/** NULL is nothing at all there, and an empty text a NUL. */
function bcpCell(cell: string | undefined): Cell {
  return cell === undefined || cell === "" ? null : cell === "\0" ? "" : cell;
}

async function* behind(first: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}

function checkNames(path: string, table: Table, names: readonly string[]): void {
  const [key = ""] = TABLES[table];
  if (!names.includes(key.toLowerCase()))
    throw new TransferError(
      `${path}, line 1: these are no headings of ${table}, ${key} is missing: export it with column names`,
    );
  if (new Set(names).size < names.length)
    throw new TransferError(`${path}, line 1: a heading stands there twice`);
}

function refusal(path: string, line: number, error: CsvError): TransferError {
  const why: Readonly<Record<string, string>> = {
    CSV_QUOTE_NOT_CLOSED: "a quote is not closed",
    CSV_INVALID_CLOSING_QUOTE: "a quote is not where one may be",
    INVALID_OPENING_QUOTE: "a quote is not where one may be",
    CSV_MAX_RECORD_SIZE: "the row is too long",
  };
  return new TransferError(`${path}, line ${line}: ${why[error.code] ?? error.message}`);
}
