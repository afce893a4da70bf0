/** Text and byte work of the lean client: everything on the path of a copy is a search in one string. */

/** Value of a header in a head that is followed by an empty line; "" when it is not there. Names as our servers write them. */
export function headerIn(text: string, from: number, end: number, name: string): string {
  const at = text.indexOf(`\r\n${name}: `, from);
  if (at < 0 || at >= end) return "";
  const start = at + name.length + 4;
  return text.slice(start, text.indexOf("\r\n", start));
}

/** Everything that may come in one piece; `end` is behind the body. */
export interface Framed {
  readonly headEnd: number;
  readonly end: number;
}

/** The message that begins at `from`; undefined when it is not complete yet. @throws Error when it is none */
export function frameAt(text: string, from: number): Framed | undefined {
  const headEnd = text.indexOf("\r\n\r\n", from);
  if (headEnd < 0) return undefined;
  const at = text.indexOf("\r\nContent-Length: ", from);
  if (at < 0 || at > headEnd) throw new Error("a SIP message without Content-Length");
  const end = headEnd + 4 + Number(text.slice(at + 18, text.indexOf("\r\n", at + 18)));
  return end > text.length ? undefined : { headEnd, end };
}

/** Value of an attribute in a tag that our server wrote: double quotes. */
export function attributeIn(text: string, from: number, name: string): string {
  const at = text.indexOf(` ${name}="`, from);
  if (at < 0) return "";
  const start = at + name.length + 3;
  return text.slice(start, text.indexOf('"', start));
}

/** The two halves of "ma-chan://domain/value" as join and bjoin name a room. */
export function chanid(uri: string, key: number): string {
  const slash = uri.lastIndexOf("/");
  return `<chanid key="${key}" domain="${uri.slice("ma-chan://".length, slash)}" value="${uri.slice(slash + 1)}"/>`;
}

/** A text that holds when it was sent (milliseconds, monotonic) and fills up to `length` characters. */
export function timedText(sentAtMs: number, length: number): string {
  return `at=${sentAtMs.toFixed(3).padStart(14, "0")} `.padEnd(
    length,
    "the quick brown fox jumps over the lazy dog ",
  );
}

/** When a text of `timedText` was sent; NaN when it is none. */
export function sentAt(text: string, from: number): number {
  const at = text.indexOf("at=", from);
  return at < 0 ? Number.NaN : Number(text.slice(at + 3, at + 17));
}
