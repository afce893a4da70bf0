import { z } from "zod";
import type { Flow } from "../src/sip/dialog.ts";

/** Text a client wrote travels as base64: no character of it can end a JSON string on the way. Decoded after the shape is checked. */
const clientText = z.string();
/** Left out of an INFO or BYE within a dialog: the node knows it from the INVITE. */
const invitesText = z.string().default("");
const wholeNumber = z.number().int().nonnegative();

const origin = {
  /** Shared secret; compared before anything else is looked at. */
  key: z.string(),
  edge: z.string().max(64),
  /** Names one life of that Kamailio. */
  start: z.string().max(64),
  /** Kamailio's clock, seconds. */
  at: z.number(),
};

const requestParams = z.object({
  ...origin,
  tx: z.string().regex(/^[0-9]+:[0-9]+$/),
  method: z.string().max(32),
  cseq: wholeNumber,
  ruri: clientText,
  from: invitesText,
  to: invitesText,
  ftag: clientText,
  ttag: clientText,
  callId: clientText,
  contact: invitesText,
  ua: invitesText,
  ctype: invitesText,
  event: invitesText,
  expires: invitesText,
  epid: invitesText,
  vsupported: invitesText,
  ltag: invitesText,
  /** Record-Route of the INVITE, all of its lines. */
  rr: invitesText,
  src: z.string().max(64),
  proto: z.enum(["tcp", "tls", "udp", "ws", "wss"]),
  conid: wholeNumber,
  local: z.string().max(64),
  /** The address of record that the digest proved, or that a listed peer vouched for. */
  user: clientText,
  body: z.string(),
});

const closedParams = z.object({ ...origin, conid: wholeNumber });

const helloParams = z.object({ ...origin, node: z.string().max(64) });

const replyParams = z.object({
  ...origin,
  status: wholeNumber,
  callId: clientText,
  ftag: clientText,
  ttag: clientText,
  cseq: wholeNumber,
  src: z.string().max(64),
  conid: wholeNumber,
});

/** Fields that hold what a client wrote. */
const CLIENT_TEXT = [
  "ruri",
  "from",
  "to",
  "ftag",
  "ttag",
  "callId",
  "contact",
  "ua",
  "ctype",
  "event",
  "expires",
  "epid",
  "vsupported",
  "ltag",
  "rr",
  "user",
] as const;

/** `sip.request`: a request that Kamailio has suspended and for which it waits two seconds. */
export type SipRequest = Omit<z.infer<typeof requestParams>, "body"> & { readonly body: Buffer };
/** `sip.closed`: a connection that carried a dialog is gone. */
export type ClosedConnection = z.infer<typeof closedParams>;
/** `sip.hello`: what came of a ping that asked for it, over the way that requests take. */
export type Hello = z.infer<typeof helloParams>;
/** `sip.reply`: a client refused an INFO of ours, or did not answer it. */
export type NegativeReply = z.infer<typeof replyParams>;

const decode = (base64: string): string =>
  base64 === "" ? "" : Buffer.from(base64, "base64").toString("utf8");

export type EdgeNotification =
  | { readonly kind: "request"; readonly said: SipRequest }
  | { readonly kind: "closed"; readonly said: ClosedConnection }
  | { readonly kind: "reply"; readonly said: NegativeReply }
  | { readonly kind: "hello"; readonly said: Hello };

/** Decodes what an edge says. @returns undefined when it is not one of its four notifications. */
export function decodeNotification(method: string, params: unknown): EdgeNotification | undefined {
  switch (method) {
    case "sip.request": {
      const parsed = requestParams.safeParse(params);
      if (!parsed.success) return undefined;
      const request: SipRequest = { ...parsed.data, body: Buffer.from(parsed.data.body, "base64") };
      for (const field of CLIENT_TEXT) request[field] = decode(request[field]);
      return { kind: "request", said: request };
    }
    case "sip.closed": {
      const parsed = closedParams.safeParse(params);
      return parsed.success ? { kind: "closed", said: parsed.data } : undefined;
    }
    case "sip.hello": {
      const parsed = helloParams.safeParse(params);
      return parsed.success ? { kind: "hello", said: parsed.data } : undefined;
    }
    case "sip.reply": {
      const parsed = replyParams.safeParse(params);
      if (!parsed.success) return undefined;
      const { callId, ftag, ttag } = parsed.data;
      const said = { ...parsed.data, callId: decode(callId), ftag: decode(ftag), ttag: decode(ttag) };
      return { kind: "reply", said };
    }
    default:
      return undefined;
  }
}

/** COMPAT(SIPE, 1.25): 487 to an INFO of a dialog it has left for another one. */
const DIALOG_IS_OVER: ReadonlySet<number> = new Set([481, 408, 487]);

/**
 * The client no longer has the dialog, or does not answer (RFC 3261 §12.2.1.2). By any other refusal it says no more than that it
 * did not take this one INFO: 500 is what a reordered datagram gets (§12.2.2).
 */
export function endsDialog(reply: NegativeReply): boolean {
  return DIALOG_IS_OVER.has(reply.status);
}

export function isSipe({ ua }: SipRequest): boolean {
  return /sipe/i.test(ua);
}

/** The way back to the sender of a request. */
export function flowOf(request: SipRequest): Flow {
  return {
    edge: request.edge,
    edgeStart: request.start,
    conid: request.conid,
    source: request.src,
    transport: request.proto,
  };
}
