import { createSocket, type Socket } from "node:dgram";

/** The default port need not stand in a member's address, which imc takes without one: so each member has an address of its own. */
const SIP_PORT = 5060;
/** 127.64.0.0 to 127.191.255.255, a part of it for each run. */
const NETWORK = `127.${64 + (process.pid % 128)}`;
const ANSWER_LIMIT_MS = 10_000;
/** RFC 3261 §17.1.2.2: a request over UDP is sent again when no answer came. */
const RESEND_MS = 500;

export interface ImcMember {
  readonly name: string;
  readonly host: string;
}

/** `count` members of the room, the first ones also post. */
export function imcMembers(count: number): ImcMember[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `m${index}`,
    host: `${NETWORK}.${1 + Math.floor(index / 200)}.${1 + (index % 200)}`,
  }));
}

/** The members' UDP sockets: they answer each copy with 200, count it, and post on behalf of one. */
export class ImcSink {
  /** Copies received, repeats not counted. */
  copies = 0;
  /** The same copy again: Kamailio had not seen its 200. */
  repeats = 0;
  readonly #members: readonly ImcMember[];
  readonly #sockets: Socket[] = [];
  readonly #seen: Set<number>[] = [];
  readonly #answers = new Map<string, (status: number) => void>();
  #posts = 0;

  private constructor(members: readonly ImcMember[]) {
    this.#members = members;
  }

  /** @throws Error when port 5060 of one of the members' loopback addresses is taken */
  static async open(members: readonly ImcMember[], server: { host: string; port: number }): Promise<ImcSink> {
    const sink = new ImcSink(members);
    for (const [index, { host }] of members.entries()) {
      const socket = createSocket("udp4");
      sink.#sockets.push(socket);
      sink.#seen.push(new Set());
      socket.on("message", (bytes) => sink.#receive(index, socket, bytes));
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.bind(SIP_PORT, host, () => {
          socket.off("error", reject);
          socket.on("error", () => undefined);
          // Connected: a send needs no address any more, and nobody else is heard.
          socket.connect(server.port, server.host, resolve);
        });
      });
    }
    return sink;
  }

  /** Posts as member `poster`. @returns the status @throws Error without an answer */
  post(poster: number, room: string, body: string, limitMs = ANSWER_LIMIT_MS): Promise<number> {
    const member = this.#members[poster];
    const number = ++this.#posts;
    const callId = `post-${number}`;
    const lines = [
      `MESSAGE ${room} SIP/2.0`,
      `Via: SIP/2.0/UDP ${member?.host}:${SIP_PORT};branch=z9hG4bK${callId}`,
      `From: <sip:${member?.name}@${member?.host}>;tag=t${number}`,
      `To: <${room}>`,
      `Call-ID: ${callId}`,
      "CSeq: 1 MESSAGE",
      "Max-Forwards: 70",
      "Content-Type: text/plain",
      `Content-Length: ${Buffer.byteLength(body) + postMark(number).length}`,
      "",
      postMark(number) + body,
    ];
    const send = () => this.#sockets[poster]?.send(lines.join("\r\n"));
    return new Promise((resolve, reject) => {
      const again = setInterval(send, RESEND_MS);
      const settle = () => {
        clearInterval(again);
        clearTimeout(timer);
        this.#answers.delete(callId);
      };
      const timer = setTimeout(() => {
        settle();
        reject(new Error("imc did not answer a post"));
      }, limitMs);
      this.#answers.set(callId, (status) => {
        settle();
        resolve(status);
      });
      send();
    });
  }

  get posts(): number {
    return this.#posts;
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  #receive(index: number, socket: Socket, bytes: Buffer): void {
    const text = bytes.toString("latin1");
    if (text.startsWith("SIP/2.0 ")) {
      const callId = headerOf(text, "Call-ID");
      this.#answers.get(callId)?.(Number(text.slice(8, 11)));
      return;
    }
    const head = text.slice(0, text.indexOf("\r\n\r\n"));
    const via = `Via: ${headerOf(head, "Via")}\r\nFrom: ${headerOf(head, "From")}\r\nTo: ${headerOf(head, "To")}`;
    const rest = `Call-ID: ${headerOf(head, "Call-ID")}\r\nCSeq: ${headerOf(head, "CSeq")}`;
    socket.send(`SIP/2.0 200 OK\r\n${via};tag=m\r\n${rest}\r\nContent-Length: 0\r\n\r\n`);
    const mark = text.indexOf("post=", head.length);
    const number = Number(text.slice(mark + 5, mark + 14));
    const seen = this.#seen[index];
    if (!seen || seen.has(number)) {
      this.repeats += 1;
      return;
    }
    seen.add(number);
    this.copies += 1;
  }
}

function postMark(number: number): string {
  return `post=${String(number).padStart(9, "0")} `;
}

function headerOf(head: string, name: string): string {
  const at = head.indexOf(`\r\n${name}: `);
  if (at < 0) return "";
  const from = at + name.length + 4;
  const end = head.indexOf("\r\n", from);
  return head.slice(from, end < 0 ? undefined : end);
}
