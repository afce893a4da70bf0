import { ClientError } from "./client-error.ts";
import { headerValue, parseSipMessage, type SipMessage } from "./sip-message.ts";

/** Bytes. A head longer than this is not SIP. */
const MAX_HEAD_BYTES = 65_536;
/** Bytes. History replies reach a few hundred kB; the limit only stops a wrong Content-Length from eating memory. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/**
 * Cuts a byte stream into SIP messages by Content-Length (RFC 3261 §18.3). Empty lines between messages
 * (keep-alives) are skipped. Chunks are joined only when a message is complete, so a large body costs one copy.
 */
export class SipFramer {
  private parts: Buffer[] = [];
  private partsBytes = 0;
  /** The message whose body is still on its way, and how many body bytes it needs. */
  private open: { message: SipMessage; bodyBytes: number } | undefined;
  private readonly deliver: (message: SipMessage) => void;

  constructor(deliver: (message: SipMessage) => void) {
    this.deliver = deliver;
  }

  /** Bytes received that do not make a whole message yet. */
  get waitingBytes(): number {
    return this.partsBytes;
  }

  /**
   * Takes the next bytes and delivers every message they complete.
   * @throws ClientError kind "syntax": the stream cannot be followed any more and must be closed.
   */
  push(chunk: Buffer): void {
    if (this.partsBytes > 0) {
      this.parts.push(chunk);
      this.partsBytes += chunk.length;
      if (this.open && this.partsBytes < this.open.bodyBytes) return;
      chunk = Buffer.concat(this.parts, this.partsBytes);
    }
    const rest = this.consume(chunk);
    if (rest.length === 0) {
      if (this.parts.length > 0) this.parts = [];
      this.partsBytes = 0;
    } else {
      this.parts = [rest];
      this.partsBytes = rest.length;
    }
  }

  private consume(bytes: Buffer): Buffer {
    let at = 0;
    while (at < bytes.length) {
      if (!this.open) {
        const byte = bytes[at];
        if (byte === 0x0d || byte === 0x0a) {
          at += 1;
          continue;
        }
        const end = bytes.indexOf("\r\n\r\n", at, "latin1");
        if (end < 0) {
          if (bytes.length - at > MAX_HEAD_BYTES) throw new ClientError("syntax", "SIP head without an end");
          break;
        }
        const message = parseSipMessage(bytes.toString("latin1", at, end));
        this.open = { message, bodyBytes: contentLength(message) };
        at = end + 4;
      }
      const { message, bodyBytes } = this.open;
      if (bytes.length - at < bodyBytes) break;
      this.open = undefined;
      this.deliver(bodyBytes === 0 ? message : { ...message, body: bytes.subarray(at, at + bodyBytes) });
      at += bodyBytes;
    }
    return at === 0 ? bytes : bytes.subarray(at);
  }
}

/** RFC 3261 §20.14: over a stream the header is mandatory. */
function contentLength(message: SipMessage): number {
  const value = headerValue(message, "Content-Length");
  if (value === undefined) throw new ClientError("syntax", "SIP message without Content-Length on a stream");
  if (!/^\d{1,9}$/.test(value)) throw new ClientError("syntax", "Content-Length is not a number");
  const bytes = Number(value);
  if (bytes > MAX_BODY_BYTES) throw new ClientError("syntax", "Content-Length too large");
  return bytes;
}

/**
 * One datagram = one message (RFC 3261 §18.3): Content-Length may be missing or smaller than the rest.
 * @throws ClientError kind "syntax"
 */
export function parseDatagram(bytes: Buffer): SipMessage | undefined {
  const end = bytes.indexOf("\r\n\r\n", 0, "latin1");
  if (end < 0) {
    // Keep-alives are datagrams of a few blanks or zero bytes.
    if (bytes.length <= 4) return undefined;
    throw new ClientError("syntax", "datagram without the end of a SIP head");
  }
  const message = parseSipMessage(bytes.toString("latin1", 0, end));
  const rest = bytes.subarray(end + 4);
  const value = headerValue(message, "Content-Length");
  const size = value === undefined ? rest.length : Number(value);
  if (!Number.isInteger(size) || size > rest.length) throw new ClientError("syntax", "datagram cut short");
  return { ...message, body: rest.subarray(0, size) };
}
