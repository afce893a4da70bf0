/** A name-addr or addr-spec header value (RFC 3261 §20.10) taken apart. */
export interface SipAddress {
  /** Between the angle brackets, with its own parameters. */
  readonly uri: string;
  /** Header parameters (after the bracket): names lower case, values unquoted. */
  readonly params: ReadonlyMap<string, string>;
}

/** Reads From, To, Contact, Route values (one address). Without brackets parameters belong to the header. */
export function parseAddress(value: string): SipAddress {
  const open = value.startsWith('"') ? value.indexOf("<", closingQuote(value)) : value.indexOf("<");
  if (open < 0) {
    const semicolon = value.indexOf(";");
    if (semicolon < 0) return { uri: value.trim(), params: new Map() };
    return { uri: value.slice(0, semicolon).trim(), params: parseParams(value.slice(semicolon + 1)) };
  }
  const close = value.indexOf(">", open);
  const uri = value.slice(open + 1, close < 0 ? undefined : close);
  const semicolon = close < 0 ? -1 : value.indexOf(";", close);
  return { uri, params: semicolon < 0 ? new Map() : parseParams(value.slice(semicolon + 1)) };
}

function closingQuote(value: string): number {
  for (let at = 1; at < value.length; at += 1) {
    if (value[at] === "\\") at += 1;
    else if (value[at] === '"') return at;
  }
  return 0;
}

/** `a=1;b="x;y";lr` → map. Quoted values may hold separators. */
export function parseParams(text: string, separator = ";"): Map<string, string> {
  const params = new Map<string, string>();
  for (const part of splitOutsideQuotes(text, separator)) {
    const equals = part.indexOf("=");
    const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
    if (name === "") continue;
    const raw = equals < 0 ? "" : part.slice(equals + 1).trim();
    params.set(name, raw.startsWith('"') ? raw.slice(1, -1).replace(/\\(.)/g, "$1") : raw);
  }
  return params;
}

/** Splits at the separator, but not inside quotes or angle brackets (several Routes on one line). */
export function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let quoted = false;
  let angle = 0;
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (quoted && char === "\\") at += 1;
    else if (char === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (char === "<") angle += 1;
    else if (char === ">") angle -= 1;
    else if (char === separator && angle === 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}

/** The tag of a From or To value, or "". Cheap: every received INFO comes through here. */
export function tagOf(value: string): string {
  const close = value.lastIndexOf(">");
  const at = value.indexOf(";tag=", Math.max(close, 0));
  if (at < 0) return parseAddress(value).params.get("tag") ?? "";
  const end = value.indexOf(";", at + 5);
  return value.slice(at + 5, end < 0 ? undefined : end).trim();
}

/** Domain of a `sip:user@domain` address. */
export function domainOf(address: string): string {
  const at = address.indexOf("@");
  return address.slice(at + 1).replace(/[:;>?].*$/, "");
}

/** User part of a `sip:user@domain` address. */
export function userOf(address: string): string {
  return address.replace(/^sips?:/i, "").replace(/@.*$/, "");
}

/** IPv6 literals need brackets in Via, Contact and URIs. */
export function hostText(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}
