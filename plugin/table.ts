export type Cell = string | number | boolean | null;

export type Row = Readonly<Record<string, Cell>>;

/** One table, or several under their headings. */
export type Shown = readonly Row[] | { readonly [heading: string]: readonly Row[] };

/** For people, or as JSON: an array for one table, an object of arrays for several. */
export function print(shown: Shown, json: boolean): void {
  if (isOne(shown)) printRows(shown, json);
  else if (json) process.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
  else {
    const tables = Object.entries(shown).map(([heading, rows]) => `${heading}:\n${formatRows(rows)}`);
    process.stdout.write(tables.join("\n"));
  }
}

function isOne(shown: Shown): shown is readonly Row[] {
  return Array.isArray(shown);
}

/** Rows for people, aligned under their headings; or one JSON array for scripts. */
export function printRows(rows: readonly Row[], json: boolean): void {
  process.stdout.write(json ? `${JSON.stringify(rows, undefined, 2)}\n` : formatRows(rows));
}

/** Control characters in names would move the cursor of whoever reads the table. */
function show(cell: Cell | undefined): string {
  return String(cell ?? "").replace(/\p{Cc}/gu, " ");
}

export function formatRows(rows: readonly Row[]): string {
  const [first] = rows;
  if (!first) return "nothing to show\n";
  const columns = Object.keys(first);
  const widths = columns.map((column) =>
    rows.reduce((widest, row) => Math.max(widest, show(row[column]).length), column.length),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  const head = line(columns.map((column) => column.toUpperCase()));
  return `${[head, ...rows.map((row) => line(columns.map((column) => show(row[column]))))].join("\n")}\n`;
}
