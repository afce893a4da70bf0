import { randomInt } from "node:crypto";
import { ClientError } from "./client-error.ts";
import type { Inbox } from "./inbox.ts";
import type { ServerWatch } from "./server-watch.ts";
import { dialogOfAnswer, type SipDialog } from "./sip-dialog.ts";
import { headerValue, readCseq, type SipRequest, type SipResponse } from "./sip-message.ts";
import type { UserAgent } from "./user-agent.ts";
import { attribute, child, children, escapeXml, readXml, type XmlElement } from "./xml-reader.ts";

const EVENT = "vnd-microsoft-roaming-self";
const DOCUMENT_TYPE = "application/vnd-microsoft-roaming-self+xml";
const PUBLISH_TYPE = "application/msrtc-category-publish+xml";
/** The number in which this client keeps what is for its user's eyes only. */
const CONTAINER = 1;

/** One instance of a presence category. */
export interface Category {
  readonly name: string;
  readonly instance: number;
  readonly container: number;
  readonly version: number;
  /** By the properties' names. */
  readonly properties: Readonly<Record<string, string>>;
}

export interface Change {
  readonly name: string;
  readonly instance: number;
  readonly version: number;
  /** Markup; undefined removes the instance. */
  readonly content?: string;
}

export interface PublishAnswer {
  readonly status: number;
  /** Of a 409: which of the changes (from 1) came too late, and the version that stands. */
  readonly conflicts: readonly { index: number; current: number }[];
}

/** The user's own presence document ([MS-PRES]), as far as it concerns rooms: subscribed, kept up to date, published to. */
export class OwnPresence {
  /** What the server has told, by category and instance. */
  readonly categories = new Map<string, Category>();
  /** Notifications behind the first answer. */
  notifications = 0;
  private readonly agent: UserAgent;
  private readonly inbox: Inbox;
  private readonly watch: ServerWatch;
  private dialog: SipDialog | undefined;
  /** Known before the answer is: the first notification may be right behind it. */
  private callId: string | undefined;
  /** Highest CSeq of a notification. */
  private told = 0;

  constructor(agent: UserAgent, inbox: Inbox, watch: ServerWatch) {
    this.agent = agent;
    this.inbox = inbox;
    this.watch = watch;
  }

  /** URIs of the rooms the user follows. */
  get followed(): string[] {
    return [...this.categories.values()].flatMap(({ name, properties }) =>
      name === "roomSetting" && properties.url !== undefined ? [properties.url] : [],
    );
  }

  /**
   * Subscribes, or refreshes what is subscribed; 0 seconds end it.
   * @throws ClientError kind "refused", or "syntax" for a 200 without the document
   */
  async subscribe(seconds = 300, options = "ms-benotify, ms-piggyback-first-notify"): Promise<SipResponse> {
    const { address, ids } = this.agent.profile;
    const standing = this.dialog;
    const draft = {
      method: "SUBSCRIBE",
      uri: standing?.remoteTarget ?? address,
      from: standing?.local ?? this.agent.from(ids.tag()),
      to: standing?.remote ?? `<${address}>`,
      callId: standing?.callId ?? ids.callId(),
    };
    if (!standing) this.told = 0;
    this.callId = draft.callId;
    let cseq = (standing?.localCseq ?? 0) + 1;
    const response = await this.agent.request(
      {
        ...draft,
        cseq,
        contact: this.agent.contact(),
        headers: [
          ["Event", EVENT],
          ["Accept", DOCUMENT_TYPE],
          // One option a line, as stock clients write them.
          ...options.split(", ").map((option) => ["Supported", option] as const),
          ["Expires", `${seconds}`],
          ["Content-Type", DOCUMENT_TYPE],
        ],
        body: Buffer.from(
          `<roamingList xmlns="http://schemas.microsoft.com/2006/09/sip/roaming-self"><roaming type="categories"/></roamingList>`,
        ),
      },
      { nextCseq: () => ++cseq },
    );
    if (response.status !== 200)
      throw new ClientError("refused", `SUBSCRIBE: ${response.status} ${response.reason}`, response.status);
    if (!standing) this.dialog = dialogOfAnswer(draft, response);
    else standing.localCseq = cseq;
    if (seconds === 0) this.dialog = undefined;
    if (headerValue(response, "ms-piggyback-cseq") !== undefined) this.read(response.body);
    return response;
  }

