/** A SIP message as the stub sees it: header names in lower case, in order, repeated ones kept. */
export interface StubMessage {
  start: string;
  headers: [name: string, value: string][];
  body: string;
}

/** Value of the first header of that name, "" if there is none. */
export function header(message: StubMessage, name: string): string {
  return message.headers.find(([key]) => key === name.toLowerCase())?.[1] ?? "";
}

/** The tag parameter of a From or To value, "" if there is none. */
export function tagOf(value: string): string {
  return /;tag=([^;\s]+)/.exec(value)?.[1] ?? "";
}

/** The URI of a name-addr without parameters, in lower case. */
export function uriOf(value: string): string {
  return (/<([^>;]+)/.exec(value)?.[1] ?? value).toLowerCase();
}

/** Cuts a TCP stream into SIP messages (RFC 3261 §18.3): by Content-Length in bytes, leading line ends skipped. */
export class StubFramer {
  #rest: Buffer = Buffer.alloc(0);

  /** @throws Error when a message without end piles up. */
  push(chunk: Buffer): StubMessage[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.#rest.length > 1 << 20) throw new Error("the stub got more than it can hold");
    const messages: StubMessage[] = [];
    for (let next = this.#cut(); next !== undefined; next = this.#cut()) messages.push(next);
    return messages;
  }

  #cut(): StubMessage | undefined {
    let from = 0;
    while (this.#rest[from] === 0x0d || this.#rest[from] === 0x0a) from += 1;
    const blank = this.#rest.indexOf("\r\n\r\n", from);
    if (blank < 0) return undefined;
    const lines = this.#rest.toString("utf8", from, blank).split("\r\n");
    const headers = lines.slice(1).map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    });
    const message: StubMessage = { start: lines[0] ?? "", headers, body: "" };
    const end = blank + 4 + Number(header(message, "content-length") || 0);
    if (this.#rest.length < end) return undefined;
    message.body = this.#rest.toString("utf8", blank + 4, end);
    this.#rest = this.#rest.subarray(end);
    return message;
  }
}

/** The bytes of a message; Content-Length is added. */
export function writeMessage(start: string, headers: readonly string[], body = ""): string {
  return [start, ...headers, `Content-Length: ${Buffer.byteLength(body)}`, "", body].join("\r\n");
}
