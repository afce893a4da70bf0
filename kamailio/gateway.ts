import { timingSafeEqual } from "node:crypto";
import { ChatError } from "../src/chat/errors.ts";
import type { Aor } from "../src/chat/user.ts";
import type { OutgoingDialog } from "../src/ports.ts";
import { asAnswer, receive } from "../src/receive.ts";
import type { Answer, Session } from "../src/session.ts";
import { parseContactUser } from "../src/sip/dialog.ts";
import type { Edge, GatewayPorts } from "./gateway-ports.ts";
import { answerInvite, answerRefresh, dialogRecord, provisioningAnswer } from "./invite.ts";
import { decodeNotification, endsDialog, flowOf, type NegativeReply, type SipRequest } from "./requests.ts";
import { isSelfEvent } from "./self-presence.ts";

/** A request older than this by Kamailio's clock is not begun: its 503 is or was the answer (Kamailio waits 2 s). */
const LATEST_START_MS = 1_500;
/** Requests under way in this node; beyond it 503 for everybody. */
const MAX_UNDER_WAY = 4_000;
const MAX_DIALOGS_PER_USER = 64;

const NOT_HERE: Answer = { status: 481, reason: "Call/Transaction Does Not Exist" };
const METHODS = "INVITE, ACK, CANCEL, BYE, INFO, UPDATE, OPTIONS, SUBSCRIBE";

/** Kamailio's requests and events, turned into what sessions understand; their outcome turned into SIP answers. */
export class Gateway {
  private readonly ports: GatewayPorts;
  private readonly key: Buffer;
  private underWay = 0;
  /** Dialogs being written, by user id. */
  private readonly opening = new Map<number, number>();

  constructor(ports: GatewayPorts) {
    this.ports = ports;
    this.key = Buffer.from(ports.key);
  }

  /** One notification from the link. Never throws. */
  onNotification(method: string, params: unknown): void {
    const notification = decodeNotification(method, params);
    if (!notification) return this.ports.onStranger("not a notification of an edge");
    const { said } = notification;
    const edge = this.ports.edges.get(said.edge);
    if (!edge || !this.isKey(said.key)) return this.ports.onStranger("without the right key");
    if (!this.ports.maySpeak()) return; // another node may be speaking for this one already
    edge.heard(said.start);
    switch (notification.kind) {
      case "request":
        return this.onRequest(notification.said, edge);
      case "closed":
        return this.onClosed(said.edge, said.start, notification.said.conid);
      case "reply":
        return this.onReply(notification.said);
      case "hello":
        // A standby hears what was meant for another node: that one's way is closed.
        return notification.said.node === this.ports.node ? edge.greeted() : undefined;
      default:
        notification satisfies never;
    }
  }

  /** A connection is gone: its dialogs keep their rooms for a while, and get nothing. */
  onClosed(edge: string, start: string, conid: number): void {
    this.ports.selfPresence.closed(edge, start, conid);
    for (const session of this.ports.sessions.onConnection(edge, start, conid)) this.lost(session);
  }

  /** This dialog gets nothing more where it is: it keeps its rooms for a while, until its client is heard again. */
  onUnserved(token: Session["token"]): void {
    const session = this.ports.sessions.find(token);
    if (session) this.lost(session);
  }

  /** All connections of an earlier life of an edge are gone. */
  onEdgeStart(edge: string, start: string): void {
    for (const session of this.ports.sessions.all()) {
      const { flow } = session;
      if (flow.edge === edge && flow.edgeStart !== start)
        this.inTurn(session, () => this.ports.attendance.edgeBegan(session, edge, start));
    }
  }

  /** Where it is now: its client may come from elsewhere before its turn comes. */
  private lost(session: Session): void {
    const { flow } = session;
    this.inTurn(session, () => this.ports.attendance.away(session, flow));
  }

  private isKey(given: string): boolean {
    const bytes = Buffer.from(given);
    return bytes.length === this.key.length && timingSafeEqual(bytes, this.key);
  }

