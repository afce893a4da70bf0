import { createHash } from "node:crypto";
import { escape as escapeValue } from "mysql2";

/** A text literal. Right under the session's sql_mode only: neither NO_BACKSLASH_ESCAPES nor ANSI_QUOTES. */
export function text(value: string | null): string {
  return value === null ? "NULL" : escapeValue(value);
}

/**
 * A literal of JSON as JSON.stringify writes it: it holds no control characters, so that only quote and backslash could end
 * the literal or change it. Many times cheaper than looking at each of its double quotes.
 */
export function json(value: string): string {
  return `'${value.replace(/[\\']/g, "\\$&")}'`;
}

/** @throws {RangeError} for NaN, fractions and what a double cannot hold: they would become SQL words or other numbers */
export function int(value: number): string {
  if (!Number.isSafeInteger(value)) throw new RangeError("Not a whole number");
  return `${value}`;
}

/** Hex digits as a binary literal. @throws {RangeError} */
export function bytes(hex: string): string {
  if (!/^(?:[0-9a-f]{2})+$/.test(hex)) throw new RangeError("Not hex digits");
  return `X'${hex}'`;
}

/** What stands for an endpoint in keys: the epid, or the remote target of a client that has none. 32 hex digits. */
export function endpointKey(epidOrTarget: string): string {
  return createHash("sha256").update(epidOrTarget).digest("hex").slice(0, 32);
}

/** Text of a statement over many rows, split so that no packet comes near the server's limit (16 MiB by default). */
export function insertRows(head: string, rows: readonly string[], tail = ""): string[] {
  const statements: string[] = [];
  let from = 0;
  let length = 0;
  rows.forEach((row, index) => {
    if (length > 0 && length + row.length > MAX_STATEMENT_CHARS) {
      statements.push(`${head} VALUES ${rows.slice(from, index).join(",")}${tail}`);
      from = index;
      length = 0;
    }
    length += row.length;
  });
  if (rows.length > from) statements.push(`${head} VALUES ${rows.slice(from).join(",")}${tail}`);
  return statements;
}

/** Characters: at most three bytes each in UTF-8, so 3 MiB. */
export const MAX_STATEMENT_CHARS = 1_000_000;

/**
 * MariaDB makes a table of a list of 1,000 and more (in_predicate_conversion_threshold), and may then lock every row there is, in any
 * order.
 */
const MAX_LISTED = 900;

/** What stands between the parentheses of `id IN (…)`, in rising order; several lists when there are very many. */
export function idLists(ids: Iterable<number>): string[] {
  const sorted = [...ids].sort((a, b) => a - b).map(int);
  const lists: string[] = [];
  for (let at = 0; at < sorted.length; at += MAX_LISTED)
    lists.push(sorted.slice(at, at + MAX_LISTED).join(","));
  return lists;
}
