/** Just enough HTTP/1.1 (RFC 9112) to read Kamailio's answers, which always carry Content-Length. */

export interface HttpResponse {
  readonly status: number;
  readonly body: string;
  /** The server will close the connection. */
  readonly close: boolean;
}

/** The answer is not understood or too long; the connection is of no use any more. */
export class HttpResponseError extends Error {
  constructor(reason: string) {
    super(`http: ${reason}`);
    this.name = "HttpResponseError";
  }
}

const HEAD_END = Buffer.from("\r\n\r\n");
const MAX_HEAD_BYTES = 16_384;

/** Reads one response after the other from pieces of any size, each of them bounded by `maxBodyBytes`. */
export class HttpResponseReader {
  readonly #maxBodyBytes: number;
  #head: Buffer = Buffer.alloc(0);
  #status = 0;
  #close = false;
  #body: Buffer | undefined;
  #filled = 0;

  constructor(maxBodyBytes: number) {
    this.#maxBodyBytes = maxBodyBytes;
  }

  /**
   * @returns the response that this piece completes
   * @throws HttpResponseError also when something follows the response: one request is outstanding at a time,
   *   so nothing may follow
   */
  push(chunk: Buffer): HttpResponse | undefined {
    let rest = chunk;
    if (this.#body === undefined) {
      // Bounded by MAX_HEAD_BYTES, so joining stays cheap whatever the pieces are.
      this.#head = Buffer.concat([this.#head, chunk]);
      const end = this.#head.indexOf(HEAD_END);
      if (end > MAX_HEAD_BYTES || (end === -1 && this.#head.length > MAX_HEAD_BYTES))
        throw new HttpResponseError("header too long");
      if (end === -1) return undefined;
      rest = this.#head.subarray(end + HEAD_END.length);
      this.#body = Buffer.allocUnsafe(this.#readHead(this.#head.toString("latin1", 0, end)));
      this.#head = Buffer.alloc(0);
      this.#filled = 0;
    }
    if (rest.length > this.#body.length - this.#filled) throw new HttpResponseError("unexpected bytes");
    this.#filled += rest.copy(this.#body, this.#filled);
    if (this.#filled < this.#body.length) return undefined;
    const response = { status: this.#status, body: this.#body.toString("utf8"), close: this.#close };
    this.#body = undefined;
    return response;
  }

  /** @returns the length of the body */
  #readHead(head: string): number {
    const [first = "", ...lines] = head.split("\r\n");
    const status = /^HTTP\/1\.[01] ([0-9]{3})(?: |$)/.exec(first);
    if (status === null) throw new HttpResponseError("not a response");
    this.#status = Number(status[1]);
    this.#close = false;
    let length: number | undefined;
    for (const line of lines) {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      if (name === "content-length" && /^[0-9]{1,10}$/.test(value)) length = Number(value);
      if (name === "transfer-encoding") throw new HttpResponseError("transfer coding");
      if (name === "connection" && value.toLowerCase() === "close") this.#close = true;
    }
    if (length === undefined) throw new HttpResponseError("no length");
    if (length > this.#maxBodyBytes) throw new HttpResponseError("body too long");
    return length;
  }
}
