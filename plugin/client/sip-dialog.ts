import { parseAddress, splitOutsideQuotes, tagOf } from "./sip-address.ts";
import { headerValue, headerValues, readCseq, type SipRequest, type SipResponse } from "./sip-message.ts";

/** One side's view of a dialog (RFC 3261 §12). Mutable: the sequence numbers grow. */
export interface SipDialog {
  readonly callId: string;
  /** Complete values incl. tag, as they go into From and To of our requests. */
  readonly local: string;
  readonly remote: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly remoteTarget: string;
  readonly routeSet: readonly string[];
  localCseq: number;
  /** Highest number seen from the other side; 0 = none yet. */
  remoteCseq: number;
}

/** RFC 3261 §12.1.2: the dialog a 2xx to our INVITE makes. Record-Route is reversed. */
export function dialogOfAnswer(
  invite: { callId: string; from: string; uri: string },
  response: SipResponse,
): SipDialog {
  const remote = headerValue(response, "To") ?? "";
  const contact = headerValue(response, "Contact");
  return {
    callId: invite.callId,
    local: invite.from,
    remote,
    localTag: tagOf(invite.from),
    remoteTag: tagOf(remote),
    // COMPAT(pidgin-sipe, 1.25): without a Contact the invited URI is used; RFC 3261 demands one.
    remoteTarget: contact === undefined ? invite.uri : parseAddress(contact).uri,
    routeSet: recordRoutes(response).reverse(),
    localCseq: readCseq(response).number,
    remoteCseq: 0,
  };
}

/** RFC 3261 §12.1.1: the dialog of an INVITE we answer with `localTag`. */
export function dialogOfInvite(request: SipRequest, localTag: string): SipDialog {
  const remote = headerValue(request, "From") ?? "";
  return {
    callId: headerValue(request, "Call-ID") ?? "",
    local: `${headerValue(request, "To") ?? ""};tag=${localTag}`,
    remote,
    localTag,
    remoteTag: tagOf(remote),
    remoteTarget: parseAddress(headerValue(request, "Contact") ?? remote).uri,
    routeSet: recordRoutes(request),
    localCseq: 0,
    remoteCseq: readCseq(request).number,
  };
}

function recordRoutes(message: SipRequest | SipResponse): string[] {
  return headerValues(message, "Record-Route")
    .flatMap((line) => splitOutsideQuotes(line, ","))
    .map((route) => route.trim());
}
