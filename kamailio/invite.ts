import type { User } from "../src/chat/user.ts";
import type { DialogRecord } from "../src/ports.ts";
import type { Answer, Session } from "../src/session.ts";
import { type DialogState, type Incarnation, newToken } from "../src/sip/dialog.ts";
import { encodeSdpAnswer, parseSdpOffer } from "../src/sip/sdp.ts";
import {
  encodeProvisioning,
  PROVISIONING_CONTENT_TYPE,
  PROVISIONING_EVENT,
} from "../src/xccos/provisioning.ts";
import { contactUri } from "./batch.ts";
import { flowOf, isSipe, type SipRequest } from "./requests.ts";

/** What our answers to INVITE and SUBSCRIBE say of this pool. */
export interface InviteSettings {
  readonly poolUri: string;
  readonly webManagerUrl: string | undefined;
  /** Seconds; the client refreshes the session within it (RFC 4028). */
  readonly sessionExpires: number;
}

const METHODS = "INVITE, ACK, CANCEL, BYE, INFO, UPDATE, OPTIONS";
/** An offer that is none at all gets this one's answer: some clients send no body. */
const DEFAULT_OFFER = { media: [{ media: "message", port: "5060", protocol: "sip", formats: "null" }] };
const URI = /^sips?:[!#-;=?-~]{1,512}$/i; // visible ASCII without quotes, blanks and angle brackets
/** `<sip:proxy;lr>`, any number of times. */
const ROUTES = /^(?=[ -~]{0,1024}$)(<sips?:[^<>"\s]+>[^<>",]*(,\s*(?=<)|$))*$/i;
const TOKEN = /^[!-~]{1,256}$/;

/**
 * RFC 3261 §12.1.1: the dialog that our 200 makes.
 * @returns the refusal, when something of it could not be written into a header again
 */
export function dialogRecord(request: SipRequest, user: User, me: Incarnation): DialogRecord | Answer {
  const target =
    /<\s*([^<>]+?)\s*>/.exec(request.contact)?.[1] ?? request.contact.split(";")[0]?.trim() ?? "";
  const state: DialogState = {
    token: newToken(),
    issuedBy: me,
    callId: request.callId,
    localUri: request.to,
    localTag: request.ltag,
    remoteUri: request.from,
    remoteTag: request.ftag,
    remoteTarget: target,
    routeSet: request.rr.trim(),
    localAddress: request.local,
  };
  const uris = [state.localUri, state.remoteUri, state.remoteTarget];
  const tokens = [state.callId, state.localTag, state.remoteTag];
  if (!uris.every((uri) => URI.test(uri)) || !tokens.every((text) => TOKEN.test(text))) {
    return { status: 400, reason: "From, To, Contact or Call-ID cannot be used" };
  }
  if (!ROUTES.test(state.routeSet)) return { status: 400, reason: "Record-Route cannot be used" };
  const epid = TOKEN.test(request.epid) && request.epid.length <= 64 ? request.epid : "";
  return {
    state,
    user,
    epid,
    home: me,
    epoch: 0,
    flow: flowOf(request),
    awaySinceMs: null,
    isSipe: isSipe(request),
  };
}

/** 200 with our Contact, the session timer and the SDP answer; 488 when the offer is not a chat session. */
export function answerInvite(
  request: SipRequest,
  { state, flow }: DialogRecord,
  settings: InviteSettings,
): Answer {
  const text = request.body.toString("utf8");
  const offer = text.trim() === "" ? DEFAULT_OFFER : parseSdpOffer(text);
  if (!offer) return { status: 488, reason: "Not a chat session" };
  const { address, port } = hostAndPort(state.localAddress);
  return {
    status: 200,
    reason: "OK",
    headers: [
      `Contact: <${contactUri(state, flow)}>`,
      ...sessionTimer(request, settings),
      `Allow: ${METHODS}`,
    ],
    body: encodeSdpAnswer(offer, address, port),
    contentType: "application/sdp",
  };
}

/** UPDATE, OPTIONS or a re-INVITE within the dialog: it lives, and so does the timer. */
export function answerRefresh(request: SipRequest, session: Session, settings: InviteSettings): Answer {
  const refresh: Answer = {
    status: 200,
    reason: "OK",
    headers: [`Contact: <${contactUri(session.state, session.flow)}>`, ...sessionTimer(request, settings)],
  };
  if (request.method !== "INVITE") return refresh;
  const offer = parseSdpOffer(request.body.toString("utf8")) ?? DEFAULT_OFFER;
  const { address, port } = hostAndPort(session.state.localAddress);
  return { ...refresh, body: encodeSdpAnswer(offer, address, port), contentType: "application/sdp" };
}

/**
 * The provisioning document in the SUBSCRIBE's own 200. Sent once: every further copy makes SIPE open a new lookup dialog.
 */
export function provisioningAnswer(enabled: boolean, request: SipRequest, settings: InviteSettings): Answer {
  return {
    status: 200,
    reason: "OK",
    headers: [
      `Contact: <${settings.poolUri};transport=${request.proto}>`,
      "Expires: 0",
      `Event: ${PROVISIONING_EVENT}`,
      "subscription-state: terminated;expires=0",
      "ms-piggyback-cseq: 1", // COMPAT(SIPE, 1.25): without it the body is not looked at
      "Supported: ms-benotify, ms-piggyback-first-notify",
    ],
    body: encodeProvisioning({ enabled, poolUri: settings.poolUri, webManagerUrl: settings.webManagerUrl }),
    contentType: PROVISIONING_CONTENT_TYPE,
  };
}

/**
 * DEVIATION(RFC 4028 §9): the header is there even when the client does not support timers, as Lync servers do; SIPE takes
 * its refresh interval from it and storms the server with UPDATEs when it never came.
 */
function sessionTimer(request: SipRequest, settings: InviteSettings): string[] {
  const timer = [`Session-Expires: ${settings.sessionExpires};refresher=uac`];
  if (/(^|[\s,])timer([\s,]|$)/i.test(request.vsupported)) timer.push("Require: timer");
  return timer;
}

function hostAndPort(local: string): { address: string; port: number } {
  const at = local.lastIndexOf(":");
  const port = Number(local.slice(at + 1));
  return {
    address: local.slice(0, at).replace(/^\[|\]$/g, ""),
    port: Number.isInteger(port) && port > 0 ? port : 5060,
  };
}
