import { ChatDialog, type RequestOverrides } from "./chat-dialog.ts";
import { ClientError } from "./client-error.ts";
import type { EndpointOptions, SignInOptions } from "./endpoint-options.ts";
import { handleRequest, type IncomingContext } from "./incoming.ts";
import { OwnPresence } from "./own-presence.ts";
import { PendingCommands, type Reply } from "./pending-commands.ts";
import { fetchProvisioning, type Provisioning, Registration, registrationFaults } from "./registration.ts";
import { domainOf } from "./sip-address.ts";
import { SipConnection } from "./sip-connection.ts";
import type { SipHeader, SipRequest, SipResponse } from "./sip-message.ts";
import { type Profile, UserAgent } from "./user-agent.ts";
import { commandXml, envelopeXml } from "./xccos-body.ts";
import { attribute, child } from "./xml-reader.ts";

/** What the session takes over from its endpoint; the rest of the context it knows itself. */
export type EndpointContext = Omit<
  IncomingContext,
  "pending" | "dialogs" | "oldDialogStatus" | "datagrams" | "onNotification"
> & {
  onClose(reason: string): void;
};

type CompleteReplies = (replies: readonly Reply[]) => boolean;

const TEXT_PLAIN: readonly SipHeader[] = [["Content-Type", "text/plain"]];

/** One connection of an endpoint and what lives on it: registration, lookup and pool dialog, commands under way. */
export class ChatSession {
  readonly pending = new PendingCommands();
  readonly options: EndpointOptions;
  readonly agent: UserAgent;
  readonly registration: Registration;
  readonly presence: OwnPresence;
  provisioning: Provisioning | undefined;
  /** The dialog that commands go to: the lookup's, then the pool's. */
  current: ChatDialog | undefined;
  /** How often a 481 made the client start over (quirk). */
  restarts = 0;
  private readonly context: EndpointContext;
  private readonly incoming: IncomingContext;
  private dialogs: ChatDialog[] = [];
  private envid: number;
  private plan: SignInOptions = {};
  private updateTimer: NodeJS.Timeout | undefined;
  private restarting: Promise<void> | undefined;

  private constructor(
    connection: SipConnection,
    profile: Profile,
    options: EndpointOptions,
    context: EndpointContext,
  ) {
    this.options = options;
    this.context = context;
    this.agent = new UserAgent(connection, profile);
    this.registration = new Registration(this.agent);
    this.presence = new OwnPresence(this.agent, context.inbox, context.watch);
    this.envid = options.envidStart ?? profile.ids.envidStart();
    this.incoming = {
      ...context,
      pending: this.pending,
      datagrams: profile.transport === "udp",
      // COMPAT(pidgin-sipe, 1.25): says 487 where RFC 3261 has 481.
      oldDialogStatus: profile.quirks.viaWithoutBranch ? 487 : 481,
      dialogs: () => this.dialogs,
      onNotification: (request) => this.presence.receive(request),
    };
  }

  /** @throws ClientError kind "connect" */
  static async connect(
    options: EndpointOptions,
    profile: Profile,
    context: EndpointContext,
  ): Promise<ChatSession> {
    const live: { session?: ChatSession } = {};
    const connection = await SipConnection.open(
      {
        ...options,
        transport: profile.transport,
        connectTimeoutMs: profile.timeoutMs,
      },
      {
        onRequest: (request) => live.session?.receive(request),
        onClose: (reason, broken) => live.session?.closed(reason, broken),
      },
    );
    live.session = new ChatSession(connection, profile, options, context);
    return live.session;
  }

  /** The sign-in of a stock client, step by step. @throws ClientError */
  async signIn(plan: SignInOptions): Promise<void> {
    this.plan = plan;
    if (plan.register !== false) {
      const answer = await this.registration.register(this.options.sipe === true ? undefined : 3600);
      for (const fault of registrationFaults(answer)) this.context.watch.violation(fault);
    }
    if (plan.provision !== false) this.provisioning = await fetchProvisioning(this.agent);
    await this.openChat();
    if (this.agent.profile.quirks.sessionHabits) {
      await this.command("getinv", `<inv inviteId="1" domain="${domainOf(this.options.address)}"/>`);
    }
  }

  /** Lookup (INVITE, cmd:requri, BYE) and then the pool dialog. */
  private async openChat(): Promise<void> {
    let uri = this.firstUri();
    let sessionSeconds = 0;
    if (this.plan.lookup !== false) {
      const lookup = await this.openDialog(uri, "lookup-");
      sessionSeconds = lookup.sessionExpiresSeconds;
      const [reply] = await this.exchange("requri", "");
      const block = reply && child(reply.data, "uib");
      uri = block ? attribute(block, "uri") : "";
      if (uri === "") throw new ClientError("refused", "requri: no uri in the reply", reply?.code ?? 0);
      await lookup.bye();
    }
    // Copies may come right behind the 200; what was missed on an older dialog comes by history only.
    this.context.watch.forgetNumbers();
    const pool = await this.openDialog(uri, "");
    this.armUpdates(pool, sessionSeconds);
  }

