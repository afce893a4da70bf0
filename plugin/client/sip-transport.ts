import { createSocket } from "node:dgram";
import { createConnection, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { ClientError } from "./client-error.ts";

export type SipTransport = "tcp" | "tls" | "udp";

export interface TransportOptions {
  readonly transport: SipTransport;
  readonly host: string;
  readonly port: number;
  /** TLS only: accept a certificate nobody vouches for. Default false. */
  readonly anyCertificate?: boolean;
  /** Local address to connect from; the system's choice when absent. */
  readonly localAddress?: string;
  /** Streams only: local port to connect from; any free one when absent. */
  readonly localPort?: number;
  /** Default 5000. */
  readonly connectTimeoutMs?: number;
}

/** What the bytes go through: one interface for a stream and for datagrams. */
export interface SipPipe {
  readonly stream: boolean;
  readonly localAddress: string;
  readonly localPort: number;
  write(bytes: Buffer | string): void;
  /** Stops or resumes reading from the network: a client that is alive but never reads. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once, without a word to the other side. */
  destroy(): void;
}

export interface PipeEvents {
  onBytes(bytes: Buffer): void;
  /** Once. `reason` is "" for an orderly end. */
  onClose(reason: string): void;
}

/** Opens the pipe. @throws ClientError kind "connect" */
export function openPipe(options: TransportOptions, events: PipeEvents): Promise<SipPipe> {
  return options.transport === "udp" ? openDatagrams(options, events) : openStream(options, events);
}

function openStream(options: TransportOptions, events: PipeEvents): Promise<SipPipe> {
  const { host, port } = options;
  const local = {
    ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    ...(options.localPort === undefined ? {} : { localPort: options.localPort }),
  };
  return new Promise((resolve, reject) => {
    const secure = options.transport === "tls";
    const socket = secure
      ? connectTls({
          host,
          port,
          ...local,
          ...(isIP(host) ? {} : { servername: host }),
          rejectUnauthorized: options.anyCertificate !== true,
        })
      : createConnection({ host, port, ...local });
    socket.setNoDelay(true);
    const timer = setTimeout(
      () => socket.destroy(new Error("connect timed out")),
      options.connectTimeoutMs ?? 5000,
    );
    let reason = "";
    let opened = false;
    socket.on("error", (error) => {
      reason = error.message;
    });
    socket.on("close", () => {
      clearTimeout(timer);
      if (opened) events.onClose(reason);
      else reject(new ClientError("connect", `cannot connect to ${host}:${port}: ${reason || "closed"}`));
    });
    socket.once(secure ? "secureConnect" : "connect", () => {
      clearTimeout(timer);
      opened = true;
      const localAddress = socket.localAddress ?? "127.0.0.1";
      const localPort = socket.localPort ?? 0;
      socket.on("data", events.onBytes);
      resolve({
        stream: true,
        localAddress,
        localPort,
        write: (bytes) => {
          if (socket.writable) socket.write(bytes, "latin1");
        },
        pause: () => void socket.pause(),
        resume: () => void socket.resume(),
        end: () => void socket.end(),
        destroy: () => void socket.destroy(),
      });
    });
  });
}

function openDatagrams(options: TransportOptions, events: PipeEvents): Promise<SipPipe> {
  const { host, port } = options;
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIP(host) === 6 ? "udp6" : "udp4");
    let paused = false;
    let open = false;
    let closed = false;
    const close = (reason: string) => {
      if (closed) return;
      closed = true;
      socket.close();
      if (open) events.onClose(reason);
      else reject(new ClientError("connect", `cannot open a datagram socket: ${reason}`));
    };
    socket.on("error", (error) => close(error.message));
    socket.on("message", (bytes) => {
      // A datagram socket cannot be paused: what comes meanwhile is lost, as it would be in a full buffer.
      if (!paused) events.onBytes(bytes);
    });
    socket.bind(0, options.localAddress ?? (host === "127.0.0.1" ? host : undefined), () => {
      socket.connect(port, host, () => {
        open = true;
        const { address, port: localPort } = socket.address();
        resolve({
          stream: false,
          localAddress: address,
          localPort,
          write: (bytes) => {
            if (!closed) socket.send(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
          },
          pause: () => {
            paused = true;
          },
          resume: () => {
            paused = false;
          },
          end: () => close(""),
          destroy: () => close(""),
        });
      });
    });
  });
}
