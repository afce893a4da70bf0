import { ClientError } from "./client-error.ts";

/** Name as written on the wire, and value without surrounding blanks. Text is a byte string (latin1). */
export type SipHeader = readonly [name: string, value: string];

export interface SipRequest {
  readonly kind: "request";
  readonly method: string;
  readonly uri: string;
  readonly headers: readonly SipHeader[];
  readonly body: Buffer;
}

export interface SipResponse {
  readonly kind: "response";
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly SipHeader[];
  readonly body: Buffer;
}

export type SipMessage = SipRequest | SipResponse;

const EMPTY = Buffer.alloc(0);

/** RFC 3261 §7.3.3: the compact forms that matter to us. */
const COMPACT: Readonly<Record<string, string>> = {
  v: "via",
  f: "from",
  t: "to",
  i: "call-id",
  m: "contact",
  l: "content-length",
  c: "content-type",
  k: "supported",
  o: "event",
};

/** RFC 3261 §7.3.1: header names compare without regard to case. The exact spelling is tried first: it is the usual one. */
export function isHeader(written: string, name: string): boolean {
  if (written === name) return true;
  const wanted = name.toLowerCase();
  const found = written.toLowerCase();
  return found === wanted || (found.length === 1 && COMPACT[found] === wanted);
}

/** First value of the header, or undefined. */
export function headerValue(message: Pick<SipMessage, "headers">, name: string): string | undefined {
  for (const header of message.headers) if (isHeader(header[0], name)) return header[1];
  return undefined;
}

/** All values of the header in order of appearance, one per header line (commas are not split). */
export function headerValues(message: Pick<SipMessage, "headers">, name: string): string[] {
  return message.headers.filter((header) => isHeader(header[0], name)).map((header) => header[1]);
}

/**
 * Parses start line and header lines. `head` is the byte string before the empty line, without it.
 * Folded lines (RFC 3261 §7.3.1) are joined with one blank.
 * @throws ClientError kind "syntax"
 */
export function parseSipMessage(head: string, body: Buffer = EMPTY): SipMessage {
  let end = head.indexOf("\r\n");
  if (end < 0) end = head.length;
  const start = head.slice(0, end);
  const headers: SipHeader[] = [];
  let at = end + 2;
  while (at < head.length) {
    let next = head.indexOf("\r\n", at);
    if (next < 0) next = head.length;
    const first = head.charCodeAt(at);
    if (first === 0x20 || first === 0x09) fold(headers, head.slice(at, next).trim());
    else {
      const colon = head.indexOf(":", at);
      if (colon < 0 || colon > next) throw new ClientError("syntax", "SIP header line without a colon");
      headers.push([head.slice(at, colon).trimEnd(), head.slice(colon + 1, next).trim()]);
    }
    at = next + 2;
  }
  return startLine(start, headers, body);
}

function fold(headers: SipHeader[], more: string): void {
  const last = headers.pop();
  if (!last) throw new ClientError("syntax", "SIP message begins with a folded line");
  headers.push([last[0], `${last[1]} ${more}`]);
}

function startLine(line: string, headers: readonly SipHeader[], body: Buffer): SipMessage {
  if (line.startsWith("SIP/2.0 ")) {
    const status = Number(line.slice(8, 11));
    if (!Number.isInteger(status) || status < 100 || status > 699) {
      throw new ClientError("syntax", "SIP status line without a status");
    }
    return { kind: "response", status, reason: line.slice(12), headers, body };
  }
  const first = line.indexOf(" ");
  const last = line.lastIndexOf(" ");
  if (first < 1 || last <= first || line.slice(last + 1) !== "SIP/2.0") {
    throw new ClientError("syntax", "SIP start line not understood");
  }
  return { kind: "request", method: line.slice(0, first), uri: line.slice(first + 1, last), headers, body };
}

/**
 * The message as bytes. Content-Length is appended unless the headers already have one
 * (so that a test can send a wrong one).
 */
export function encodeSipMessage(message: SipMessage): Buffer {
  let head =
    message.kind === "request"
      ? `${message.method} ${message.uri} SIP/2.0\r\n`
      : `SIP/2.0 ${message.status} ${message.reason}\r\n`;
  let sized = false;
  for (const [name, value] of message.headers) {
    head += `${name}: ${value}\r\n`;
    if (!sized && isHeader(name, "Content-Length")) sized = true;
  }
  if (!sized) head += `Content-Length: ${message.body.length}\r\n`;
  head += "\r\n";
  if (message.body.length === 0) return Buffer.from(head, "latin1");
  return Buffer.concat([Buffer.from(head, "latin1"), message.body]);
}

/** CSeq number and method. @throws ClientError kind "syntax" when the header is missing or malformed. */
export function readCseq(message: Pick<SipMessage, "headers">): { number: number; method: string } {
  const value = headerValue(message, "CSeq") ?? "";
  const blank = value.search(/[ \t]/);
  const number = Number(value.slice(0, blank));
  if (blank < 1 || !Number.isInteger(number)) throw new ClientError("syntax", "CSeq not understood");
  return { number, method: value.slice(blank + 1).trim() };
}
