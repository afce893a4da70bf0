import type { RequestOverrides } from "./chat-dialog.ts";
import { ChatSession } from "./chat-session.ts";
import { ClientError } from "./client-error.ts";
import { type EndpointOptions, profileOf, type SignInOptions } from "./endpoint-options.ts";
import { type SearchOptions, type SearchReply, searchHistory } from "./history-search.ts";
import { Inbox, type Notice } from "./inbox.ts";
import type { IncomingCounts, InfoAnswer } from "./incoming.ts";
import type { OwnPresence } from "./own-presence.ts";
import type { Reply } from "./pending-commands.ts";
import * as rooms from "./room-commands.ts";
import { ServerWatch } from "./server-watch.ts";
import { domainOf } from "./sip-address.ts";
import type { SipHeader } from "./sip-message.ts";
import type { Profile } from "./user-agent.ts";
import { type ChatCopy, envelopeXml, grpchatXml } from "./xccos-body.ts";
import { escapeXml } from "./xml-reader.ts";

export interface PostOptions {
  readonly alert?: boolean;
  /** Rich version beside the plain text. */
  readonly rtf?: string;
  /** XML sent as it is in place of the chat (and rtf) element. */
  readonly raw?: string;
  /** Instead of the own address; null leaves it out. */
  readonly author?: string | null;
  /** Instead of now; null leaves it out. */
  readonly ts?: string | null;
  /** To send the same post again. */
  readonly envid?: number | string;
  readonly seqid?: number | string;
  readonly timeoutMs?: number;
}

export interface RawInfo extends RequestOverrides {
  readonly body?: Buffer;
  /** Default "text/plain"; null leaves the header out. Ignored when `headers` is given. */
  readonly contentType?: string | null;
}

export interface RawResponse {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly SipHeader[];
  readonly body: Buffer;
}

/**
 * One XCCOS client: signs in like a stock client, posts, joins, reads, and watches what the server sends.
 * `violations` must stay empty against a correct server.
 */
export class XccosEndpoint {
  readonly options: EndpointOptions;
  readonly watch = new ServerWatch();
  readonly inbox: Inbox;
  readonly counts: IncomingCounts = { infos: 0, infosRefused: 0, infosOfOldDialogs: 0, byes: 0 };
  /** Answer to the server's INFOs: 200, another status, or "none". Anything but 200 is not read. */
  infoAnswer: InfoAnswer = 200;
  /** Why the connection closed ("" = orderly); undefined while it is open or was never opened. */
  closedReason: string | undefined;
  private readonly profile: Profile;
  private live: ChatSession | undefined;
  private plan: SignInOptions = {};

  constructor(options: EndpointOptions) {
    this.options = options;
    this.profile = profileOf(options);
    this.inbox = new Inbox(options.keep ?? 10_000);
  }

  get address(): string {
    return this.options.address;
  }

  get epid(): string | undefined {
    return this.profile.epid;
  }

  get messages(): readonly ChatCopy[] {
    return this.inbox.messages;
  }

  get notices(): readonly Notice[] {
    return this.inbox.notices;
  }

  get violations(): readonly string[] {
    return this.watch.violations;
  }

  get connected(): boolean {
    return this.live !== undefined && !this.live.agent.connection.closed;
  }

  /** The connection's session: dialogs, registration, provisioning. @throws ClientError kind "state" */
  get session(): ChatSession {
    if (!this.live) throw new ClientError("state", `${this.options.address} is not signed in`);
    return this.live;
  }

  /** The user's presence document: which rooms are followed. @throws ClientError kind "state" */
  get presence(): OwnPresence {
    return this.session.presence;
  }

  /**
   * Connect, REGISTER, provisioning, lookup, pool dialog.
   * @throws ClientError kind "connect", "refused" (with status), "disabled", "timeout"
   */
  async signIn(plan: SignInOptions = {}): Promise<void> {
    if (this.connected) throw new ClientError("state", `${this.options.address} is signed in already`);
    this.plan = plan;
    this.closedReason = undefined;
    const session: ChatSession = await ChatSession.connect(this.options, this.profile, {
      watch: this.watch,
      inbox: this.inbox,
      counts: this.counts,
      bodies: this.options.bodies ?? "parse",
      onCopy: this.options.onCopy,
      infoAnswer: () => this.infoAnswer,
      onClose: (reason) => {
        if (this.live !== session) return;
        this.closedReason = reason;
        this.inbox.wake();
      },
    });
    this.live = session;
    try {
      await session.signIn(plan);
    } catch (error) {
      session.agent.connection.destroy();
      throw error;
    }
  }

  /** BYE, un-REGISTER, close. A stock client does not wait for the answers; this one does, unless `sipe`. */
  async signOff(): Promise<void> {
    const session = this.live;
    if (!session || session.agent.connection.closed) return;
    const bye = session.leaveDialog();
    if (this.options.sipe !== true) await bye;
    if (this.plan.register !== false) {
      const off = session.registration.register(0, this.options.sipe !== true).catch(() => undefined);
      if (this.options.sipe !== true) await off;
    }
    session.agent.connection.end();
    await this.inbox
      .waitFor(() => (this.connected ? undefined : true), 2000, "close")
      .catch(() => {
        session.agent.connection.destroy();
      });
  }

  /** The socket is gone without a word: no BYE, nothing. */
  crash(): void {
    this.live?.agent.connection.destroy();
  }