  private onReply(reply: NegativeReply): void {
    this.ports.onRefused(reply.status, reply.callId);
    if (!endsDialog(reply)) return;
    const flow = { edge: reply.edge, edgeStart: reply.start, conid: reply.conid };
    for (const session of this.ports.sessions.ofDialog(flow, reply.callId, reply.ftag)) {
      if (reply.ttag !== "" && session.state.remoteTag !== reply.ttag) continue; // 408: who is silent tells no tag
      this.inTurn(session, () => this.ports.attendance.end(session, "connection-lost", true));
    }
  }

  private inTurn(session: Session, work: () => Promise<void>): void {
    session.run(work).catch((error: unknown) => this.ports.onError(error, "keeping a session"));
  }

  private onRequest(request: SipRequest, edge: Edge): void {
    const startedMs = this.ports.clock.monotonicMs();
    let session: OutgoingDialog | undefined;
    let answered = false;
    const answer = (given: Answer, dialog?: OutgoingDialog, onGone?: () => void): void => {
      if (answered) return;
      answered = true;
      session = dialog;
      edge.answer(request.tx, given, dialog, onGone);
      const tookMs = this.ports.clock.monotonicMs() - startedMs;
      const { method, user, callId } = request;
      this.ports.onRequest({ method, status: given.status, user, callId, tookMs });
    };
    const ageMs = this.ports.clock.nowMs() - request.at * 1_000;
    if (ageMs > LATEST_START_MS || this.underWay >= MAX_UNDER_WAY) {
      return answer(asAnswer(ageMs > LATEST_START_MS ? "TOO_LATE" : "OVERLOADED"));
    }
    this.underWay += 1;
    this.handle(request, answer)
      .catch((error: unknown) => {
        if (!(error instanceof ChatError)) this.ports.onError(error, request.method);
        answer(asAnswer(error instanceof ChatError ? error.code : "INTERNAL"), session);
      })
      .finally(() => {
        this.underWay -= 1;
      });
  }

  private async handle(request: SipRequest, answer: Answering): Promise<void> {
    // RFC 3261 §8.1.1.5: less than 2^31.
    if (request.cseq >= 2 ** 31) return answer({ status: 400, reason: "CSeq is too large" });
    const contactUser = /^sips?:([^@;>]+)@/i.exec(request.ruri)?.[1] ?? "";
    const named = parseContactUser(contactUser);
    const { selfPresence } = this.ports;
    if (named && selfPresence.holds(named.token)) return selfPresence.refresh(request, named.token, answer);
    if (named) return this.inDialog(request, named.token, answer);
    if (request.ttag !== "") return answer(NOT_HERE); // a dialog of somebody else's making
    switch (request.method) {
      case "INVITE":
        return this.invite(request, answer);
      case "SERVICE":
        return selfPresence.publish(request, answer);
      case "SUBSCRIBE": {
        if (isSelfEvent(request)) return selfPresence.subscribe(request, answer);
        const user = await this.ports.users.find(request.user as Aor); // vouched for by the edge, in this form
        return answer(provisioningAnswer(user?.enabled ?? false, request, this.ports.invite));
      }
      case "OPTIONS":
        return answer({ status: 200, reason: "OK", headers: [`Allow: ${METHODS}`, "Accept: text/plain"] });
      default:
        return answer(
          request.method === "INFO" || request.method === "UPDATE" || request.method === "BYE"
            ? NOT_HERE
            : { status: 405, reason: "Method Not Allowed", headers: [`Allow: ${METHODS}`] },
        );
    }
  }

