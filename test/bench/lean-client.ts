import { createConnection, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { digestAuthorization, parseChallenge } from "../../plugin/client/digest.ts";
import { attributeIn, chanid, frameAt, headerIn, sentAt } from "./lean-wire.ts";
import type { WorldUser } from "./world.ts";

const ANSWER_LIMIT_MS = 20_000;
/** One for all connections: what is read is worked off before the next read. */
const READ_BUFFER = Buffer.allocUnsafeSlow(262_144);

export interface LeanOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: boolean;
  readonly user: WorldUser;
  readonly poolUri: string;
  /** A copy of a room came, in its right order. `sentAtMs` is NaN for a text without a time. */
  readonly onCopy?: (room: string, number: number, sentAtMs: number) => void;
  /** What no client may be sent. */
  readonly onViolation: (what: string) => void;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headEnd: number;
}

/**
 * A chat client that costs a load generator little: signs in with digest (REGISTER, INVITE), joins rooms, posts, answers every
 * INFO with 200. Each copy is checked: the dialog's Call-ID and tags, CSeq rising, the room's numbers rising by one. The complete
 * client (plugin/client) costs three times as much per copy.
 */
export class LeanClient {
  readonly options: LeanOptions;
  /** Rooms joined: the last number seen, and how many copies came. */
  readonly rooms = new Map<string, { last: number; copies: number }>();
  copies = 0;
  /** INFOs that hold an `ntc`. */
  notices = 0;
  closed = false;
  private readonly socket: Socket;
  private readonly id: string;
  private rest = "";
  private cseq = 1;
  private remoteCseq = 0;
  private envid = 1;
  private dialog = { target: "", from: "", to: "", answerHead: "" };
  private readonly answers = new Map<string, (answer: Answer) => void>();
  private readonly replies = new Map<string, (code: number) => void>();

  private constructor(options: LeanOptions, socket: Socket) {
    this.options = options;
    this.socket = socket;
    this.id = `${options.user.name}-${socket.localPort}`;
  }

  /** Connects only. @throws the system's error */
  static open(options: LeanOptions): Promise<LeanClient> {
    return new Promise((resolve, reject) => {
      const { host, port, tls } = options;
      const opened: { client?: LeanClient } = {};
      const receive = (bytes: Buffer, length: number) =>
        opened.client?.receive(bytes.toString("latin1", 0, length));
      const onread = {
        buffer: READ_BUFFER,
        callback: (length: number, bytes: Uint8Array) => {
          receive(bytes as Buffer, length); // the very buffer given above
          return true;
        },
      };
      const socket = tls
        ? connectTls({ host, port, rejectUnauthorized: false })
        : createConnection({ host, port, noDelay: true, onread });
      if (tls) socket.on("data", (bytes: Buffer) => receive(bytes, bytes.length));
      socket.once("error", reject);
      socket.once(tls ? "secureConnect" : "connect", () => {
        socket.off("error", reject);
        socket.on("error", () => undefined);
        socket.on("close", () => opened.client?.lost());
        opened.client = new LeanClient(options, socket);
        resolve(opened.client);
      });
    });
  }

