import { createHash, randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { eventually } from "./lab-ports.ts";

/** One SIP message as it stood on the wire; header names in lower case. */
export interface Wire {
  readonly start: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** 0 for a request. */
  readonly status: number;
}

export interface RequestText {
  readonly method: string;
  readonly uri: string;
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly cseq: number;
  /** Further header lines without line ends. */
  readonly headers?: readonly string[];
  readonly body?: Buffer | string;
  readonly branch?: string;
}

export interface Account {
  readonly username: string;
  readonly password: string;
}

/** A raw SIP endpoint that sends exactly what it is told to. */
export interface SipLines {
  readonly local: { readonly address: string; readonly port: number };
  readonly received: Wire[];
  readonly closed: () => boolean;
  write(bytes: string | Buffer): void;
  send(request: RequestText): void;
  /** Sends and waits for the final answer to that CSeq and Call-ID. */
  ask(request: RequestText, timeoutMs?: number): Promise<Wire>;
  /** `ask`, and once more with credentials after a 407. */
  askAs(account: Account, request: RequestText): Promise<Wire>;
  /** Answers a request with its own Via, From, To, Call-ID, CSeq. */
  answer(request: Wire, status: string, headers?: readonly string[]): void;
  /** Waits for a request of that method not taken yet. */
  request(method: string, timeoutMs?: number): Promise<Wire>;
  end(): void;
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

function digestHeader(challenge: string, method: string, account: Account): string {
  const field = (name: string): string => new RegExp(`${name}="?([^",]+)"?`).exec(challenge)?.[1] ?? "";
  const [realm, nonce] = [field("realm"), field("nonce")];
  const cnonce = randomBytes(4).toString("hex");
  const ha1 = md5(`${account.username}:${realm}:${account.password}`);
  // COMPAT(SIPE, 1.25): the digest URI is the literal "(null)", and the server has to verify with that.
  const response = md5(`${ha1}:${nonce}:00000001:${cnonce}:auth:${md5(`${method}:(null)`)}`);
  return `Digest username="${account.username}", realm="${realm}", nonce="${nonce}", uri="(null)", response="${response}", algorithm=MD5, cnonce="${cnonce}", qop=auth, nc=00000001`;
}

function parse(head: string, body: Buffer): Wire {
  const [start = "", ...lines] = head.split("\r\n");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers.set(name, headers.has(name) ? `${headers.get(name)}\n${value}` : value);
  }
  return { start, headers, body, status: start.startsWith("SIP/2.0 ") ? Number(start.split(" ")[1]) : 0 };
}

interface Pipe {
  readonly local: { readonly address: string; readonly port: number };
  readonly transport: string;
  write(bytes: Buffer): void;
  end(): void;
}

function lines(pipe: Pipe, received: Wire[], closed: () => boolean): SipLines {
  const taken = new Set<Wire>();
  const via = (branch: string): string =>
    `Via: SIP/2.0/${pipe.transport} ${pipe.local.address}:${pipe.local.port};branch=${branch}`;
  const lab: SipLines = {
    local: pipe.local,
    received,
    closed,
    write: (bytes) => pipe.write(Buffer.from(bytes)),
    send(request) {
      const body = Buffer.from(request.body ?? "");
      const head = [
        `${request.method} ${request.uri} SIP/2.0`,
        via(request.branch ?? `z9hG4bK${randomBytes(8).toString("hex")}`),
        `From: ${request.from}`,
        `To: ${request.to}`,
        `Call-ID: ${request.callId}`,
        `CSeq: ${request.cseq} ${request.method}`,
        "Max-Forwards: 70",
        ...(request.headers ?? []),
        `Content-Length: ${body.length}`,
      ];
      pipe.write(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]));
    },
    async ask(request, timeoutMs = 20_000) {
      const before = received.length;
      lab.send(request);
      const mine = (wire: Wire): boolean =>
        wire.status >= 200 &&
        wire.headers.get("cseq") === `${request.cseq} ${request.method}` &&
        wire.headers.get("call-id") === request.callId;
      return eventually(`answer to ${request.method}`, () => received.slice(before).find(mine), timeoutMs);
    },
    async askAs(account, request) {
      const first = await lab.ask(request);
      if (first.status !== 407) return first;
      const proof = digestHeader(first.headers.get("proxy-authenticate") ?? "", request.method, account);
      return lab.ask({ ...request, headers: [...(request.headers ?? []), `Proxy-Authorization: ${proof}`] });
    },
    answer(request, status, headers = []) {
      const copied = ["via", "from", "to", "call-id", "cseq", "record-route"].flatMap((name) =>
        (request.headers.get(name)?.split("\n") ?? []).map((value) => `${name}: ${value}`),
      );
      pipe.write(
        Buffer.from([`SIP/2.0 ${status}`, ...copied, ...headers, "Content-Length: 0", "", ""].join("\r\n")),
      );
    },
    request: (method, timeoutMs = 20_000) =>
      eventually(
        `${method} arrives`,
        () => {
          const wire = received.find(
            (w) => w.status === 0 && w.start.startsWith(`${method} `) && !taken.has(w),
          );
          if (wire !== undefined) taken.add(wire);
          return wire;
        },
        timeoutMs,
      ),
    end: () => pipe.end(),
  };
  return lab;
}

/** A TCP or TLS connection (certificates are not checked). */
export async function sipStream(
  host: string,
  port: number,
  transport: "TCP" | "TLS" = "TCP",
): Promise<SipLines> {
  const socket =
    transport === "TLS" ? connectTls({ host, port, rejectUnauthorized: false }) : connect({ host, port });
  const received: Wire[] = [];
  let closed = false;
  let buffer: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      while (buffer.length > 0 && (buffer[0] === 13 || buffer[0] === 10)) buffer = buffer.subarray(1);
      const end = buffer.indexOf("\r\n\r\n");
      if (end === -1) return;
      const head = buffer.toString("utf8", 0, end);
      const length = Number(/\r\ncontent-length:\s*(\d+)/i.exec(head)?.[1] ?? 0);
      if (buffer.length < end + 4 + length) return;
      received.push(parse(head, buffer.subarray(end + 4, end + 4 + length)));
      buffer = buffer.subarray(end + 4 + length);
    }
  });
  socket.on("close", () => {
    closed = true;
  });
  socket.on("error", () => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once(transport === "TLS" ? "secureConnect" : "connect", () => resolve());
    socket.once("close", () => reject(new Error("not connected")));
  });
  const local = { address: socket.localAddress ?? "", port: socket.localPort ?? 0 };
  return lines(
    { local, transport, write: (bytes) => void socket.write(bytes), end: () => void socket.destroy() },
    received,
    () => closed,
  );
}

/** A UDP socket on a port of its own; as behind a NAT, it hears nobody but whom it speaks to. */
export async function sipDatagrams(host: string, port: number, address = "127.0.0.1"): Promise<SipLines> {
  const socket = createSocket("udp4");
  const received: Wire[] = [];
  let closed = false;
  socket.on("message", (message) => {
    const end = message.indexOf("\r\n\r\n");
    if (end > 0) received.push(parse(message.toString("utf8", 0, end), message.subarray(end + 4)));
  });
  await new Promise<void>((resolve) =>
    socket.bind(0, address, () => socket.connect(port, host, () => resolve())),
  );
  const pipe: Pipe = {
    local: { address, port: socket.address().port },
    transport: "UDP",
    write: (bytes) => socket.send(bytes),
    end() {
      if (!closed) socket.close();
      closed = true;
    },
  };
  return lines(pipe, received, () => closed);
}
