import { ClientError } from "./client-error.ts";
import { parseDatagram, SipFramer } from "./sip-framer.ts";
import {
  encodeSipMessage,
  headerValue,
  isHeader,
  readCseq,
  type SipHeader,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from "./sip-message.ts";
import { openPipe, type SipPipe, type TransportOptions } from "./sip-transport.ts";

/** What went over one connection so far. */
export interface ConnectionCounts {
  requestsSent: number;
  requestsReceived: number;
  responsesReceived: number;
  /** 401 and 407 among them. */
  challenges: number;
  /** Responses that no request waits for: repeated, late or invented. */
  strayResponses: number;
  bytesReceived: number;
}

export interface ConnectionEvents {
  /** Every incoming request, in order of arrival. The handler answers with `answer` (or not at all). */
  onRequest(request: SipRequest): void;
  /** Once; `reason` is "" for an orderly end. `broken`: the peer sent something that is not SIP. */
  onClose?(reason: string, broken: boolean): void;
}

export interface RequestOptions {
  /** Until the final response. Default 5000. */
  readonly timeoutMs?: number;
  /** 1xx responses other than 100. */
  readonly onProvisional?: (response: SipResponse) => void;
}

/** What an answer carries besides the copied headers. */
export interface AnswerExtra {
  readonly headers?: readonly SipHeader[];
  readonly body?: Buffer;
  /** Added to a To that has no tag yet. */
  readonly toTag?: string;
}

interface Waiting {
  readonly settle: (response: SipResponse) => void;
  readonly fail: (error: ClientError) => void;
  readonly options: RequestOptions;
  readonly timer: NodeJS.Timeout;
  /** Datagrams only: sends the request again. */
  again?: NodeJS.Timeout | undefined;
}

/** RFC 3261 §17.1.1.1: T1 and T2, first and longest pause before a datagram without any answer is sent again. */
const RETRANSMIT_MS = { first: 500, longest: 4_000 };

/** Answers collected while one chunk is worked off leave in one write; above this they leave earlier. Characters. */
const FLUSH_AT = 32_768;

/**
 * One SIP connection of a client: requests find their responses, incoming requests go to a handler.
 * Responses are matched by branch, Call-ID and CSeq, so requests whose Via has no branch work, too.
 */
export class SipConnection {
  readonly counts: ConnectionCounts = {
    requestsSent: 0,
    requestsReceived: 0,
    responsesReceived: 0,
    challenges: 0,
    strayResponses: 0,
    bytesReceived: 0,
  };
  closed = false;
  private pipe: SipPipe | undefined;
  private readonly framer = new SipFramer((message) => this.receive(message));
  private readonly waiting = new Map<string, Waiting[]>();
  private readonly events: ConnectionEvents;
  private outbox = "";
  private reading = false;

  private constructor(events: ConnectionEvents) {
    this.events = events;
  }

  /** @throws ClientError kind "connect" */
  static async open(options: TransportOptions, events: ConnectionEvents): Promise<SipConnection> {
    const connection = new SipConnection(events);
    connection.pipe = await openPipe(options, {
      onBytes: (bytes) => connection.read(bytes),
      onClose: (reason) => connection.close(reason),
    });
    return connection;
  }

  get localAddress(): string {
    return this.pipe?.localAddress ?? "";
  }

  get localPort(): number {
    return this.pipe?.localPort ?? 0;
  }

  /**
   * Sends the request and resolves with its final response, whatever the status.
   * @throws ClientError kind "timeout" or "closed"
   */
  request(request: SipRequest, options: RequestOptions = {}): Promise<SipResponse> {
    if (this.closed) return Promise.reject(new ClientError("closed", "connection is closed"));
    const timeoutMs = options.timeoutMs ?? 5000;
    const key = transactionKey(request);
    this.counts.requestsSent += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.forget(key, waiting);
        reject(new ClientError("timeout", `${request.method}: no final response within ${timeoutMs} ms`));
      }, timeoutMs);
      const waiting: Waiting = { settle: resolve, fail: reject, options, timer };
      const line = this.waiting.get(key);
      if (line) line.push(waiting);
      else this.waiting.set(key, [waiting]);
      const bytes = encodeSipMessage(request);
      this.write(bytes);
      if (this.pipe?.stream === false) this.sendAgain(waiting, bytes, RETRANSMIT_MS.first);
    });
  }

  private sendAgain(waiting: Waiting, bytes: Buffer, afterMs: number): void {
    waiting.again = setTimeout(() => {
      this.write(bytes);
      this.sendAgain(waiting, bytes, Math.min(afterMs * 2, RETRANSMIT_MS.longest));
    }, afterMs);
  }

  /** Sends a request that has no response (ACK), or bytes as they are. */
  send(message: SipRequest | Buffer): void {
    if (this.closed) return;
    this.write(Buffer.isBuffer(message) ? message : encodeSipMessage(message));
  }

  /** Answers an incoming request: Via, From, To, Call-ID and CSeq are copied (RFC 3261 §8.2.6.2). */
  answer(request: SipRequest, status: number, reason: string, extra: AnswerExtra = {}): void {
    let text = `SIP/2.0 ${status} ${reason}\r\n`;
    for (const [name, value] of request.headers) {
      if (!isCopied(name)) continue;
      const tagged = extra.toTag !== undefined && isHeader(name, "To") && !/;\s*tag=/i.test(value);
      text += tagged ? `${name}: ${value};tag=${extra.toTag}\r\n` : `${name}: ${value}\r\n`;
    }
    for (const [name, value] of extra.headers ?? []) text += `${name}: ${value}\r\n`;
    text += `Content-Length: ${extra.body?.length ?? 0}\r\n\r\n`;
    if (extra.body && extra.body.length > 0) text += extra.body.toString("latin1");
    if (!this.reading) this.pipe?.write(text);
    else {
      this.outbox += text;
      if (this.outbox.length > FLUSH_AT || !this.pipe?.stream) this.flush();
    }
  }

  /** Two empty lines: SIP's keep-alive over streams (RFC 5626 §3.5.1). */
  keepAlive(): void {
    if (!this.closed) this.write(Buffer.from("\r\n\r\n"));
  }

  /** Leaves everything in the kernel's buffers: the peer sees a client that never reads. */
  pauseReading(): void {
    this.pipe?.pause();
  }

  resumeReading(): void {
    this.pipe?.resume();
  }

  /** Closes after what is queued has been sent. */
  end(): void {
    this.pipe?.end();
  }

  /** Closes at once. */
  destroy(): void {
    this.pipe?.destroy();
    this.close("");
  }

  private write(bytes: Buffer): void {
    this.flush();
    this.pipe?.write(bytes);
  }

  private flush(): void {
    if (this.outbox === "") return;
    const text = this.outbox;
    this.outbox = "";
    this.pipe?.write(text);
  }

  private read(bytes: Buffer): void {
    this.counts.bytesReceived += bytes.length;
    this.reading = true;
    try {
      if (this.pipe?.stream !== false) this.framer.push(bytes);
      else {
        const message = parseDatagram(bytes);
        if (message) this.receive(message);
      }
    } catch (error) {
      // The peer broke the framing: the rest of the stream means nothing.
      this.pipe?.destroy();
      this.close(error instanceof Error ? error.message : String(error), true);
    } finally {
      this.reading = false;
      this.flush();
    }
  }

  private receive(message: SipMessage): void {
    if (message.kind === "request") {
      this.counts.requestsReceived += 1;
      this.events.onRequest(message);
      return;
    }
    this.counts.responsesReceived += 1;
    const key = transactionKey(message);
    const first = this.waiting.get(key)?.[0];
    clearTimeout(first?.again);
    if (message.status === 401 || message.status === 407) this.counts.challenges += 1;
    if (!first) {
      this.counts.strayResponses += 1;
    } else if (message.status < 200) {
      if (message.status > 100) first.options.onProvisional?.(message);
    } else {
      this.forget(key, first);
      first.settle(message);
    }
  }

  private forget(key: string, waiting: Waiting): void {
    clearTimeout(waiting.timer);
    clearTimeout(waiting.again);
    const line = this.waiting.get(key);
    if (!line) return;
    if (line.length === 1) this.waiting.delete(key);
    else line.splice(line.indexOf(waiting), 1);
  }

  private close(reason: string, broken = false): void {
    if (this.closed) return;
    this.closed = true;
    for (const line of this.waiting.values()) {
      for (const { fail, timer, again } of line) {
        clearTimeout(timer);
        clearTimeout(again);
        fail(
          new ClientError(
            "closed",
            `connection closed while waiting for a response${reason && `: ${reason}`}`,
          ),
        );
      }
    }
    this.waiting.clear();
    this.events.onClose?.(reason, broken);
  }
}

const COPIED = new Set(["via", "v", "from", "f", "to", "t", "call-id", "i", "cseq"]);

/** The usual spelling first: this runs for every header of every received INFO. */
function isCopied(name: string): boolean {
  switch (name) {
    case "Via":
    case "From":
    case "To":
    case "Call-ID":
    case "CSeq":
      return true;
    default:
      return name.length <= 7 && COPIED.has(name.toLowerCase());
  }
}

/** RFC 3261 §17.1.3 by branch; RFC 2543 clients are told apart by Call-ID and CSeq. */
function transactionKey(message: SipMessage): string {
  const via = headerValue(message, "Via") ?? "";
  const branch = /;\s*branch=([^;,\s]+)/i.exec(via)?.[1] ?? "";
  const { number, method } = readCseq(message);
  return `${branch}|${headerValue(message, "Call-ID") ?? ""}|${number}|${method}`;
}
