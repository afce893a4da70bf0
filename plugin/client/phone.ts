import { ClientError, withDeadline } from "./client-error.ts";
import { createIdSource, plainBehaviour } from "./identity.ts";
import { Registration } from "./registration.ts";
import { hostText } from "./sip-address.ts";
import { SipConnection } from "./sip-connection.ts";
import { dialogOfAnswer, dialogOfInvite, type SipDialog } from "./sip-dialog.ts";
import { headerValue, readCseq, type SipRequest, type SipResponse } from "./sip-message.ts";
import type { SipTransport } from "./sip-transport.ts";
import { UserAgent } from "./user-agent.ts";

export interface PhoneOptions {
  readonly host: string;
  readonly port: number;
  /** Default "udp", as most phones. */
  readonly transport?: SipTransport;
  readonly anyCertificate?: boolean;
  readonly address: string;
  readonly username?: string;
  readonly password?: string;
  /** From 180 to 200. Default 0. */
  readonly ringMs?: number;
  /** Answer to a call: 200 (default) or a refusal such as 486. */
  readonly callAnswer?: number;
  readonly timeoutMs?: number;
}

/** A call that stands. */
export interface PhoneCall {
  readonly dialog: SipDialog;
  /** "sip:…" of the other side as From or To showed it. */
  readonly peer: string;
  /** True once 180 was seen (caller) or sent (callee). */
  readonly rang: boolean;
  ended: boolean;
}

export interface PhoneMessage {
  readonly from: string;
  readonly contentType: string;
  readonly text: string;
}

/** Calls and messages remembered per phone. */
const MAX_KEPT = 1000;

/** An ordinary phone, to see that the proxy's normal traffic goes on: REGISTER, calls, MESSAGE. */
export class Phone {
  readonly calls: PhoneCall[] = [];
  readonly messages: PhoneMessage[] = [];
  private readonly options: PhoneOptions;
  private readonly ids = createIdSource();
  private agent: UserAgent | undefined;
  private registration: Registration | undefined;
  private changed: (() => boolean)[] = [];

  constructor(options: PhoneOptions) {
    this.options = options;
  }

  /** Opens the connection and registers. @throws ClientError */
  async signIn(): Promise<void> {
    const { options } = this;
    const transport = options.transport ?? "udp";
    const connection = await SipConnection.open(
      { ...options, transport },
      { onRequest: (request) => this.receive(request) },
    );
    this.agent = new UserAgent(connection, {
      address: options.address,
      username: options.username ?? options.address.replace(/^sips?:/i, "").replace(/@.*/, ""),
      password: options.password,
      epid: undefined,
      userAgent: "Parlance-Phone",
      quirks: plainBehaviour,
      ids: this.ids,
      transport,
      timeoutMs: options.timeoutMs ?? 5000,
    });
    this.registration = new Registration(this.agent);
    await this.registration.register(600);
  }

  /** Un-REGISTER and close. */
  async signOff(): Promise<void> {
    await this.registration?.register(0).catch(() => undefined);
    this.agent?.connection.destroy();
  }

  /** Closes without a word. */
  crash(): void {
    this.agent?.connection.destroy();
  }

  /** Calls `peer` and resolves when it answered. @throws ClientError "refused" with the status, "timeout" */
  async call(peer: string, timeoutMs = 10_000): Promise<PhoneCall> {
    const agent = this.open();
    const from = agent.from(this.ids.tag());
    const callId = this.ids.callId();
    let rang = false;
    let cseq = 1;
    const draft = { uri: peer, from, to: `<${peer}>`, callId, contact: agent.contact() };
    const response = await agent.request(
      { ...draft, method: "INVITE", cseq, headers: [["Content-Type", "application/sdp"]], body: this.sdp() },
      {
        timeoutMs,
        nextCseq: () => ++cseq,
        onProvisional: (ringing) => {
          if (ringing.status === 180) rang = true;
        },
      },
    );
    if (response.status !== 200) {
      throw new ClientError("refused", `INVITE: ${response.status} ${response.reason}`, response.status);
    }
    const dialog = dialogOfAnswer({ callId, from, uri: peer }, response);
    const number = readCseq(response).number;
    agent.ack({ ...this.inDialog(dialog), method: "ACK", cseq: number });
    const call: PhoneCall = { dialog, peer, rang, ended: false };
    this.remember(this.calls, call);
    return call;
  }

