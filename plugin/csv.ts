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
  const rows = rowsOf(text.replace(/^\uFEFF/, ""));
  const [head, ...records] = rows;
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
  readonly cells: string[];
}

function rowsOf(text: string): Row[] {
  const rows: Row[] = [];
  const field = /("[^"]*(?:""[^"]*)*"|[^",\r\n]*)(,|\r\n|\n|\r|$)/y;
  let line = 1;
  for (let at = 0; at < text.length; ) {
    const row: Row = { line, cells: [] };
    for (let end = ","; end === ","; ) {
      field.lastIndex = at;
      const match = field.exec(text);
      if (!match) throw new CsvError(line, "a quote is not where one may be, or is not closed");
      const [whole, cell = "", separator = ""] = match;
      row.cells.push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell.trim());
      line += whole.match(/\r\n|\n|\r/g)?.length ?? 0;
      at += whole.length;
      end = separator;
    }
    if (row.cells.some((cell) => cell !== "")) rows.push(row);
    if (rows.length > MOST_ROWS) throw new CsvError(line, `more than ${MOST_ROWS} lines`);
  }
  return rows;
}