  /** REGISTER with digest, then the pool dialog. @throws Error with the status that was not 200 */
  async signIn(): Promise<void> {
    const { user, poolUri } = this.options;
    const domain = user.address.slice(user.address.indexOf("@") + 1);
    const register = {
      method: "REGISTER",
      uri: `sip:${domain}`,
      to: `<${user.address}>`,
      callId: `r-${this.id}`,
    };
    const challenged = await this.request({ ...register, cseq: 1 });
    const challenge = parseChallenge(headerIn(challenged.text, 0, challenged.headEnd, "Proxy-Authenticate"));
    if (!challenge) throw new Error(`REGISTER was answered ${challenged.status} without a challenge`);
    const credentials = digestAuthorization({
      challenge,
      username: user.name,
      password: user.password,
      method: "REGISTER",
      uri: register.uri,
      cnonce: "0badcafe",
    });
    expectOk(
      await this.request({ ...register, cseq: 2, headers: `Proxy-Authorization: ${credentials}\r\n` }),
      "REGISTER",
    );
    const to = `<${poolUri}>`;
    const ok = await this.request({ method: "INVITE", uri: poolUri, to, callId: this.id, cseq: this.cseq });
    expectOk(ok, "INVITE");
    const head = (name: string) => headerIn(ok.text, 0, ok.headEnd, name);
    this.dialog = {
      target: head("Contact").replace(/^<|>.*$/g, ""),
      from: this.from(this.id),
      to: head("To"),
      // What every INFO of this dialog carries, with the parties changed over (RFC 3261 §12.2.1.1).
      answerHead: `From: ${head("To")}\r\nTo: ${this.from(this.id)}\r\nCall-ID: ${this.id}\r\n`,
    };
    this.send({
      method: "ACK",
      uri: this.dialog.target,
      to: this.dialog.to,
      callId: this.id,
      cseq: this.cseq,
    });
  }

  /** One bjoin for all. @throws Error when a room is refused */
  async join(rooms: readonly string[]): Promise<void> {
    for (const room of rooms) this.rooms.set(room, { last: -1, copies: 0 });
    const code = await this.command("bjoin", rooms.map(chanid).join(""));
    if (code !== 200) throw new Error(`bjoin was answered ${code}`);
  }