  /** BYE. Resolves with its status. */
  async hangUp(call: PhoneCall): Promise<number> {
    call.dialog.localCseq += 1;
    call.ended = true;
    const draft = { ...this.inDialog(call.dialog), method: "BYE", cseq: call.dialog.localCseq };
    return (await this.open().request(draft)).status;
  }

  /** Sends a MESSAGE (RFC 3428) and resolves with its final response. */
  message(peer: string, text: string): Promise<SipResponse> {
    const agent = this.open();
    return agent.request({
      method: "MESSAGE",
      uri: peer,
      from: agent.from(this.ids.tag()),
      to: `<${peer}>`,
      callId: this.ids.callId(),
      cseq: 1,
      headers: [["Content-Type", "text/plain"]],
      body: Buffer.from(text),
    });
  }

  /** Resolves when `probe` is true; asked after each arrival. @throws ClientError "timeout" */
  async waitUntil(probe: () => boolean, timeoutMs = 5000): Promise<void> {
    const done = new Promise<void>((resolve) => {
      if (probe()) resolve();
      else {
        this.changed.push(() => {
          const reached = probe();
          if (reached) resolve();
          return reached;
        });
      }
    });
    await withDeadline(done, timeoutMs, this.options.address);
  }

  private receive(request: SipRequest): void {
    const { connection } = this.open();
    switch (request.method) {
      case "INVITE":
        this.ring(request);
        break;
      case "ACK":
        break;
      case "BYE": {
        const callId = headerValue(request, "Call-ID");
        const call = this.calls.find((candidate) => candidate.dialog.callId === callId);
        if (call) call.ended = true;
        connection.answer(request, call ? 200 : 481, call ? "OK" : "Call Does Not Exist");
        break;
      }
      case "MESSAGE":
        this.remember(this.messages, {
          from: headerValue(request, "From") ?? "",
          contentType: headerValue(request, "Content-Type") ?? "",
          text: request.body.toString("utf8"),
        });
        connection.answer(request, 200, "OK", { toTag: this.ids.tag() });
        break;
      default:
        connection.answer(request, 200, "OK", { toTag: this.ids.tag() });
    }
    this.changed = this.changed.filter((wake) => !wake());
  }

  private ring(request: SipRequest): void {
    const { connection, profile } = this.open();
    const callId = headerValue(request, "Call-ID");
    // A repeated INVITE (UDP): the answer is on its way.
    if (this.calls.some((call) => call.dialog.callId === callId)) return;
    const toTag = profile.ids.tag();
    const status = this.options.callAnswer ?? 200;
    const routes = request.headers.filter(([name]) => name === "Record-Route");
    const headers = [...routes, ["Contact", this.open().contact()] as const];
    connection.answer(request, 180, "Ringing", { toTag, headers });
    const dialog = dialogOfInvite(request, toTag);
    const peer = headerValue(request, "From") ?? "";
    this.remember(this.calls, { dialog, peer, rang: true, ended: status !== 200 });
    const pickUp = setTimeout(() => {
      if (status !== 200) connection.answer(request, status, "Busy Here", { toTag, headers });
      else {
        const typed = [...headers, ["Content-Type", "application/sdp"] as const];
        connection.answer(request, 200, "OK", { toTag, headers: typed, body: this.sdp() });
      }
    }, this.options.ringMs ?? 0);
    pickUp.unref();
  }

  private inDialog(dialog: SipDialog) {
    const { callId, local: from, remote: to, remoteTarget: uri, routeSet: route } = dialog;
    return { callId, from, to, uri, route };
  }

  private sdp(): Buffer {
    const host = hostText(this.open().connection.localAddress);
    return Buffer.from(
      `v=0\r\no=- 1 1 IN IP4 ${host}\r\ns=call\r\nc=IN IP4 ${host}\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\n`,
    );
  }

  private remember<T>(list: T[], item: T): void {
    list.push(item);
    if (list.length > MAX_KEPT) list.shift();
  }

  private open(): UserAgent {
    if (!this.agent) throw new ClientError("state", `${this.options.address} is not signed in`);
    return this.agent;
  }
}