  private firstUri(): string {
    if (this.plan.poolUri !== undefined) return this.plan.poolUri;
    const { enabled, poolUri } = this.provisioning ?? { enabled: false, poolUri: "" };
    if (enabled && poolUri !== "") return poolUri;
    // COMPAT(pidgin-sipe, 1.25): tries the conventional name even when chat is switched off.
    if (this.agent.profile.quirks.sessionHabits) return `sip:ocschat@${domainOf(this.options.address)}`;
    throw new ClientError("disabled", "persistent chat is not enabled for this user");
  }

  private async openDialog(uri: string, callIdPrefix: string): Promise<ChatDialog> {
    const fixed = this.options.fixed ?? {};
    const chat = new ChatDialog(this.agent, uri, {
      ...fixed,
      ...(fixed.callId === undefined ? {} : { callId: callIdPrefix + fixed.callId }),
    });
    // Known before the 200 arrives: the server's first INFO may be right behind it.
    this.dialogs = [chat, ...this.dialogs].slice(0, 8);
    this.current = chat;
    const answer = await chat.invite(this.options.port);
    if (chat.sessionExpiresSeconds === 0) this.context.watch.violation("INVITE 200 without Session-Expires");
    if (answer.body.length === 0) this.context.watch.violation("INVITE 200 without an SDP answer");
    return chat;
  }

  /** COMPAT(pidgin-sipe, 1.25): the lookup's Session-Expires makes the pool dialog's UPDATEs, 10 s early. */
  private armUpdates(pool: ChatDialog, seconds: number): void {
    clearTimeout(this.updateTimer);
    if (!this.agent.profile.quirks.sessionHabits || seconds <= 0) return;
    const everyMs = (seconds > 10 ? seconds - 10 : seconds) * 1000;
    this.updateTimer = setTimeout(() => {
      if (pool.ended || this.agent.connection.closed) return;
      pool.request("UPDATE", undefined).then(
        (response) => (response.status === 481 ? this.startOver() : this.armUpdates(pool, seconds)),
        () => undefined,
      );
    }, everyMs);
    this.updateTimer.unref();
  }

  nextEnvid(): number {
    const envid = this.envid;
    this.envid += 1;
    return envid;
  }

  /** Sends a body as INFO of the current dialog and resolves with the final response. @throws ClientError */
  async info(body: Buffer, overrides: RequestOverrides = {}): Promise<SipResponse> {
    await this.restarting;
    return this.sendInfo(body, overrides);
  }

  private async sendInfo(body: Buffer, overrides: RequestOverrides): Promise<SipResponse> {
    const chat = this.current;
    if (!chat) throw new ClientError("state", "not signed in");
    const response = await chat.request("INFO", body, { headers: TEXT_PLAIN, ...overrides });
    if (
      response.status === 481 &&
      this.agent.profile.quirks.restartOn481 &&
      chat === this.current &&
      !chat.ended
    ) {
      this.startOver().catch(() => undefined);
    }
    return response;
  }

  /**
   * Sends a command, expects 200 for its INFO, waits for its replies.
   * @throws ClientError "refused" with the INFO's status, or "timeout"
   */
  async command(name: string, dataXml: string, complete?: CompleteReplies): Promise<Reply[]> {
    await this.restarting;
    return this.exchange(name, dataXml, complete);
  }

  private async exchange(name: string, dataXml: string, complete?: CompleteReplies): Promise<Reply[]> {
    const envid = this.nextEnvid();
    const replies = this.pending.expect(envid, 1, this.agent.profile.timeoutMs, complete);
    // The INFO's own failure is what the caller sees; the reply's is then nobody's business.
    replies.catch(() => undefined);
    const body = Buffer.from(envelopeXml(envid, commandXml(name, dataXml)));
    try {
      const response = await this.sendInfo(body, {});
      if (response.status !== 200) {
        throw new ClientError(
          "refused",
          `cmd:${name}: ${response.status} ${response.reason}`,
          response.status,
        );
      }
    } catch (error) {
      this.pending.cancel(envid, 1, new ClientError("state", "its INFO failed"));
      throw error;
    }
    return replies;
  }

  /** BYE, lookup, new pool dialog; rooms are not joined again. One at a time. */
  startOver(): Promise<void> {
    this.restarting ??= this.leaveDialog()
      .then(() => this.openChat())
      .then(() => {
        this.restarts += 1;
      })
      .finally(() => {
        this.restarting = undefined;
        this.context.inbox.wake();
      });
    return this.restarting;
  }

  /** BYE on the current dialog; whatever the server says to it, the dialog is over. */
  async leaveDialog(): Promise<void> {
    clearTimeout(this.updateTimer);
    const chat = this.current;
    if (!chat?.dialog || chat.ended) return;
    await chat.bye().catch(() => undefined);
  }

  private receive(request: SipRequest): void {
    handleRequest(request, this.agent.connection, this.incoming);
  }

  private closed(reason: string, broken: boolean): void {
    if (broken) this.context.watch.violation(`stream cannot be followed: ${reason}`);
    clearTimeout(this.updateTimer);
    this.pending.cancelAll(new ClientError("closed", "connection closed while waiting for a reply"));
    this.context.onClose(reason);
  }
}