  /** @returns the code of its `rpl` */
  async command(name: string, data: string): Promise<number> {
    const envid = this.envid++;
    const reply = new Promise<number>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`cmd:${name} got no reply`)), ANSWER_LIMIT_MS);
      this.replies.set(String(envid), (code) => {
        clearTimeout(timer);
        resolve(code);
      });
    });
    const body = `<xccos ver="1" envid="${envid}" xmlns="urn:parlano:xml:ns:xccos"><cmd id="cmd:${name}" seqid="1"><data>${data}</data></cmd></xccos>`;
    expectOk(await this.info(body), `cmd:${name}`);
    return reply;
  }

  /** @returns the SIP status: 200 = stored */
  async post(room: string, text: string): Promise<number> {
    return (await this.postFor(room, text, this.envid++)).status;
  }

  /** @returns the SIP answer, its head included; the same envid again is the same post again */
  postFor(room: string, text: string, envid: number): Promise<Answer> {
    const body =
      `<xccos ver="1" envid="${envid}" xmlns="urn:parlano:xml:ns:xccos"><grpchat id="grpchat" seqid="1" chanUri="${room}" ` +
      `author="${this.options.user.address}" ts="2026-01-01T00:00:00Z"><chat>${text}</chat></grpchat></xccos>`;
    return this.info(body);
  }

  end(): void {
    this.closed = true;
    this.socket.destroy();
  }

  private info(body: string): Promise<Answer> {
    this.cseq += 1;
    const { target, to } = this.dialog;
    return this.request({ method: "INFO", uri: target, to, callId: this.id, cseq: this.cseq, body });
  }

  private request(message: Outgoing): Promise<Answer> {
    const key = `${message.cseq} ${message.method}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.answers.delete(key);
        reject(new Error(`${message.method} got no answer`));
      }, ANSWER_LIMIT_MS);
      this.answers.set(key, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.send(message);
    });
  }

  private send({ method, uri, to, callId, cseq, headers = "", body = "" }: Outgoing): void {
    const protocol = this.options.tls ? "TLS" : "TCP";
    const here = `${this.socket.localAddress}:${this.socket.localPort}`;
    const contact =
      method === "REGISTER" || method === "INVITE"
        ? `Contact: <sip:${this.options.user.name}@${here};transport=${protocol.toLowerCase()}>\r\n`
        : "";
    const type = body === "" ? "" : "Content-Type: text/plain\r\n";
    this.socket.write(
      `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/${protocol} ${here};branch=z9hG4bK${callId}-${cseq}-${method}\r\nMax-Forwards: 70\r\n` +
        `From: ${this.from(callId)}\r\nTo: ${to}\r\nCall-ID: ${callId}\r\nCSeq: ${cseq} ${method}\r\n${contact}${headers}${type}` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }

  private from(tag: string): string {
    return `<${this.options.user.address}>;tag=${tag};epid=${this.options.user.name}`;
  }

  private lost(): void {
    if (!this.closed) this.options.onViolation("the connection was closed");
    this.closed = true;
  }

  private receive(chunk: string): void {
    const text = this.rest === "" ? chunk : this.rest + chunk;
    let at = 0;
    let out = "";
    for (;;) {
      while (text.charCodeAt(at) === 13 || text.charCodeAt(at) === 10) at += 1;
      if (at >= text.length) break;
      const framed = frameAt(text, at);
      if (!framed) break;
      if (text.startsWith("INFO ", at)) out += this.receiveInfo(text, at, framed.headEnd, framed.end);
      else if (text.startsWith("SIP/2.0 ", at))
        this.receiveAnswer(text.slice(at, framed.end), framed.headEnd - at);
      else this.options.onViolation(`${text.slice(at, at + 10)} from the server`);
      at = framed.end;
    }
    this.rest = at >= text.length ? "" : text.slice(at);
    if (out !== "") this.socket.write(out, "latin1");
  }

  private receiveAnswer(text: string, headEnd: number): void {
    const status = Number(text.slice(8, 11));
    if (status < 200) return;
    const key = headerIn(text, 0, headEnd, "CSeq");
    this.answers.get(key)?.({ status, text, headEnd });
    this.answers.delete(key);
  }

  /** @returns the 200 */
  private receiveInfo(text: string, at: number, headEnd: number, end: number): string {
    const via = headerIn(text, at, headEnd, "Via");
    const cseq = Number.parseInt(headerIn(text, at, headEnd, "CSeq"), 10);
    if (!(cseq > this.remoteCseq)) this.options.onViolation(`CSeq ${cseq} after ${this.remoteCseq}`);
    this.remoteCseq = cseq;
    const { answerHead } = this.dialog;
    for (const name of ["From", "To", "Call-ID"])
      if (!answerHead.includes(headerIn(text, at, headEnd, name)))
        this.options.onViolation(`${name} of another dialog`);
    const chat = text.indexOf("<grpchat ", headEnd);
    if (chat >= 0 && chat < end) this.receiveCopy(text, chat);
    else this.receiveOther(text.slice(headEnd + 4, end));
    return `SIP/2.0 200 OK\r\nVia: ${via}\r\n${answerHead}CSeq: ${cseq} INFO\r\nContent-Length: 0\r\n\r\n`;
  }

  private receiveCopy(text: string, chat: number): void {
    const uri = attributeIn(text, chat, "chanUri");
    const number = Number(attributeIn(text, chat, "chatId"));
    const room = this.rooms.get(uri);
    if (!room) return this.options.onViolation("a copy of a room that was not joined");
    // The first may have any number; it is checked by counting in the end.
    if (room.last >= 0 && number !== room.last + 1)
      this.options.onViolation(`message ${number} after ${room.last}`);
    room.last = number;
    room.copies += 1;
    this.copies += 1;
    this.options.onCopy?.(uri, number, sentAt(text, chat));
  }

  private receiveOther(body: string): void {
    if (body.includes("<ntc ")) this.notices += 1;
    const at = body.indexOf("<commandid ");
    if (at < 0) return;
    const envid = attributeIn(body, at, "envid");
    const code = Number(attributeIn(body, body.indexOf("<resp ", at), "code"));
    this.replies.get(envid)?.(code);
    this.replies.delete(envid);
  }
}

interface Outgoing {
  readonly method: string;
  readonly uri: string;
  readonly to: string;
  readonly callId: string;
  readonly cseq: number;
  readonly headers?: string;
  readonly body?: string;
}

function expectOk(answer: Answer, what: string): void {
  if (answer.status !== 200) throw new Error(`${what} was answered ${answer.status}`);
}
