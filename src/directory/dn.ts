/** Longer ones are no name of an entry here; they would only cost memory. */
const MOST_CHARACTERS = 2_000;

/**
 * A distinguished name in one spelling (RFC 4514), to tell whether two texts name the same entry: case, blanks around
 * separators and the way of escaping make no difference. Undefined for what is no such name.
 *
 * DEVIATION(RFC 4514 §4): every attribute's values are compared without regard to case and to the number of blanks in a row, as
 * those that name entries are in practice; the order of several attributes in one part does not count.
 */
export function comparableDn(dn: string): string | undefined {
  if (dn.length > MOST_CHARACTERS) return undefined;
  const parts: string[] = [];
  for (const part of splitAt(dn, ",")) {
    const pairs: string[] = [];
    for (const pair of splitAt(part, "+")) {
      const equals = pair.indexOf("=");
      const type = pair.slice(0, Math.max(equals, 0)).trim().toLowerCase();
      if (!/^(?:[a-z][a-z0-9-]*|\d+(?:\.\d+)*)$/.test(type)) return undefined;
      const value = unescaped(trimmed(pair.slice(equals + 1)));
      if (value === undefined) return undefined;
      pairs.push(`${type}=${JSON.stringify(value.replace(/ +/g, " ").toLowerCase())}`);
    }
    parts.push(pairs.sort().join("+"));
  }
  return parts.join(",");
}

/** At separators that are not escaped. */
function splitAt(text: string, separator: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === separator) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}

/** Without blanks around it, but for an escaped one at the end. */
function trimmed(value: string): string {
  const start = value.trimStart();
  const end = start.trimEnd();
  const escapes = /\\*$/.exec(end)?.[0].length ?? 0;
  return escapes % 2 === 1 && end.length < start.length ? `${end} ` : end;
}

/** Undefined for broken escapes and for bytes that are no UTF-8. */
function unescaped(value: string): string | undefined {
  if (!value.includes("\\")) return value;
  const bytes: Buffer[] = [];
  for (let at = 0; at < value.length; ) {
    if (value[at] !== "\\") {
      const end = value.indexOf("\\", at);
      bytes.push(Buffer.from(value.slice(at, end < 0 ? undefined : end), "utf8"));
      at = end < 0 ? value.length : end;
      continue;
    }
    const hex = /^[0-9a-fA-F]{2}/.exec(value.slice(at + 1, at + 3))?.[0];
    const character = value[at + 1];
    if (hex !== undefined) bytes.push(Buffer.from(hex, "hex"));
    else if (character !== undefined) bytes.push(Buffer.from(character, "utf8"));
    else return undefined;
    at += hex === undefined ? 2 : 3;
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(bytes));
  } catch {
    return undefined;
  }
}
