import { z } from "zod";
import type { Flow } from "../src/sip/dialog.ts";

/** Text a client wrote travels as base64: no character of it can end a JSON string on the way. */
const clientText = z.string().transform((base64) => Buffer.from(base64, "base64").toString("utf8"));
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
  from: clientText,
  to: clientText,
  ftag: clientText,
  ttag: clientText,
  callId: clientText,
  contact: clientText,
  ua: clientText,
  ctype: clientText,
  event: clientText,
  epid: clientText,
  vsupported: clientText,
  ltag: clientText,
  src: z.string().max(64),
  proto: z.enum(["tcp", "tls", "udp", "ws", "wss"]),
  conid: wholeNumber,
  local: z.string().max(64),
  /** The address of record that the digest proved, or that a listed peer vouched for. */
  user: clientText,
  body: z.string().transform((base64) => Buffer.from(base64, "base64")),
});

const closedParams = z.object({ ...origin, conid: wholeNumber });

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

/** `sip.request`: a request that Kamailio has suspended and for which it waits two seconds. */
export type SipRequest = z.infer<typeof requestParams>;
/** `sip.closed`: a connection that carried a dialog is gone. */
export type ClosedConnection = z.infer<typeof closedParams>;
/** `sip.reply`: a client refused an INFO of ours, or did not answer it. */
export type NegativeReply = z.infer<typeof replyParams>;

export type EdgeNotification =
  | { readonly kind: "request"; readonly request: SipRequest }
  | { readonly kind: "closed"; readonly closed: ClosedConnection }
  | { readonly kind: "reply"; readonly reply: NegativeReply };

/** Decodes what an edge says. @returns undefined when it is not one of its three notifications. */
export function decodeNotification(method: string, params: unknown): EdgeNotification | undefined {
  switch (method) {
    case "sip.request": {
      const parsed = requestParams.safeParse(params);
      return parsed.success ? { kind: "request", request: parsed.data } : undefined;
    }
    case "sip.closed": {
      const parsed = closedParams.safeParse(params);
      return parsed.success ? { kind: "closed", closed: parsed.data } : undefined;
    }
    case "sip.reply": {
      const parsed = replyParams.safeParse(params);
      return parsed.success ? { kind: "reply", reply: parsed.data } : undefined;
    }
    default:
      return undefined;
  }
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
