import { decodedFile } from "./decoded.ts";
import type { Cell, Row } from "./row.ts";
import { TABLES, type Table } from "./schema.ts";
import { MORE, SqlText } from "./sql-text.ts";

/** Characters of one row of values. */
const MOST_CHARACTERS = 64_000_000;
const NAMES = new Map(Object.keys(TABLES).map((name) => [name.toLowerCase(), name as Table])); // its own keys

/**
 * Rows of the tables from a script of INSERT statements, as SQL Server's tools write it: `N'…'`, `0x…`, CAST and CONVERT of these, + and CHAR(13),
 * several rows behind one VALUES, comments, GO, and statements of other kinds, which are passed over.
 * @throws {TransferError} with the line
 */
export async function* sqlRows(path: string): AsyncGenerator<Row> {
  const script = new Script(path);
  for await (const text of decodedFile(path)) {
    script.add(text);
    yield* script.rows(false);
  }
  yield* script.rows(true);
}

class Script extends SqlText {
  /** Length below which it is no use to look again. */
  #wanted = 0;
  #insert: { readonly table: Table | undefined; readonly columns: readonly string[] } | undefined;
  /** In the text of a procedure: its INSERTs insert nothing here. */
  #isBody = false;

  /** What is whole so far. */
  *rows(isEnd: boolean): Generator<Row> {
    this.isEnd = isEnd;
    if (!isEnd && this.text.length < this.#wanted) return;
    for (;;) {
      const from = this.at;
      try {
        this.trivia();
        if (this.at >= this.text.length) break;
        const row = this.#insert ? this.#values(this.#insert) : this.#between();
        this.pass(from);
        if (row) yield row;
      } catch (error) {
        if (error !== MORE) throw error;
        this.at = from;
        if (isEnd) throw this.wrong("the script ends in the middle of a statement");
        if (this.text.length - from > MOST_CHARACTERS) throw this.wrong("a statement is too long");
        break;
      }
    }
    this.text = this.text.slice(this.at);
    this.at = 0;
    // Long values are not looked at anew with each little piece.
    this.#wanted = this.text.length * 2;
  }

  #between(): undefined {
    if (this.match(/GO(?![\w@#$])/iy) !== undefined) this.#isBody = false;
    else if (
      this.match(/(CREATE|ALTER)\s+(OR\s+ALTER\s+)?(PROC|PROCEDURE|TRIGGER|FUNCTION|VIEW)\s/iy) !== undefined
    )
      this.#isBody = true;
    const insert = this.#isBody ? undefined : this.match(/INSERT(?![\w@#$])/iy);
    if (insert === undefined) return this.#skipToken();
    this.trivia();
    if (this.match(/INTO(?![\w@#$])/iy) !== undefined) this.trivia();
    const table = NAMES.get(this.name().toLowerCase());
    this.trivia();
    const columns: string[] = [];
    if (this.peek("("))
      do {
        this.at += 1;
        this.trivia();
        columns.push(this.name().toLowerCase());
        this.trivia();
      } while (this.peek(","));
    if (columns.length > 0) this.expect(")");
    this.trivia();
    if (this.match(/VALUES(?![\w@#$])/iy) === undefined) {
      if (table) throw this.wrong(`only INSERT … VALUES is understood for ${table}`);
      return undefined;
    }
    this.#insert = {
      table,
      columns: columns.length > 0 || !table ? columns : TABLES[table].map((name) => name.toLowerCase()),
    };
    return undefined;
  }

  #values({
    table,
    columns,
  }: {
    readonly table: Table | undefined;
    readonly columns: readonly string[];
  }): Row | undefined {
    if (this.peek(",")) {
      this.at += 1;
      this.trivia();
    }
    if (!this.peek("(")) {
      this.#insert = undefined;
      return undefined;
    }
    const values: Cell[] = [];
    do {
      this.at += 1;
      this.trivia();
      values.push(this.#sum());
    } while (this.peek(","));
    this.expect(")");
    if (!table) return undefined;
    if (values.length !== columns.length)
      throw this.wrong(`${values.length} values for ${columns.length} columns of ${table}`);
    const cells = Object.fromEntries(columns.map((name, at) => [name, values[at] ?? null]));
    return { table, cells, where: `${this.path}, line ${this.line}` };
  }

  /** One value, or texts with + between them: long ones, and ends of lines as CHAR(13). */
  #sum(): Cell {
    let sum = this.#term();
    while (this.peek("+")) {
      this.at += 1;
      this.trivia();
      const next = this.#term();
      if (!sum.isText || !next.isText) throw this.wrong("only texts can stand beside +");
      sum = { isText: true, value: `${sum.value ?? ""}${next.value ?? ""}` };
    }
    return sum.value;
  }

  #term(): { readonly value: Cell; readonly isText: boolean } {
    const isText = /['NC]/i.test(this.text[this.at] ?? ""); // N'…', CHAR, CAST, CONVERT
    const value = this.#value();
    this.trivia();
    return { value, isText: isText && typeof value === "string" };
  }

  #value(): Cell {
    const char = this.text[this.at];
    if (char === undefined) throw MORE;
    if (char === "'" || ((char === "N" || char === "n") && this.charAfter() === "'")) return this.string();
    const bytes = this.match(/0x[0-9a-f]*/iy);
    if (bytes !== undefined) return Buffer.from(bytes.slice(2), "hex");
    const number = this.match(/[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?/iy);
    if (number !== undefined) return number;
    if (this.match(/NULL(?![\w@#$])/iy) !== undefined) return null;
    if (this.match(/CAST(?=\s*\()/iy) !== undefined) return this.#cast();
    if (this.match(/CONVERT(?=\s*\()/iy) !== undefined) return this.#convert();
    const character = this.match(/N?CHAR\s*\(\s*\d{1,5}\s*\)/iy);
    if (character !== undefined) return String.fromCharCode(Number(/\d+/.exec(character)?.[0]));
    if (!this.isEnd && this.text.length - this.at < 16) throw MORE;
    throw this.wrong(`this is no value: ${JSON.stringify(this.text.slice(this.at, this.at + 20))}`);
  }

  /** CAST(value AS type) */
  #cast(): Cell {
    this.trivia();
    this.expect("(");
    this.trivia();
    const value = this.#sum();
    if (this.match(/AS(?![\w@#$])/iy) === undefined) throw this.wrong("CAST without AS");
    this.trivia();
    this.#type();
    this.expect(")");
    return value;
  }

  /** CONVERT(type, value[, style]) */
  #convert(): Cell {
    this.trivia();
    this.expect("(");
    this.trivia();
    this.#type();
    this.expect(",");
    this.trivia();
    const value = this.#sum();
    if (this.peek(",")) {
      this.at += 1;
      this.trivia();
      this.#value();
      this.trivia();
    }
    this.expect(")");
    return value;
  }

  #type(): void {
    this.name();
    this.trivia();
    if (!this.peek("(")) return;
    const end = this.text.indexOf(")", this.at);
    if (end < 0) throw MORE;
    this.at = end + 1;
    this.trivia();
  }

  #skipToken(): undefined {
    const char = this.text[this.at];
    if (char === "'" || ((char === "N" || char === "n") && this.charAfter() === "'")) this.string();
    else if (this.match(/\[[^\]]*\]|"[^"]*"|[\w@#$]+/y) === undefined) {
      if (char === "[" || char === '"') throw MORE;
      this.at += 1;
    }
    return undefined;
  }
}
