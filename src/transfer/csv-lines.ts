/**
 * csv-parse counts CR LF in a quoted field as two lines, and a record where it ends. This says where each begins; to be asked of every
 * record in turn.
 */
export class CsvLines {
  #tooMany = 0;

  /** @param counted `info.lines` of this record */
  of(record: readonly string[], counted: number): number {
    const ends = (pattern: RegExp) =>
      record.reduce((sum, cell) => sum + (cell.match(pattern)?.length ?? 0), 0);
    const line = counted - this.#tooMany - ends(/[\r\n]/g);
    this.#tooMany += ends(/\r\n/g);
    return line;
  }

  /** Where it stopped, behind the records asked about. */
  after(error: object): number {
    const lines = "lines" in error && typeof error.lines === "number" ? error.lines : 1;
    return lines - this.#tooMany;
  }
}
