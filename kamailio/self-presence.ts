import type { Aor, User } from "../src/chat/user.ts";
import type { Clock, NodeBus, OutgoingDialog, SipSender, UserStore } from "../src/ports.ts";
import { asAnswer } from "../src/receive.ts";
import type { Answer } from "../src/session.ts";
import { normaliseAor } from "../src/sip/aor.ts";
import type { DialogToken, Flow, Incarnation } from "../src/sip/dialog.ts";
import type { PublicationStore } from "../src/user-ports.ts";
import { XccosError } from "../src/xccos/error.ts";
import { decodePublish, PUBLISH_CONTENT_TYPE, type WirePublish } from "../src/xccos/publish.ts";
import {
  encodeRoamingData,
  encodeVersionFault,
  FAULT_CONTENT_TYPE,
  SELF_CONTENT_TYPE,
  SELF_EVENT,
} from "../src/xccos/roaming-self.ts";
import { contactUri } from "./batch.ts";
import { dialogRecord } from "./invite.ts";
import { flowOf, isSipe, type SipRequest } from "./requests.ts";
import { expiresOf, SelfSubscription, supports } from "./self-subscription.ts";

/** Subscriptions of one user on this node; of more the oldest goes. */
const MAX_SUBSCRIPTIONS = 16;

interface SelfPresencePorts {
  readonly users: UserStore;
  readonly publications: PublicationStore;
  readonly sender: SipSender;
  readonly bus: NodeBus;
  readonly clock: Clock;
  readonly me: Incarnation;
  /** Of everything a user keeps; it must fit into one answer. */
  readonly maxBytes: number;
  readonly onError: (error: unknown, what: string) => void;
}

type Answering = (answer: Answer, dialog?: OutgoingDialog, onGone?: () => void) => void;

const BAD_EVENT: Answer = { status: 489, reason: "Bad Event" };
const NOT_YOURS: Answer = { status: 403, reason: "Not your presence" };
const NOT_HERE: Answer = { status: 481, reason: "Subscription does not exist" };

/**
 * The part of the presence document that concerns rooms ([MS-PRES]): which rooms a user follows and which words he waits for, the same on
 * all of his computers. Stored for good; who has subscribed is in memory, and after a node's death the refresh is answered 481
 * and the client subscribes anew.
 */
export class SelfPresence {
  private readonly ports: SelfPresencePorts;
  private readonly byToken = new Map<DialogToken, SelfSubscription>();
  private readonly byUser = new Map<number, Set<SelfSubscription>>();
  private readonly byConnection = new Map<string, Set<SelfSubscription>>();
  private telling: Promise<void> = Promise.resolve();

  constructor(ports: SelfPresencePorts) {
    this.ports = ports;
    ports.bus.onMessage((message) => {
      if (message.kind === "published") this.changed(message.userId);
    });
  }

  holds(token: DialogToken): boolean {
    return this.byToken.has(token);
  }

  /** SUBSCRIBE outside of a dialog, for the event package of one's own presence. */
  async subscribe(request: SipRequest, answer: Answering): Promise<void> {
    // COMPAT(SIPE, 1.25): with its own presence document it would publish presence and look for calendars.
    if (isSipe(request)) return answer(BAD_EVENT);
    const user = await this.ports.users.find(request.user as Aor); // vouched for by the edge, in this form
    if (!user?.enabled) return answer(asAnswer("NOT_ENABLED"));
    if (normaliseAor(request.ruri) !== user.uri) return answer(NOT_YOURS);
    const record = dialogRecord(request, user, this.ports.me);
    if ("status" in record) return answer(record);
    const nowMs = this.ports.clock.monotonicMs();
    const subscription = new SelfSubscription(record, request, nowMs);
    const seconds = expiresOf(request);
    if (seconds > 0) this.add(subscription);
    // The client has been told 503 meanwhile: it knows nothing of this subscription.
    await this.tellAll(subscription, request, seconds, answer, () => this.remove(subscription));
  }

