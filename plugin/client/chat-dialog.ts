import { ClientError } from "./client-error.ts";
import { hostText } from "./sip-address.ts";
import { dialogOfAnswer, type SipDialog } from "./sip-dialog.ts";
import { headerValue, readCseq, type SipHeader, type SipResponse } from "./sip-message.ts";
import type { UserAgent } from "./user-agent.ts";

/** Names a test may pin down, so that two clients look the same on the wire. */
export interface FixedNames {
  readonly callId?: string;
  readonly fromTag?: string;
}

/** Everything about an in-dialog request that a bad-input test may replace. */
export interface RequestOverrides {
  readonly headers?: readonly SipHeader[];
  /** A number, or the whole CSeq value. */
  readonly cseq?: number | string;
  readonly ruri?: string;
  readonly callId?: string;
  /** Whole From and To values. */
  readonly from?: string;
  readonly to?: string;
  readonly timeoutMs?: number;
}

/** The dialog that carries XCCOS: INVITE with an SDP that promises no media, then INFOs both ways. */
export class ChatDialog {
  /** The URI the client invited; the server's INFOs come from it. */
  readonly invitedUri: string;
  readonly callId: string;
  readonly localTag: string;
  /** After the 200. */
  dialog: SipDialog | undefined;
  /** Seconds, from Session-Expires of the 200; 0 when there was none. */
  sessionExpiresSeconds = 0;
  ended = false;
  endedByServer = false;
  private readonly agent: UserAgent;
  private readonly seen = new Set<string>();

  constructor(agent: UserAgent, invitedUri: string, fixed: FixedNames = {}) {
    this.agent = agent;
    this.invitedUri = invitedUri;
    this.callId = fixed.callId ?? agent.profile.ids.callId();
    this.localTag = fixed.fromTag ?? agent.profile.ids.tag();
  }

  /**
   * INVITE, and ACK of its 200. Resolves with the 200.
   * @throws ClientError kind "refused" with the status
   */
  async invite(sipPort: number): Promise<SipResponse> {
    const { agent, invitedUri: uri, callId } = this;
    const from = agent.from(this.localTag);
    let cseq = 1;
    const draft = { uri, from, to: `<${uri}>`, callId, contact: agent.contact(), inDialog: true };
    const response = await agent.request(
      {
        ...draft,
        method: "INVITE",
        cseq,
        headers: [
          ["Supported", "ms-sender"],
          ["Content-Type", "application/sdp"],
        ],
        body: sessionDescription(agent.connection.localAddress, sipPort),
      },
      { nextCseq: () => ++cseq },
    );
    if (response.status !== 200) {
      throw new ClientError(
        "refused",
        `INVITE ${uri}: ${response.status} ${response.reason}`,
        response.status,
      );
    }
    const dialog = dialogOfAnswer({ callId, from, uri }, response);
    this.dialog = dialog;
    this.sessionExpiresSeconds = Number.parseInt(headerValue(response, "Session-Expires") ?? "0", 10) || 0;
    agent.ack({
      ...draft,
      method: "ACK",
      uri: dialog.remoteTarget,
      to: dialog.remote,
      route: dialog.routeSet,
      contact: undefined,
      cseq: readCseq(response).number,
    });
    return response;
  }

  /**
   * One request in the dialog. CSeq rises by one per request (RFC 3261 §12.2.1.1) unless it is given.
   * @throws ClientError kind "state" before the 200, "timeout", "closed"
   */
  request(method: string, body: Buffer | undefined, overrides: RequestOverrides = {}): Promise<SipResponse> {
    const dialog = this.dialog;
    if (!dialog) return Promise.reject(new ClientError("state", `${method} before the dialog stands`));
    const next = () => {
      dialog.localCseq += 1;
      return dialog.localCseq;
    };
    return this.agent.request(
      {
        method,
        uri: overrides.ruri ?? dialog.remoteTarget,
        from: overrides.from ?? dialog.local,
        to: overrides.to ?? dialog.remote,
        callId: overrides.callId ?? this.callId,
        cseq: overrides.cseq ?? next(),
        route: dialog.routeSet,
        headers: overrides.headers ?? [],
        body,
        inDialog: true,
      },
      { nextCseq: next, ...(overrides.timeoutMs === undefined ? {} : { timeoutMs: overrides.timeoutMs }) },
    );
  }

  /** Whether a request with this Via has come before; remembers the newest hundred. */
  hasSeen(via: string): boolean {
    if (this.seen.has(via)) return true;
    this.seen.add(via);
    const oldest = this.seen.values().next();
    if (this.seen.size > 100 && !oldest.done) this.seen.delete(oldest.value);
    return false;
  }

  /** BYE; afterwards nothing is expected on this dialog. Resolves with the response. */
  async bye(): Promise<SipResponse> {
    try {
      return await this.request("BYE", undefined);
    } finally {
      this.ended = true;
    }
  }
}

/** No media: the offer only says that text goes through the dialog. The port is the server's SIP port. */
function sessionDescription(localAddress: string, sipPort: number): Buffer {
  const family = localAddress.includes(":") ? "IP6" : "IP4";
  const address = hostText(localAddress).replace(/[[\]]/g, "");
  const lines = [
    "v=0",
    `o=- 0 0 IN ${family} ${address}`,
    "s=session",
    `c=IN ${family} ${address}`,
    "t=0 0",
    `m=message ${sipPort} sip null`,
    "a=accept-types:text/plain text/html image/gif application/im-iscomposing+xml application/ms-imdn+xml text/x-msmsgsinvite",
    "",
  ];
  return Buffer.from(lines.join("\r\n"));
}
