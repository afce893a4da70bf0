import { ClientError } from "./client-error.ts";
import { digestAuthorization, parseChallenge } from "./digest.ts";
import type { IdSource, Quirks } from "./identity.ts";
import { domainOf, hostText, userOf } from "./sip-address.ts";
import type { RequestOptions, SipConnection } from "./sip-connection.ts";
import {
  headerValue,
  headerValues,
  readCseq,
  type SipHeader,
  type SipRequest,
  type SipResponse,
} from "./sip-message.ts";
import type { SipTransport } from "./sip-transport.ts";

/** Who the client is. */
export interface Profile {
  /** "sip:alice@example.com" */
  readonly address: string;
  readonly displayName?: string | undefined;
  /** Digest user name; the address without "sip:" in stock clients. */
  readonly username: string;
  readonly password: string | undefined;
  /** Endpoint id on From; undefined leaves it out. */
  readonly epid: string | undefined;
  readonly userAgent: string;
  readonly quirks: Quirks;
  readonly ids: IdSource;
  readonly transport: SipTransport;
  /** On every request that is no ACK of a refusal. */
  readonly headers?: readonly SipHeader[];
  /** Default limit of a wait for a final response. */
  readonly timeoutMs: number;
}

/** A request before Via, credentials and Content-Length are put on. */
export interface RequestDraft {
  readonly method: string;
  readonly uri: string;
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly cseq: number | string;
  readonly route?: readonly string[];
  readonly contact?: string | undefined;
  readonly headers?: readonly SipHeader[];
  readonly body?: Buffer | undefined;
  /** Part of a dialog (or the INVITE that makes one): the Via quirk applies. */
  readonly inDialog?: boolean;
}

export interface AgentRequestOptions extends RequestOptions {
  /** CSeq of the repetition after a challenge; default: one more. */
  readonly nextCseq?: () => number;
  /** False: a challenge is the final answer. */
  readonly answerChallenge?: boolean;
}

const NO_BODY = Buffer.alloc(0);

/** The sending half of a SIP user agent (RFC 3261 §8.1) on one connection: Via, credentials, ACK for refusals. */
export class UserAgent {
  readonly connection: SipConnection;
  readonly profile: Profile;

  constructor(connection: SipConnection, profile: Profile) {
    this.connection = connection;
    this.profile = profile;
  }

  /** From value of this user with the given tag. */
  from(tag: string): string {
    const { address, displayName, epid } = this.profile;
    const name = displayName === undefined ? "" : `"${displayName.replace(/["\\]/g, "\\$&")}" `;
    return `${name}<${address}>;tag=${tag}${epid === undefined ? "" : `;epid=${epid}`}`;
  }

  /** Contact of dialogs. */
  contact(): string {
    const { address, quirks, transport } = this.profile;
    const host = hostText(this.connection.localAddress);
    const port = this.connection.localPort;
    const user = userOf(address);
    if (!quirks.maddrContact) return `<sip:${user}@${host}:${port};transport=${transport}>`;
    return `<sip:${user}@${domainOf(address)}:${port};maddr=${host};transport=${transport}>;proxy=replace`;
  }

  /**
   * Sends the request, answers one digest challenge, ACKs a refused INVITE, resolves with the final response.
   * The CSeq that counted is in the response.
   * @throws ClientError kind "timeout", "closed", or "refused" for a challenge this client does not accept
   */
  async request(draft: RequestDraft, options: AgentRequestOptions = {}): Promise<SipResponse> {
    const { quirks, password } = this.profile;
    const wait: RequestOptions = { timeoutMs: options.timeoutMs ?? this.profile.timeoutMs, ...pick(options) };
    const branch = this.branchFor(draft);
    const first = this.compose(draft, branch);
    const response = await this.connection.request(first, wait);
    const challenged = response.status === 401 || response.status === 407;
    if (draft.method === "INVITE" && response.status >= 300) this.ackRefusal(first, response);
    if (!challenged || password === undefined || options.answerChallenge === false) return response;

    const cseq = quirks.sameRequestOnRetry
      ? draft.cseq
      : (options.nextCseq?.() ?? (typeof draft.cseq === "number" ? draft.cseq + 1 : draft.cseq));
    const repeated = {
      ...draft,
      cseq,
      headers: [...(draft.headers ?? []), this.credentials(draft, response)],
    };
    const second = this.compose(repeated, quirks.sameRequestOnRetry ? branch : this.branchFor(draft));
    const final = await this.connection.request(second, wait);
    if (draft.method === "INVITE" && final.status >= 300) this.ackRefusal(second, final);
    return final;
  }

