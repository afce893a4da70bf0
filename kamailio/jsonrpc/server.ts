import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import type { JsonObject } from "./codec.ts";
import { CodecError, decodeCall } from "./codec.ts";
import { DEFAULT_MAX_FRAME_BYTES, encodeFrame, FrameReader, FramingError } from "./netstring.ts";

/** One connection of a Kamailio; `id` is dense from 1 within this server. */
export interface NotificationConnection {
  readonly id: number;
  /** `address:port` of the peer. */
  readonly remote: string;
  /** Ends the connection, for a peer that turns out to be a stranger. */
  close(): void;
}

export interface NotificationServerOptions {
  readonly host: string;
  /** 0 takes a free one; see `listen`. */
  readonly port: number;
  /** Connections beyond are closed at once and reported. Default 64. */
  readonly maxConnections?: number;
  /** Default 262,144. */
  readonly maxFrameBytes?: number;
  /** Must not throw; long work belongs behind it. */
  readonly onNotification: (method: string, params: JsonObject, connection: NotificationConnection) => void;
  /** A peer has connected, or a connection has ended. Must not throw. */
  readonly onChange?: () => void;
  /** A peer broke the protocol (its connection is closed) or came in vain; for counting. */
  readonly onProtocolError: (reason: string, remote: string) => void;
}

// janssonrpcc leaves Nagle's algorithm on: unless something is written back, the peer's delayed acknowledgement
// holds the next notification for 40 ms. An answer to a request nobody made is ignored there.
const ACKNOWLEDGEMENT = encodeFrame('{"jsonrpc":"2.0","id":0,"result":0}');
// A peer that does not read its acknowledgements is not Kamailio.
const MAX_UNREAD_BYTES = 1_048_576;

/** Takes janssonrpcc notifications over TCP, any number of connections, one after the other within each. */
export class NotificationServer {
  readonly #options: NotificationServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #nextId = 1;

  constructor(options: NotificationServerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#accept(socket));
    this.#server.on("error", () => undefined);
  }

  /** @returns the port listened on. @throws the error of the operating system, EADDRINUSE for instance */
  async listen(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#options.port, this.#options.host, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    // A TCP server's address is never a string (that is a pipe's) and not null while it listens.
    return (this.#server.address() as AddressInfo).port;
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Ends every connection and goes on listening: janssonrpcc connects again three seconds later. */
  disconnectAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Stops listening and ends every connection; safe to call twice. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.disconnectAll();
    await closed;
  }

  #accept(socket: Socket): void {
    const remote = `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`;
    socket.on("error", () => socket.destroy());
    if (this.#sockets.size >= (this.#options.maxConnections ?? 64)) {
      socket.destroy();
      this.#options.onProtocolError("too-many-connections", remote);
      return;
    }
    this.#sockets.add(socket);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#options.onChange?.();
    });
    const reader = new FrameReader(this.#options.maxFrameBytes ?? DEFAULT_MAX_FRAME_BYTES);
    const connection = { id: this.#nextId++, remote, close: () => void socket.destroy() };
    socket.on("data", (chunk) => this.#receive(chunk, reader, socket, connection));
    this.#options.onChange?.();
  }

  #receive(chunk: Buffer, reader: FrameReader, socket: Socket, connection: NotificationConnection): void {
    try {
      const frames = reader.push(chunk);
      if (socket.writableLength > MAX_UNREAD_BYTES) throw new CodecError("answers are not read");
      socket.write(ACKNOWLEDGEMENT);
      for (const frame of frames) {
        if (socket.destroyed) return;
        const call = decodeCall(frame.toString("utf8"));
        if (call.kind === "request") throw new CodecError("request where a notification is due");
        this.#options.onNotification(call.method, call.params, connection);
      }
    } catch (error) {
      if (!(error instanceof FramingError) && !(error instanceof CodecError)) throw error;
      socket.destroy();
      this.#options.onProtocolError(error.message, connection.remote);
    }
  }
}
