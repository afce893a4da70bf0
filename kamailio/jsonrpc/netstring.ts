/** Netstrings (`<length>:<bytes>,`), the framing of Kamailio's janssonrpcc module. */

/** The peer does not speak netstrings; what follows on the connection cannot be understood any more. */
export class FramingError extends Error {
  readonly reason: "frame-too-long" | "bad-length" | "missing-comma";

  constructor(reason: FramingError["reason"]) {
    super(`netstring: ${reason}`);
    this.name = "FramingError";
    this.reason = reason;
  }
}

export const DEFAULT_MAX_FRAME_BYTES = 262_144;

const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const COMMA = 0x2c;

/** `payload` as one frame. */
export function encodeFrame(payload: string | Buffer): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  return Buffer.concat([Buffer.from(`${bytes.length}:`), bytes, Buffer.from(",")]);
}

/**
 * Takes a byte stream in pieces of any size and gives back complete frames. Time is linear in the bytes
 * received whatever the pieces are: a piece is looked at once and copied at most once, and memory is bounded by
 * `maxFrameBytes`.
 */
export class FrameReader {
  readonly #maxFrameBytes: number;
  readonly #maxDigits: number;
  #length = 0;
  #digits = 0;
  /** Payload being filled; undefined while the length is read. */
  #payload: Buffer | undefined;
  #filled = 0;
  #failure: FramingError | undefined;

  constructor(maxFrameBytes: number = DEFAULT_MAX_FRAME_BYTES) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#maxDigits = String(maxFrameBytes).length;
  }

  /**
   * Adds a piece of the stream. A returned frame is a view into `chunk` when it lay in it completely.
   * @returns the frames completed by it, in order
   * @throws FramingError when the stream is broken; every later call throws the same. Frames before the break
   *   in the same piece are lost with it: the connection ends anyway.
   */
  push(chunk: Buffer): Buffer[] {
    if (this.#failure !== undefined) throw this.#failure;
    const frames: Buffer[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#payload !== undefined) at = this.#fill(this.#payload, chunk, at, frames);
      else at = this.#readLength(chunk, at, frames);
    }
    return frames;
  }

  #readLength(chunk: Buffer, start: number, frames: Buffer[]): number {
    let at = start;
    while (at < chunk.length) {
      const byte = chunk[at] ?? 0;
      at += 1;
      if (byte >= ZERO && byte <= NINE) {
        // No leading zeros, so that a length has one spelling and a bounded one.
        if (this.#digits > 0 && this.#length === 0) throw this.#fail("bad-length");
        this.#digits += 1;
        this.#length = this.#length * 10 + (byte - ZERO);
        if (this.#digits > this.#maxDigits || this.#length > this.#maxFrameBytes)
          throw this.#fail("frame-too-long");
      } else if (byte === COLON && this.#digits > 0) {
        return this.#beginPayload(chunk, at, frames);
      } else {
        throw this.#fail("bad-length");
      }
    }
    return at;
  }

  #beginPayload(chunk: Buffer, at: number, frames: Buffer[]): number {
    const end = at + this.#length;
    if (end < chunk.length) {
      if (chunk[end] !== COMMA) throw this.#fail("missing-comma");
      frames.push(chunk.subarray(at, end));
      this.#reset();
      return end + 1;
    }
    this.#payload = Buffer.allocUnsafe(this.#length);
    this.#filled = 0;
    return at;
  }

  #fill(payload: Buffer, chunk: Buffer, at: number, frames: Buffer[]): number {
    const copied = chunk.copy(payload, this.#filled, at, at + this.#length - this.#filled);
    this.#filled += copied;
    const next = at + copied;
    if (next >= chunk.length) return next;
    if (chunk[next] !== COMMA) throw this.#fail("missing-comma");
    frames.push(payload);
    this.#reset();
    return next + 1;
  }

  #reset(): void {
    this.#payload = undefined;
    this.#length = 0;
    this.#digits = 0;
  }

  #fail(reason: FramingError["reason"]): FramingError {
    this.#failure = new FramingError(reason);
    this.#payload = undefined;
    return this.#failure;
  }
}
