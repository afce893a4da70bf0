import { randomUUID } from "node:crypto";
import { ClientError } from "./client-error.ts";
import { domainOf, hostText } from "./sip-address.ts";
import { headerValue, headerValues, type SipHeader, type SipResponse } from "./sip-message.ts";
import type { UserAgent } from "./user-agent.ts";
import { attribute, child, children, readXml } from "./xml-reader.ts";

/** What the server provisioned the user with ([MS-SIPREGE] §2.2.2.5.11). */
export interface Provisioning {
  readonly enabled: boolean;
  /** "sip:…", or "" when none was given. */
  readonly poolUri: string;
  /** Every property of the group, by name. */
  readonly properties: Readonly<Record<string, string>>;
}

/** Without these three lines in the REGISTER 200 a stock client never starts chat: returns what is wrong with them. */
export function registrationFaults(response: SipResponse): string[] {
  const faults: string[] = [];
  if (!(Number(headerValue(response, "Expires")) > 0)) faults.push("REGISTER 200 without an Expires header");
  if (!headerValues(response, "Supported").includes("msrtc-event-categories")) {
    faults.push("REGISTER 200 without a line Supported: msrtc-event-categories");
  }
  const events = headerValues(response, "Allow-Events").flatMap((line) => line.split(","));
  if (!events.includes("vnd-microsoft-provisioning-v2")) {
    faults.push("REGISTER 200 without vnd-microsoft-provisioning-v2 in Allow-Events");
  }
  return faults;
}

/** The REGISTERs of one client: one Call-ID, rising CSeq (RFC 3261 §10.2). */
export class Registration {
  private readonly agent: UserAgent;
  private readonly callId: string;
  private readonly tag: string;
  private readonly instance: string;
  private cseq = 0;

  constructor(agent: UserAgent, instance: string = randomUUID()) {
    this.agent = agent;
    this.callId = agent.profile.ids.callId();
    this.tag = agent.profile.ids.tag();
    this.instance = instance;
  }

  /**
   * REGISTER with digest. `expiresSeconds` undefined leaves the header out, 0 removes the binding.
   * @throws ClientError kind "refused" with the status
   */
  async register(expiresSeconds?: number, answerChallenge = true): Promise<SipResponse> {
    const { address, transport } = this.agent.profile;
    const { localAddress, localPort } = this.agent.connection;
    const own = `sip:${hostText(localAddress)}:${localPort};transport=${transport};ms-opaque=d3470f2e1d`;
    this.cseq += 1;
    const headers: SipHeader[] = [
      ["Supported", "gruu-10, adhoclist, msrtc-event-categories, com.microsoft.msrtc.presence"],
      ["Event", "registration"],
      ["Allow-Events", "presence"],
      ["ms-keep-alive", "UAC;hop-hop=yes"],
    ];
    if (expiresSeconds !== undefined) headers.push(["Expires", `${expiresSeconds}`]);
    const response = await this.agent.request(
      {
        method: "REGISTER",
        uri: `sip:${domainOf(address)}`,
        from: this.agent.from(this.tag),
        to: `<${address}>`,
        callId: this.callId,
        cseq: this.cseq,
        contact: `<${own}>;methods="INVITE, MESSAGE, INFO, OPTIONS, BYE, CANCEL, NOTIFY, ACK, REFER, BENOTIFY";proxy=replace;+sip.instance="<urn:uuid:${this.instance}>"`,
        headers,
      },
      {
        answerChallenge,
        nextCseq: () => {
          this.cseq += 1;
          return this.cseq;
        },
      },
    );
    if (response.status !== 200) {
      throw new ClientError("refused", `REGISTER: ${response.status} ${response.reason}`, response.status);
    }
    return response;
  }
}

const PROVISIONING_TYPE = "application/vnd-microsoft-roaming-provisioning-v2+xml";
const ASKED_GROUPS = ["ServerConfiguration", "meetingPolicy", "persistentChatConfiguration", "ucPolicy"];

/**
 * Asks for the in-band provisioning document ([MS-SIPREGE]), which has to come in the SUBSCRIBE's 200.
 * @throws ClientError kind "refused" (status of the 200's place), "syntax" for a 200 a stock client would not read
 */
export async function fetchProvisioning(agent: UserAgent): Promise<Provisioning> {
  const { address, ids } = agent.profile;
  const groups = ASKED_GROUPS.map((name) => `<provisioningGroup name="${name}"/>`).join("");
  let cseq = 1;
  const response = await agent.request(
    {
      method: "SUBSCRIBE",
      uri: address,
      from: agent.from(ids.tag()),
      to: `<${address}>`,
      callId: ids.callId(),
      cseq,
      contact: agent.contact(),
      headers: [
        ["Event", "vnd-microsoft-provisioning-v2"],
        ["Accept", PROVISIONING_TYPE],
        ["Supported", "com.microsoft.autoextend"],
        ["Supported", "ms-benotify"],
        ["Proxy-Require", "ms-benotify"],
        ["Supported", "ms-piggyback-first-notify"],
        ["Expires", "0"],
        ["Content-Type", PROVISIONING_TYPE],
      ],
      body: Buffer.from(
        `<provisioningGroupList xmlns="http://schemas.microsoft.com/2006/09/sip/provisioninggrouplist">${groups}</provisioningGroupList>`,
      ),
    },
    { nextCseq: () => ++cseq },
  );
  if (response.status !== 200) {
    throw new ClientError("refused", `SUBSCRIBE: ${response.status} ${response.reason}`, response.status);
  }
  if (headerValue(response, "ms-piggyback-cseq") === undefined) {
    throw new ClientError("syntax", "SUBSCRIBE 200 without ms-piggyback-cseq: its body would not be read");
  }
  if (headerValue(response, "Event") !== "vnd-microsoft-provisioning-v2") {
    throw new ClientError("syntax", "SUBSCRIBE 200 without the Event of provisioning");
  }
  return readProvisioning(response.body.toString("utf8"));
}

/** Reads a provisionGroupList. A missing group means: not enabled. @throws ClientError kind "syntax" */
export function readProvisioning(document: string): Provisioning {
  const groups = children(readXml(document), "provisionGroup");
  const group = groups.find((candidate) => attribute(candidate, "name") === "persistentChatConfiguration");
  const list = group && child(group, "propertyEntryList");
  const properties: Record<string, string> = {};
  for (const property of list ? children(list, "property") : []) {
    properties[attribute(property, "name")] = property.text;
  }
  return {
    enabled: properties.EnablePersistentChat === "true",
    poolUri: properties.DefaultPersistentChatPoolUri ?? "",
    properties,
  };
}