  /** A new connection and sign-in with the same epid, as after a lost network. Rooms are not joined again. */
  async reconnect(plan: SignInOptions = this.plan): Promise<void> {
    this.crash();
    await this.signIn(plan);
  }

  /** Leaves what the server sends unread. */
  pauseReading(): void {
    this.session.agent.connection.pauseReading();
  }

  resumeReading(): void {
    this.session.agent.connection.resumeReading();
  }

  /**
   * Sends any command and resolves with its (first) reply, whatever its code.
   * @throws ClientError "refused" when the INFO was not answered 200, "timeout" without a reply
   */
  async command(name: string, dataXml = ""): Promise<Reply> {
    const [reply] = await this.session.command(name, dataXml);
    if (!reply) throw new ClientError("state", "command settled without a reply");
    return reply;
  }

  getServerInfo(): Promise<rooms.ServerInfoReply> {
    return rooms.getServerInfo(this.send, this.domain);
  }

  getAssociations(type: "MEMBER" | "MANAGER" = "MEMBER", maxResults = 100): Promise<rooms.RoomsReply> {
    return rooms.getAssociations(this.send, this.domain, type, maxResults);
  }

  /** Room list; "" = every room the user may see. */
  search(criteria = "", extended = false): Promise<rooms.RoomsReply> {
    return rooms.search(this.send, criteria, extended);
  }

  join(room: string): Promise<rooms.RoomsReply> {
    this.watch.forgetNumbers(room);
    return rooms.join(this.send, room);
  }

  bjoin(list: readonly string[]): Promise<rooms.BatchJoinReply> {
    for (const room of list) this.watch.forgetNumbers(room);
    return rooms.bjoin(this.send, list);
  }

  part(room: string): Promise<rooms.RoomsReply> {
    return rooms.part(this.send, room);
  }

  history(room: string, count = 25): Promise<rooms.HistoryReply> {
    return rooms.history(this.send, room, count);
  }

  searchHistory(options: SearchOptions): Promise<SearchReply> {
    return searchHistory(this.send, options);
  }

  getInvitations(after = 1): Promise<rooms.InvitationsReply> {
    return rooms.getInvitations(this.send, this.domain, after);
  }

  /** Posts and resolves with the SIP status of the INFO: 200 = stored. @throws ClientError "timeout", "closed" */
  async post(room: string, text: string, options: PostOptions = {}): Promise<number> {
    const rtf = options.rtf === undefined ? "" : `<rtf>${escapeXml(options.rtf)}</rtf>`;
    const xml = grpchatXml({
      room,
      author: options.author === undefined ? this.options.address : options.author,
      ts: options.ts === undefined ? `${new Date().toISOString().slice(0, 19)}Z` : options.ts,
      seqid: options.seqid ?? 1,
      alert: options.alert,
      inner: options.raw ?? `<chat>${escapeXml(text)}</chat>${rtf}`,
    });
    const body = Buffer.from(envelopeXml(options.envid ?? this.session.nextEnvid(), xml));
    const limit = options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs };
    return (await this.session.info(body, limit)).status;
  }

  /** An INFO exactly as the test wants it. Resolves with whatever final response comes. @throws ClientError */
  async sendInfo(raw: RawInfo): Promise<RawResponse> {
    const { body = Buffer.alloc(0), contentType = "text/plain", ...overrides } = raw;
    const headers: readonly SipHeader[] = contentType === null ? [] : [["Content-Type", contentType]];
    const { status, reason, ...rest } = await this.session.info(body, { headers, ...overrides });
    return { status, reason, headers: rest.headers, body: rest.body };
  }

  /** Bytes straight into the connection. */
  sendBytes(bytes: Buffer): void {
    this.session.agent.connection.send(bytes);
  }

  /** The first kept message that fits, arrived already or yet to come. @throws ClientError "timeout" */
  waitForMessage(
    predicate: (message: ChatCopy) => boolean,
    timeoutMs = this.profile.timeoutMs,
  ): Promise<ChatCopy> {
    const what = `${this.options.address} waits for a message`;
    return this.inbox.waitFor(() => this.inbox.messages.find(predicate), timeoutMs, what);
  }

  /** The first kept notice that fits. @throws ClientError "timeout" */
  waitForNotice(predicate: (notice: Notice) => boolean, timeoutMs = this.profile.timeoutMs): Promise<Notice> {
    const what = `${this.options.address} waits for a notice`;
    return this.inbox.waitFor(() => this.inbox.notices.find(predicate), timeoutMs, what);
  }

  /** Resolves when the connection is closed. @throws ClientError "timeout" */
  async waitForClose(timeoutMs = this.profile.timeoutMs): Promise<string> {
    const what = `${this.options.address} waits for the connection to close`;
    await this.inbox.waitFor(() => (this.connected ? undefined : true), timeoutMs, what);
    return this.closedReason ?? "";
  }

  /** @throws ClientError "state" as soon as a message or notice arrives within the time. */
  async expectNothing(ms: number): Promise<void> {
    const before = this.inbox.messagesReceived + this.inbox.noticesReceived;
    const more = () => (this.inbox.messagesReceived + this.inbox.noticesReceived > before ? true : undefined);
    const arrived = await this.inbox.waitFor(more, ms, "nothing").catch(() => false);
    if (arrived) throw new ClientError("state", `${this.options.address} received something unexpected`);
  }

  private get domain(): string {
    return domainOf(this.options.address);
  }

  private readonly send: rooms.SendCommand = (name, dataXml, complete) =>
    this.session.command(name, dataXml, complete);
}
