import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { replyTo } from "./stub-xccos.ts";

/** A request as the stub read it, by its own few lines of parsing (not the client's). */
export interface StubRequest {
  readonly method: string;
  readonly uri: string;
  /** Whole message as text. */
  readonly text: string;
  readonly body: string;
  /** First value of the header, "" when absent. Exact spelling. */
  header(name: string): string;
}

export interface StubDialog {
  readonly socket: Socket;
  readonly callId: string;
  /** Values for From and To of the server's INFOs. */
  readonly from: string;
  readonly to: string;
  readonly target: string;
  cseq: number;
}

export interface StubOptions {
  /** Users that must prove themselves on REGISTER: name → password. Absent: nobody is challenged. */
  readonly passwords?: Readonly<Record<string, string>>;
  /** 407 (default) or 401. */
  readonly challengeStatus?: 401 | 407;
  /** Lines of the REGISTER 200. */
  readonly registerLines?: readonly string[];
  readonly enabled?: boolean;
  /** Status for INFOs by their text; undefined = go on as usual. */
  infoStatus?: (request: StubRequest) => number | undefined;
  /** Status for INVITE; 200 by default. */
  inviteStatus?: number;
  /** Extra lines of the INVITE's 200. */
  readonly inviteLines?: readonly string[];
}

export const STUB_POOL = "sip:pchat@example.com";
const NONCE = "b7c9036dbf357f7683f054aea940e9703dc8f84c1108";
const REALM = "example.com";
const REGISTER_LINES = [
  "Expires: 3600",
  "Supported: msrtc-event-categories",
  "Allow-Events: vnd-microsoft-provisioning-v2",
];
const SDP =
  "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 5060 sip null\r\n";

/** A tiny chat server in this process: answers what a client needs from REGISTER to the first message. */
export class StubServer {
  readonly requests: StubRequest[] = [];
  /** First lines of the client's responses to the server's INFOs. */
  readonly responses: string[] = [];
  readonly dialogs: StubDialog[] = [];
  readonly options: StubOptions;
  port = 0;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private chatId = 1040;
  private serial = 0;

  private constructor(options: StubOptions) {
    this.options = options;
    this.server = createServer((socket) => this.accept(socket));
  }