  private async invite(request: SipRequest, answer: Answering): Promise<void> {
    const user = await this.ports.users.find(request.user as Aor); // vouched for by the edge, in this form
    if (!user?.enabled) return answer(asAnswer("NOT_ENABLED"));
    // Those that are just being written count, too: of a thousand INVITEs at once each would find room otherwise.
    if (this.ports.sessions.ofUser(user.id).length + this.openingOf(user.id) >= MAX_DIALOGS_PER_USER) {
      return answer({ status: 486, reason: "Too many sessions of this user" });
    }
    const record = dialogRecord(request, user, this.ports.me);
    if ("status" in record) return answer(record);
    const ok = answerInvite(request, record, this.ports.invite);
    if (ok.status !== 200) return answer(ok);
    this.opening.set(user.id, this.openingOf(user.id) + 1);
    const session = await this.ports.attendance.open(record).finally(() => {
      const left = this.openingOf(user.id) - 1;
      if (left > 0) this.opening.set(user.id, left);
      else this.opening.delete(user.id);
    });
    // The client has been told 503 meanwhile: it knows nothing of this dialog.
    answer(ok, session, () =>
      this.inTurn(session, () => this.ports.attendance.end(session, "signed-off", true)),
    );
  }

  private openingOf(userId: number): number {
    return this.opening.get(userId) ?? 0;
  }

  private async inDialog(request: SipRequest, token: Session["token"], answer: Answering): Promise<void> {
    const session = this.ports.sessions.find(token);
    if (session?.ended || session?.barred) return answer(NOT_HERE);
    if (!session) {
      // Known, but not (yet) here: it is being taken over, or the edge has not heard of its new home.
      const isKnown = (await this.ports.dialogs.home(token)) !== undefined;
      return answer(isKnown ? asAnswer("OVERLOADED") : NOT_HERE);
    }
    const { state } = session;
    if (
      state.callId !== request.callId ||
      state.remoteTag !== request.ftag ||
      state.localTag !== request.ttag
    ) {
      return answer(NOT_HERE);
    }
    if (request.user !== session.user.uri) return answer({ status: 403, reason: "Not your dialog" });
    const nowMs = this.ports.clock.monotonicMs();
    session.lastHeardMs = nowMs; // a repeat is a sign of life, too, and so is what is refused for now
    const known = session.recall(request.cseq, nowMs);
    if (known === "old") return answer({ status: 500, reason: "CSeq is lower than one already seen" });
    if (known) return answer(await known, session);
    if (session.crowded) return answer(asAnswer("OVERLOADED"), session);
    let resolveFirst: (answer: Answer) => void = () => {};
    const first = new Promise<Answer>((resolve) => {
      resolveFirst = resolve;
    });
    session.remember(request.cseq, first);
    const answerOnce: Answering = (given) => {
      if (given.status === 503)
        session.forgetAnswer(request.cseq); // free to be sent again
      else session.remember(request.cseq, given);
      resolveFirst(given);
      answer(given, session);
    };
    await session.run(async () => {
      if (session.ended || session.barred) return answerOnce(NOT_HERE);
      try {
        await this.ports.attendance.back(session, flowOf(request));
        await this.perform(request, session, answerOnce);
      } catch (error) {
        if (!(error instanceof ChatError)) this.ports.onError(error, request.method);
        answerOnce(asAnswer(error instanceof ChatError ? error.code : "INTERNAL"));
      }
    });
  }

  private async perform(request: SipRequest, session: Session, answer: Answering): Promise<void> {
    switch (request.method) {
      case "INFO": {
        const startBeforeMs = request.at * 1_000 + LATEST_START_MS;
        if (this.ports.clock.nowMs() > startBeforeMs) return answer(asAnswer("TOO_LATE")); // its turn came late
        return receive(session, request.body, startBeforeMs, this.ports.receiving, answer);
      }
      case "BYE":
        // Only a session that carried rooms is signed off: the end of a lookup says nothing of its endpoint.
        await this.ports.attendance.end(session, "signed-off", session.purpose !== "pool");
        return answer({ status: 200, reason: "OK" });
      case "INVITE":
      case "UPDATE":
      case "OPTIONS":
        return answer(answerRefresh(request, session, this.ports.invite));
      default:
        return answer({ status: 405, reason: "Method Not Allowed", headers: [`Allow: ${METHODS}`] });
    }
  }
}

type Answering = (answer: Answer, dialog?: OutgoingDialog, onGone?: () => void) => void;