  /** SUBSCRIBE within a dialog that `holds` knows: a refresh, or the end with Expires 0. */
  async refresh(request: SipRequest, token: DialogToken, answer: Answering): Promise<void> {
    const subscription = this.byToken.get(token);
    const { state, user } = subscription ?? {};
    const isSame =
      state?.callId === request.callId && state.remoteTag === request.ftag && state.localTag === request.ttag;
    if (!subscription || !isSame) return answer(NOT_HERE);
    if (request.user !== user?.uri) return answer(NOT_YOURS);
    if (request.method !== "SUBSCRIBE") return answer({ status: 405, reason: "Method Not Allowed" });
    const seconds = expiresOf(request);
    const now = await this.ports.users.find(subscription.user.uri);
    const isStanding = this.holds(token);
    this.remove(subscription);
    if (!now?.enabled || !isStanding) return answer(NOT_HERE); // who subscribes anew is told why
    subscription.prolong(flowOf(request), seconds, this.ports.clock.monotonicMs());
    if (seconds > 0) this.add(subscription);
    await this.tellAll(subscription, request, seconds, answer);
  }

  /** SERVICE with a publication: all of it, or none and why. */
  async publish(request: SipRequest, answer: Answering): Promise<void> {
    if (!request.ctype.toLowerCase().startsWith(PUBLISH_CONTENT_TYPE))
      return answer({
        status: 415,
        reason: "Unsupported Media Type",
        headers: [`Accept: ${PUBLISH_CONTENT_TYPE}`],
      });
    const user = await this.ports.users.find(request.user as Aor); // vouched for by the edge, in this form
    if (!user?.enabled) return answer(asAnswer("NOT_ENABLED"));
    const wanted = decode(request.body);
    if ("status" in wanted) return answer(wanted);
    if (normaliseAor(request.ruri) !== user.uri || normaliseAor(wanted.uri) !== user.uri)
      return answer(NOT_YOURS);
    answer(await this.store(user, wanted));
  }

  /** A connection is closed: what was subscribed over it is over. */
  closed(edge: string, edgeStart: string, conid: number): void {
    if (conid === 0) return; // datagrams have no connection
    for (const subscription of [...(this.byConnection.get(`${edge} ${edgeStart} ${conid}`) ?? [])])
      this.remove(subscription);
  }

  /** Ends what has run out, and finds changes that no other node could tell of. */
  async look(): Promise<void> {
    const nowMs = this.ports.clock.monotonicMs();
    for (const subscription of [...this.byToken.values()])
      if (subscription.expiresMs <= nowMs) this.remove(subscription);
    const revisions = await this.ports.publications.revisions([...this.byUser.keys()]);
    for (const [userId, revision] of revisions) {
      const behind = [...(this.byUser.get(userId) ?? [])].some((one) => one.revision < revision);
      if (behind) await this.inTurn(() => this.notify(userId, revision));
    }
  }

  private async store(user: User, wanted: WirePublish): Promise<Answer> {
    const changes = wanted.publications;
    if (changes.length === 0) return { status: 200, reason: "OK" };
    const published = await this.ports.publications.publish(user.id, changes, this.ports.maxBytes);
    if (!published.done) {
      const conflicts = published.conflicts.map(({ index, current }) => {
        const change = changes[index];
        return { index: change?.index ?? 0, version: change?.version ?? 0, current };
      });
      const body = encodeVersionFault(conflicts);
      return { status: 409, reason: "Conflict", body, contentType: FAULT_CONTENT_TYPE };
    }
    this.ports.bus.publish({ kind: "published", userId: user.id });
    this.changed(user.id);
    return {
      status: 200,
      reason: "OK",
      body: encodeRoamingData(user.uri, published.publications),
      contentType: SELF_CONTENT_TYPE,
    };
  }