  static async start(options: StubOptions = {}): Promise<StubServer> {
    const stub = new StubServer(options);
    await new Promise<void>((resolve) => stub.server.listen(0, "127.0.0.1", resolve));
    const address = stub.server.address();
    stub.port = typeof address === "object" && address ? address.port : 0;
    return stub;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  /** Polls until `probe` holds. @throws Error after the deadline */
  async waitUntil(probe: () => boolean, timeoutMs = 2000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!probe()) {
      if (performance.now() > deadline)
        throw new Error("the stub server did not see what was expected in time");
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** The connection opened last. */
  get lastSocket(): Socket | undefined {
    return [...this.sockets].at(-1);
  }

  get openConnections(): number {
    return this.sockets.size;
  }

  requestsOf(method: string): StubRequest[] {
    return this.requests.filter((request) => request.method === method);
  }

  /** Sends an INFO in a dialog; any part can be made wrong. */
  sendInfo(dialog: StubDialog, body: string, wrong: Partial<StubDialog> & { length?: number } = {}): void {
    dialog.cseq += 1;
    const { from, to, callId, target, cseq } = { ...dialog, ...wrong };
    this.serial += 1;
    const head = [
      `INFO ${target} SIP/2.0`,
      `Via: SIP/2.0/TCP 127.0.0.1:${this.port};branch=z9hG4bKstub${this.serial}`,
      `From: ${from}`,
      `To: ${to}`,
      `Call-ID: ${callId}`,
      `CSeq: ${cseq} INFO`,
      "Content-Type: text/plain",
      `Content-Length: ${wrong.length ?? Buffer.byteLength(body)}`,
    ];
    dialog.socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
  }

  /** One live copy to one dialog, with the next (or a given) number. */
  sendChat(dialog: StubDialog, room: string, text: string, chatId = ++this.chatId): void {
    this.sendInfo(dialog, chatXml(room, "sip:bob@example.com", text, chatId));
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.sockets.delete(socket));
    let waiting = Buffer.alloc(0);
    socket.on("data", (bytes) => {
      waiting = Buffer.concat([waiting, bytes]);
      for (;;) {
        const end = waiting.indexOf("\r\n\r\n");
        if (end < 0) return;
        const head = waiting.toString("utf8", 0, end);
        const length = Number(/^Content-Length:\s*(\d+)/im.exec(head)?.[1] ?? "0");
        if (waiting.length < end + 4 + length) return;
        const body = waiting.toString("utf8", end + 4, end + 4 + length);
        waiting = waiting.subarray(end + 4 + length);
        if (head !== "") this.receive(socket, head, body);
      }
    });
  }

  private receive(socket: Socket, head: string, body: string): void {
    if (head.startsWith("SIP/2.0")) {
      this.responses.push(head.split("\r\n")[0] ?? "");
      return;
    }
    const [method = "", uri = ""] = head.split(" ");
    const header = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(head)?.[1]?.trim() ?? "";
    const request = { method, uri, text: `${head}\r\n\r\n${body}`, body, header };
    this.requests.push(request);
    if (method === "REGISTER") this.register(socket, request);
    else if (method === "SUBSCRIBE") this.subscribe(socket, request);
    else if (method === "INVITE") this.invite(socket, request);
    else if (method === "INFO") this.info(socket, request);
    else if (method !== "ACK") answer(socket, request, "200 OK");
  }

  private register(socket: Socket, request: StubRequest): void {
    const { passwords, challengeStatus = 407 } = this.options;
    const proof = request.header(challengeStatus === 407 ? "Proxy-Authorization" : "Authorization");
    if (passwords && !provesUser(proof, passwords)) {
      const name = challengeStatus === 407 ? "Proxy-Authenticate" : "WWW-Authenticate";
      const line = `${name}: Digest realm="${REALM}", nonce="${NONCE}", qop="auth"`;
      answer(socket, request, `${challengeStatus} Unauthorized`, [line]);
      return;
    }
    answer(socket, request, "200 OK", this.options.registerLines ?? REGISTER_LINES);
  }

  private subscribe(socket: Socket, request: StubRequest): void {
    const body = `<provisionGroupList xmlns="http://schemas.microsoft.com/2006/09/sip/provisiongrouplist-notification"><provisionGroup name="persistentChatConfiguration"><propertyEntryList><property name="EnablePersistentChat">${this.options.enabled ?? true}</property><property name="DefaultPersistentChatPoolUri">${STUB_POOL}</property></propertyEntryList></provisionGroup></provisionGroupList>`;
    const lines = [
      "Event: vnd-microsoft-provisioning-v2",
      "Expires: 0",
      "subscription-state: terminated;expires=0",
      "ms-piggyback-cseq: 1",
      "Content-Type: application/vnd-microsoft-roaming-provisioning-v2+xml",
    ];
    answer(socket, request, "200 OK", lines, body);
  }

  private invite(socket: Socket, request: StubRequest): void {
    if (this.options.inviteStatus !== undefined) {
      answer(socket, request, `${this.options.inviteStatus} Refused`, [], "", "no-dialog");
      return;
    }
    this.serial += 1;
    const tag = `stub-${this.serial}`;
    const token = `sip:n1-5.${createHash("md5").update(tag).digest("hex")}@127.0.0.1:${this.port};transport=tcp`;
    this.dialogs.push({
      socket,
      callId: request.header("Call-ID"),
      from: `<${request.uri}>;tag=${tag}`,
      to: request.header("From"),
      target: /<([^>]*)>/.exec(request.header("Contact"))?.[1] ?? "",
      cseq: 1_310_720,
    });
    const lines = [
      `Contact: <${token}>`,
      "Session-Expires: 720;refresher=uac",
      ...(this.options.inviteLines ?? []),
      "Content-Type: application/sdp",
    ];
    answer(socket, request, "200 OK", lines, SDP, tag);
  }

  private info(socket: Socket, request: StubRequest): void {
    const status = this.options.infoStatus?.(request) ?? 200;
    answer(socket, request, `${status} ${status === 200 ? "OK" : "Refused"}`);
    const dialog = this.dialogs.findLast((candidate) => candidate.callId === request.header("Call-ID"));
    if (status !== 200 || !dialog) return;
    if (request.body.includes("<grpchat ")) {
      const room = /chanUri="([^"]*)"/.exec(request.body)?.[1] ?? "";
      const chat = /<chat>([\s\S]*)<\/chat>/.exec(request.body)?.[1] ?? "";
      const author = /author="([^"]*)"/.exec(request.body)?.[1] ?? "";
      this.chatId += 1;
      this.sendInfo(dialog, chatXml(room, author, chat, this.chatId));
    } else {
      const reply = replyTo(request.body, STUB_POOL);
      if (reply !== undefined) this.sendInfo(dialog, reply);
    }
  }
}

function chatXml(room: string, author: string, text: string, chatId: number): string {
  return `<xccos ver="1" envid="${9_000 + chatId}" xmlns="urn:parlano:xml:ns:xccos"><grpchat id="grpchat" seqid="1" chanUri="${room}" author="${author}" authdisp="Bob &quot;B&quot; Beck" alert="false" chatId="${chatId}" ts="2026-11-23T08:15:30.1230000Z"><chat>${text}</chat></grpchat></xccos>`;
}

function answer(
  socket: Socket,
  request: StubRequest,
  status: string,
  lines: readonly string[] = [],
  body = "",
  toTag = "stub-none",
): void {
  const to = request.header("To");
  const head = [
    `SIP/2.0 ${status}`,
    ...request.text.split("\r\n").filter((line) => /^(Via|From|Call-ID|CSeq): /.test(line)),
    to.includes(";tag=") ? `To: ${to}` : `To: ${to};tag=${toTag}`,
    ...lines,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** RFC 2617 by the literal uri of the header, as Kamailio checks it. */
function provesUser(proof: string, passwords: Readonly<Record<string, string>>): boolean {
  const field = (name: string) => new RegExp(`${name}="?([^",]*)`).exec(proof)?.[1] ?? "";
  const md5 = (text: string) => createHash("md5").update(text).digest("hex");
  const password = passwords[field("username")];
  if (password === undefined || field("nonce") !== NONCE) return false;
  const ha1 = md5(`${field("username")}:${REALM}:${password}`);
  const ha2 = md5(`REGISTER:${field("[ ,]uri")}`);
  return md5(`${ha1}:${NONCE}:${field("nc")}:${field("cnonce")}:auth:${ha2}`) === field("response");
}