  /** Sends a request that gets no response: the ACK of a 2xx (RFC 3261 §13.2.2.4). */
  ack(draft: RequestDraft): void {
    this.connection.send(this.compose(draft, this.branchFor(draft)));
  }

  private branchFor(draft: RequestDraft): string {
    const { quirks, ids } = this.profile;
    return quirks.viaWithoutBranch && draft.inDialog === true ? "" : ids.branch();
  }

  private compose(draft: RequestDraft, branch: string): SipRequest {
    const { quirks, transport, userAgent } = this.profile;
    const protocol = quirks.lowerCaseTransport ? transport : transport.toUpperCase();
    const sentBy = `${hostText(this.connection.localAddress)}:${this.connection.localPort}`;
    const cseq = typeof draft.cseq === "number" ? `${draft.cseq} ${draft.method}` : draft.cseq;
    const headers: SipHeader[] = [
      ["Via", `SIP/2.0/${protocol} ${sentBy}${branch && `;branch=${branch}`}`],
      ["From", draft.from],
      ["To", draft.to],
      ["Max-Forwards", "70"],
      ["CSeq", cseq],
      ["User-Agent", userAgent],
      ["Call-ID", draft.callId],
    ];
    for (const route of draft.route ?? []) headers.push(["Route", route]);
    if (draft.contact !== undefined) headers.push(["Contact", draft.contact]);
    headers.push(...(this.profile.headers ?? []), ...(draft.headers ?? []));
    return { kind: "request", method: draft.method, uri: draft.uri, headers, body: draft.body ?? NO_BODY };
  }

  private credentials(draft: RequestDraft, response: SipResponse): SipHeader {
    const { quirks, ids, username, password } = this.profile;
    const proxy = response.status === 407;
    if (!proxy && quirks.nullDigestUri) {
      throw new ClientError("refused", "incompatible authentication scheme: 401 instead of 407", 401);
    }
    const offers = headerValues(response, proxy ? "Proxy-Authenticate" : "WWW-Authenticate");
    const challenge = offers.map(parseChallenge).find((offer) => offer !== undefined);
    if (!challenge) throw new ClientError("refused", "no Digest MD5 among the challenges", response.status);
    const value = digestAuthorization({
      challenge,
      username,
      password: password ?? "",
      method: draft.method,
      uri: quirks.nullDigestUri ? "(null)" : draft.uri,
      cnonce: ids.nonce(),
      alwaysQop: quirks.nullDigestUri,
    });
    return [proxy ? "Proxy-Authorization" : "Authorization", value];
  }

  /** RFC 3261 §17.1.1.3: the ACK of a refusal belongs to the INVITE's transaction. */
  private ackRefusal(invite: SipRequest, response: SipResponse): void {
    if (this.profile.quirks.noAckForRefusal) return;
    const copy = (name: string): SipHeader => [name, headerValue(invite, name) ?? ""];
    this.connection.send({
      kind: "request",
      method: "ACK",
      uri: invite.uri,
      headers: [
        copy("Via"),
        copy("From"),
        ["To", headerValue(response, "To") ?? ""],
        ["Max-Forwards", "70"],
        copy("Call-ID"),
        ["CSeq", `${readCseq(invite).number} ACK`],
        ...headerValues(invite, "Route").map((route): SipHeader => ["Route", route]),
      ],
      body: NO_BODY,
    });
  }
}

function pick(options: AgentRequestOptions): RequestOptions {
  return options.onProvisional ? { onProvisional: options.onProvisional } : {};
}