  private changed(userId: number): void {
    if (!this.byUser.has(userId)) return;
    this.inTurn(() => this.notify(userId, 0)).catch((error: unknown) =>
      this.ports.onError(error, "telling what is followed"),
    );
  }

  /** One after the other: a change must not be told by one reading of the store while another one passes over it. */
  private inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.telling.then(work, work);
    this.telling = done.catch(() => {});
    return done;
  }

  private async notify(userId: number, revision: number): Promise<void> {
    const behind = [...(this.byUser.get(userId) ?? [])];
    for (const after of new Set(behind.map((one) => one.revision))) {
      const found = await this.ports.publications.find(userId, after);
      for (const one of behind) {
        if (one.revision !== after || !this.byToken.has(one.token)) continue;
        one.revision = Math.max(found.revision, revision);
        if (found.publications.length === 0) continue;
        this.ports.sender.send(encodeRoamingData(one.user.uri, found.publications), [one], 0);
      }
    }
  }

  /** The whole document: in the answer itself when the client reads it there, else in a notification behind it. */
  private async tellAll(
    subscription: SelfSubscription,
    request: SipRequest,
    seconds: number,
    answer: Answering,
    onGone?: () => void,
  ): Promise<void> {
    const { user, state, flow } = subscription;
    const { revision, publications } = await this.ports.publications.find(user.id, 0);
    subscription.revision = revision;
    const body = encodeRoamingData(user.uri, publications);
    const headers = [
      `Contact: <${contactUri(state, flow)}>`,
      `Expires: ${seconds}`,
      `Event: ${SELF_EVENT}`,
      `subscription-state: ${seconds > 0 ? `active;expires=${seconds}` : "terminated;expires=0"}`,
      "Supported: ms-benotify, ms-piggyback-first-notify",
    ];
    if (supports(request, "ms-piggyback-first-notify")) {
      const piggyback = `ms-piggyback-cseq: ${subscription.nextCSeq()}`;
      const all = [...headers, piggyback];
      return answer(
        { status: 200, reason: "OK", headers: all, body, contentType: SELF_CONTENT_TYPE },
        subscription,
        onGone,
      );
    }
    answer({ status: 200, reason: "OK", headers }, subscription, onGone);
    if (seconds > 0) this.ports.sender.send(body, [subscription], 0);
  }

  private add(subscription: SelfSubscription): void {
    const { token, user, flow } = subscription;
    this.byToken.set(token, subscription);
    into(this.byConnection, connectionKey(flow), subscription);
    const all = into(this.byUser, user.id, subscription);
    for (const oldest of all) {
      if (all.size <= MAX_SUBSCRIPTIONS) break;
      this.remove(oldest);
    }
  }

  private remove(subscription: SelfSubscription): void {
    const { token, user, flow } = subscription;
    this.byToken.delete(token);
    outOf(this.byConnection, connectionKey(flow), subscription);
    outOf(this.byUser, user.id, subscription);
  }
}

function connectionKey({ edge, edgeStart, conid }: Flow): string {
  return `${edge} ${edgeStart} ${conid}`;
}

function into<K, V>(index: Map<K, Set<V>>, key: K, value: V): Set<V> {
  const all = index.get(key) ?? new Set<V>();
  index.set(key, all.add(value));
  return all;
}

function outOf<K, V>(index: Map<K, Set<V>>, key: K, value: V): void {
  const all = index.get(key);
  all?.delete(value);
  if (all?.size === 0) index.delete(key);
}

/** Whether a request is for the event package that this file serves. */
export function isSelfEvent({ event }: SipRequest): boolean {
  return event.split(";")[0]?.trim().toLowerCase() === SELF_EVENT;
}

function decode(body: Uint8Array): WirePublish | Answer {
  try {
    return decodePublish(body);
  } catch (error) {
    if (!(error instanceof XccosError)) throw error;
    if (error.reason === "too-large") return { status: 413, reason: "Too much to publish" };
    return { status: 400, reason: "Not a publication" };
  }
}
