import { Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";
import { CsvLines } from "../csv-lines.ts";
import { TransferError } from "../transfer-error.ts";
import { decodedFile } from "./decoded.ts";
import type { Cell, Row } from "./row.ts";
import { TABLES, type Table } from "./schema.ts";

/** Characters of one row. */
const MOST_CHARACTERS = 32_000_000;

/**
 * Rows of one table, from a file with a line of headings: separated by commas, semicolons, tabs or bars; fields in quotes may hold
 * all of these, quotes (doubled) and ends of lines.
 * @throws {TransferError} with the line
 */
export async function* csvRows(path: string, table: Table): AsyncGenerator<Row> {
  const chunks = decodedFile(path);
  const first = await chunks.next();
  if (first.done) throw new TransferError(`${path}, line 1: there is nothing, not even a line of headings`);
  const parser = parse({
    bom: true,
    delimiter: delimiterIn(first.value),
    skip_empty_lines: true,
    info: true,
    max_record_size: MOST_CHARACTERS,
  });
  const source = Readable.from(behind(first.value, chunks));
  source.on("error", (error) => parser.destroy(error));
  source.pipe(parser);
  const lines = new CsvLines();
  let names: string[] | undefined;
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: string[];
      info: { lines: number };
    }>) {
      const line = lines.of(record, info.lines);
      if (!names) {
        names = record.map((name) => name.trim().toLowerCase());
        checkNames(path, table, names);
        continue;
      }
      const cells: Record<string, Cell> = {};
      names.forEach((name, at) => {
        cells[name] = record[at] ?? null;
      });
      yield { table, cells, where: `${path}, line ${line}` };
    }
  } catch (error) {
    throw error instanceof CsvError ? refusal(path, lines.after(error), error) : error;
  } finally {
    source.destroy();
    parser.destroy();
  }
}

async function* behind(first: string, rest: AsyncGenerator<string>): AsyncGenerator<string> {
  yield first;
  yield* rest;
}

function delimiterIn(text: string): string {
  const [line = ""] = text.split(/\r?\n/, 1);
  return ["\t", ";", "|"].find((one) => line.includes(one)) ?? ",";
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
    CSV_RECORD_INCONSISTENT_FIELDS_LENGTH: "another number of fields than headings",
    CSV_QUOTE_NOT_CLOSED: "a quote is not closed",
    CSV_INVALID_CLOSING_QUOTE: "a quote is not where one may be",
    INVALID_OPENING_QUOTE: "a quote is not where one may be",
    CSV_MAX_RECORD_SIZE: "the row is too long",
  };
  return new TransferError(`${path}, line ${line}: ${why[error.code] ?? error.message}`);
}
