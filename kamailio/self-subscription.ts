import type { User } from "../src/chat/user.ts";
import type { DialogRecord, OutgoingDialog, RequestForm } from "../src/ports.ts";
import type { DialogState, Flow } from "../src/sip/dialog.ts";
import { SELF_CONTENT_TYPE, SELF_EVENT } from "../src/xccos/roaming-self.ts";
import type { SipRequest } from "./requests.ts";

/** Seconds. Shorter than Lync's: after a node's death a client learns of it by its refresh. */
const LONGEST_SECONDS = 600;
const SHORTEST_SECONDS = 60;

/** One client that wants to be told of changes to its user's presence document; a dialog of its own (RFC 6665). */
export class SelfSubscription implements OutgoingDialog {
  readonly state: DialogState;
  readonly user: User;
  readonly form: RequestForm;
  flow: Flow;
  /** Monotonic clock. */
  expiresMs: number;
  /** What the client has been told up to; before it has been told anything nothing is news. */
  revision = Number.MAX_SAFE_INTEGER;
  private cseq = 0;

  constructor({ state, user, flow }: DialogRecord, request: SipRequest, nowMs: number) {
    this.state = state;
    this.user = user;
    this.flow = flow;
    this.expiresMs = nowMs + expiresOf(request) * 1_000;
    // [MS-SIP] §3.5: what is never answered only to who says that he reads it, and where nothing gets lost on the way.
    const unanswered = supports(request, "ms-benotify") && flow.transport !== "udp";
    this.form = {
      method: unanswered ? "BENOTIFY" : "NOTIFY",
      headers: [
        `Event: ${SELF_EVENT}`,
        "subscription-state: active",
        "Supported: ms-benotify, ms-piggyback-first-notify",
        `Content-Type: ${SELF_CONTENT_TYPE}`,
      ],
    };
  }

  get token() {
    return this.state.token;
  }

  nextCSeq(): number {
    this.cseq += 1;
    return this.cseq;
  }

  /** Refreshed, perhaps over another connection. */
  prolong(flow: Flow, seconds: number, nowMs: number): void {
    this.flow = flow;
    this.expiresMs = nowMs + seconds * 1_000;
  }
}

/** Granted seconds; 0 asks for one answer, or ends the subscription. */
export function expiresOf({ expires }: SipRequest): number {
  const text = expires.trim();
  const asked = /^[0-9]{1,10}$/.test(text) ? Number(text) : LONGEST_SECONDS;
  return asked === 0 ? 0 : Math.min(LONGEST_SECONDS, Math.max(SHORTEST_SECONDS, asked));
}

/** An option tag in any of the request's Supported lines. */
export function supports({ vsupported }: SipRequest, option: string): boolean {
  return vsupported.split(/[\s,]+/).some((tag) => tag.toLowerCase() === option);
}