  /** @throws ClientError kind "timeout", "closed" */
  async publish(changes: readonly Change[], of = this.agent.profile.address): Promise<PublishAnswer> {
    const list = changes.map(({ name, instance, version, content }) => {
      const gone = content === undefined ? ' expires="0"' : "";
      const head = `categoryName="${escapeXml(name)}" instance="${instance}" container="${CONTAINER}" version="${version}"`;
      return `<publication ${head} expireType="static"${gone}>${content ?? ""}</publication>`;
    });
    const response = await this.service(
      `<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence"><publications uri="${escapeXml(of)}">${list.join("")}</publications></publish>`,
    );
    if (response.status === 200 && response.body.length > 0) this.read(response.body);
    return { status: response.status, conflicts: response.status === 409 ? readConflicts(response) : [] };
  }

  /** A SERVICE request with that body. @throws ClientError kind "timeout", "closed" */
  service(body: string, type = PUBLISH_TYPE): Promise<SipResponse> {
    const { address, ids } = this.agent.profile;
    let cseq = 1;
    return this.agent.request(
      {
        method: "SERVICE",
        uri: address,
        from: this.agent.from(ids.tag()),
        to: `<${address}>`,
        callId: ids.callId(),
        cseq,
        contact: this.agent.contact(),
        headers: [["Content-Type", type]],
        body: Buffer.from(body),
      },
      { nextCseq: () => ++cseq },
    );
  }

  /** Follows a room on every computer of the user. */
  follow(room: string, name: string): Promise<PublishAnswer> {
    const content = `<roomSetting>${propertyList({ url: room, name })}</roomSetting>`;
    return this.publish([{ name: "roomSetting", instance: randomInt(2 ** 31), version: 0, content }]);
  }

  unfollow(room: string): Promise<PublishAnswer> {
    const known = [...this.categories.values()].find(({ properties }) => properties.url === room);
    if (!known) throw new ClientError("state", "this room is not followed");
    return this.publish([{ name: known.name, instance: known.instance, version: known.version }]);
  }

  /** Waits for words, blank-separated, in the rooms that are followed. */
  awaitWords(name: string, keywords: string): Promise<PublishAnswer> {
    const content = `<keywordFilter>${propertyList({ name, keywords })}</keywordFilter>`;
    return this.publish([{ name: "keywordFilter", instance: randomInt(2 ** 31), version: 0, content }]);
  }

  /** The first time that this holds of what the server told. @throws ClientError kind "timeout" */
  async waitUntil(holds: (presence: OwnPresence) => boolean, timeoutMs = 5000): Promise<void> {
    await this.inbox.waitFor(
      () => (holds(this) ? true : undefined),
      timeoutMs,
      "a change of what is followed",
    );
  }

  /** NOTIFY or BENOTIFY. @returns the status for the former */
  receive(request: SipRequest): number {
    if (headerValue(request, "Event") !== EVENT || headerValue(request, "Call-ID") !== this.callId) {
      this.watch.violation(`${request.method} of no subscription of this client`);
      return 481;
    }
    const { number } = readCseq(request);
    if (number <= this.told) this.watch.violation(`${request.method}: CSeq did not rise`);
    this.told = number;
    this.notifications += 1;
    this.read(request.body);
    this.inbox.wake();
    return 200;
  }

  private read(body: Buffer): void {
    const root = readXml(body.toString("utf8"));
    const list = child(root, "categories");
    if (root.name !== "roamingData" || !list) throw new ClientError("syntax", "not a presence document");
    for (const element of children(list, "category")) {
      const category = readCategory(element);
      const key = `${category.name} ${category.instance} ${category.container}`;
      if (attribute(element, "expires") === "0") this.categories.delete(key);
      else this.categories.set(key, category);
    }
  }
}

function propertyList(properties: Readonly<Record<string, string>>): string {
  const list = Object.entries(properties).map(
    ([name, value]) => `<property name="${escapeXml(name)}">${escapeXml(value)}</property>`,
  );
  return `<propertyList xmlns="http://schemas.microsoft.com/2010/12/sip/propertyList">${list.join("")}</propertyList>`;
}

function readCategory(element: XmlElement): Category {
  const properties: Record<string, string> = {};
  const walk = (at: XmlElement): void => {
    if (at.name === "property") properties[attribute(at, "name")] = at.text;
    for (const inner of at.children) walk(inner);
  };
  walk(element);
  return {
    name: attribute(element, "name"),
    instance: Number(attribute(element, "instance")),
    container: Number(attribute(element, "container")),
    version: Number(attribute(element, "version")),
    properties,
  };
}

function readConflicts(response: SipResponse): { index: number; current: number }[] {
  const fault = readXml(response.body.toString("utf8"));
  if (child(fault, "Faultcode")?.text !== "Client.BadCall.WrongDelta")
    throw new ClientError("syntax", "a 409 that does not say what came too late");
  const details = child(fault, "details");
  return (details ? children(details, "operation") : []).map((operation) => ({
    index: Number(attribute(operation, "index")),
    current: Number(attribute(operation, "curVersion")),
  }));
}
