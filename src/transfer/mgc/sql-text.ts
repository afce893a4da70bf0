import { TransferError } from "../transfer-error.ts";

/** What there is of the text ends before what is looked at does. */
export const MORE = Symbol("more");

/** The text of a script that comes in pieces, and where in it the reader is. What is not whole throws MORE while more may come. */
export class SqlText {
  protected readonly path: string;
  protected text = "";
  protected at = 0;
  protected line = 1;
  protected isEnd = false;

  constructor(path: string) {
    this.path = path;
  }

  add(text: string): void {
    this.text += text;
  }

  /** Counts the lines of what is done with. */
  protected pass(from: number): void {
    for (
      let at = this.text.indexOf("\n", from);
      at >= 0 && at < this.at;
      at = this.text.indexOf("\n", at + 1)
    )
      this.line += 1;
  }

  protected string(): string {
    const from = this.text.indexOf("'", this.at) + 1;
    for (let end = this.text.indexOf("'", from); ; end = this.text.indexOf("'", end + 2)) {
      if (end < 0 || (end + 1 >= this.text.length && !this.isEnd)) throw MORE;
      if (this.text[end + 1] === "'") continue;
      this.at = end + 1;
      return this.text.slice(from, end).replaceAll("''", "'");
    }
  }

  /** The last part of `[db].[dbo].[name]`, quoted or not. */
  protected name(): string {
    for (;;) {
      const quoted = this.match(/\[[^\]]*\]|"[^"]*"/y);
      const name = quoted?.slice(1, -1) ?? this.match(/[\w@#$]+/y);
      if (name === undefined) {
        if (this.text.length - this.at < 512) throw MORE;
        throw this.wrong("a name is missing");
      }
      if (!this.peek(".")) return name;
      this.at += 1;
    }
  }

  protected charAfter(): string {
    const char = this.text[this.at + 1];
    if (char === undefined && !this.isEnd) throw MORE;
    return char ?? "";
  }

  /** Blanks and comments; those in slashes may hold others. */
  protected trivia(): void {
    for (;;) {
      this.match(/[\s\uFEFF\0]+/y, true);
      if (this.text.startsWith("--", this.at)) {
        const end = this.text.indexOf("\n", this.at);
        if (end < 0 && !this.isEnd) throw MORE;
        this.at = end < 0 ? this.text.length : end + 1;
      } else if (this.text.startsWith("/*", this.at)) this.comment();
      else return;
    }
  }

  protected comment(): void {
    const edge = /\/\*|\*\//g;
    edge.lastIndex = this.at;
    for (let depth = 0; ; ) {
      const found = edge.exec(this.text);
      if (!found) throw MORE;
      depth += found[0] === "/*" ? 1 : -1;
      if (depth > 0) continue;
      this.at = edge.lastIndex;
      return;
    }
  }

  /** What matches here; it is not whole while more may follow. */
  protected match(pattern: RegExp, mayEnd = false): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) return undefined;
    if (!mayEnd && !this.isEnd && pattern.lastIndex >= this.text.length) throw MORE;
    this.at = pattern.lastIndex;
    return found;
  }

  protected peek(char: string): boolean {
    const next = this.text[this.at];
    if (next === undefined && !this.isEnd) throw MORE;
    return next === char;
  }

  protected expect(char: string): void {
    if (!this.peek(char))
      throw this.wrong(
        `"${char}" is missing before ${JSON.stringify(this.text.slice(this.at, this.at + 20))}`,
      );
    this.at += 1;
  }

  protected wrong(what: string): TransferError {
    return new TransferError(`${this.path}, line ${this.line}: ${what}`);
  }
}
