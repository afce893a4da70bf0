export type Cell = string | number | boolean | null;

/** Rows for people, aligned under their headings; or one JSON array for scripts. */
export function printRows(rows: readonly Record<string, Cell>[], json: boolean): void {
  process.stdout.write(json ? `${JSON.stringify(rows, undefined, 2)}\n` : formatRows(rows));
}

/** Control characters in names would move the cursor of whoever reads the table. */
function show(cell: Cell | undefined): string {
  return String(cell ?? "").replace(/\p{Cc}/gu, " ");
}

export function formatRows(rows: readonly Record<string, Cell>[]): string {
  const [first] = rows;
  if (!first) return "nothing to show\n";
  const columns = Object.keys(first);
  const widths = columns.map((column) =>
    Math.max(column.length, ...rows.map((row) => show(row[column]).length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  const head = line(columns.map((column) => column.toUpperCase()));
  return `${[head, ...rows.map((row) => line(columns.map((column) => show(row[column]))))].join("\n")}\n`;
}
