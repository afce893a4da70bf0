import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { World } from "./world.ts";

const CALL_LIMIT_MS = 120_000;
const OPEN_LIMIT_MS = 10_000;

/** Speaks the Chrome DevTools protocol with a running node, over its inspector's WebSocket (RFC 6455) on loopback. */
export class Inspector {
  private readonly socket: Socket;
  private received: Buffer = Buffer.alloc(0);
  private text = "";
  private upgraded = false;
  private nextId = 1;
  private readonly calls = new Map<
    number,
    { resolve: (result: unknown) => void; reject: (error: Error) => void }
  >();
  private opened: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Wakes the inspector of a node of a world that is `inspectable`. */
  static async open(world: World, node: string): Promise<Inspector> {
    const find = () =>
      [...world.log(node).matchAll(/Debugger listening on ws:\/\/([\d.]+):(\d+)\/(\S+)/g)].at(-1);
    if (!find()) await world.stack.kill(node, "SIGUSR1");
    const deadline = performance.now() + OPEN_LIMIT_MS;
    while (!find() && performance.now() < deadline) await pause(50);
    const [, host, port, path] = find() ?? [];
    if (!host) throw new Error(`the inspector of ${node} does not open`);
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port: Number(port), noDelay: true });
      const inspector = new Inspector(socket);
      inspector.opened = () => resolve(inspector);
      socket.on("error", reject);
      socket.on("data", (bytes) => inspector.receive(bytes));
      socket.on("close", () => inspector.fail(new Error("the inspector closed the connection")));
      const key = randomBytes(16).toString("base64");
      socket.write(
        `GET /${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      );
    });
  }

  /** @returns the `result`, unchecked @throws Error with what the inspector said */
  call(method: string, params: object = {}): Promise<unknown> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method}: no answer`)), CALL_LIMIT_MS);
      this.calls.set(id, {
        resolve: (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.send(JSON.stringify({ id, method, params }));
    });
  }

  /** Heap and external memory after a forced collection, bytes. */
  async memoryBytes(): Promise<number> {
    // Twice: what only a finaliser keeps goes with the second one.
    for (let times = 0; times < 2; times++) await this.call("HeapProfiler.collectGarbage");
    const expression = "(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())";
    const answer = await this.call("Runtime.evaluate", { expression, returnByValue: true });
    const { result } = answer as { result: { value: number } }; // the shape of Runtime.evaluate
    return result.value;
  }

  close(): void {
    this.socket.destroy();
  }

  private receive(bytes: Buffer): void {
    this.received = Buffer.concat([this.received, bytes]);
    if (!this.upgraded) {
      const end = this.received.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.upgraded = true;
      this.received = this.received.subarray(end + 4);
      this.opened();
    }
    for (let frame = readFrame(this.received); frame; frame = readFrame(this.received)) {
      this.received = this.received.subarray(frame.end);
      this.text += frame.payload.toString("utf8");
      if (!frame.final) continue;
      const message: { id?: number; result?: unknown; error?: { message: string } } = JSON.parse(
        this.text || "{}",
      );
      this.text = "";
      const call = message.id === undefined ? undefined : this.calls.get(message.id);
      if (message.id === undefined || !call) continue;
      this.calls.delete(message.id);
      if (message.error) call.reject(new Error(message.error.message));
      else call.resolve(message.result);
    }
  }

  private fail(error: Error): void {
    for (const { reject } of this.calls.values()) reject(error);
    this.calls.clear();
  }

  /** RFC 6455 §5.2: one final text frame, masked as a client's must be (with zeros: it is loopback). */
  private send(text: string): void {
    const payload = Buffer.from(text);
    const long = payload.length > 125;
    const head = Buffer.alloc(long ? 14 : 6);
    head[0] = 0x81;
    if (long) {
      head[1] = 0x80 | 127;
      head.writeBigUInt64BE(BigInt(payload.length), 2);
    } else head[1] = 0x80 | payload.length;
    this.socket.write(Buffer.concat([head, payload]));
  }
}

/** A server's frame: not masked. Undefined when it is not complete. */
function readFrame(bytes: Buffer): { payload: Buffer; end: number; final: boolean } | undefined {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] ?? 0) & 0x7f;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start) return undefined;
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const end = start + length;
  if (bytes.length < end) return undefined;
  return { payload: bytes.subarray(start, end), end, final: ((bytes[0] ?? 0) & 0x80) !== 0 };
}
