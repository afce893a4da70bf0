/** One `m=` line of an offer. */
export interface SdpMedia {
  /** "message", or "x-ms-message" from the oldest clients, for the chat session. */
  readonly media: string;
  readonly port: string;
  readonly protocol: string;
  readonly formats: string;
}

export interface SdpOffer {
  readonly media: readonly SdpMedia[];
}

/** Characters. An offer of a chat session has some 300. */
const MAX_OFFER_LENGTH = 16_384;
const MAX_MEDIA = 16;

/**
 * Reads as much of an offer (RFC 4566, RFC 3264) as the answer needs. There is no media in a chat session: the
 * SDP says "INFO in this dialog", so everything but the m= lines is left unread.
 * Undefined when it is no SDP or does not offer a chat session.
 */
export function parseSdpOffer(body: string): SdpOffer | undefined {
  if (body.length > MAX_OFFER_LENGTH) return undefined;
  const lines = body.split(/\r\n|\n|\r/);
  if (lines[0]?.trim() !== "v=0") return undefined;
  const media: SdpMedia[] = [];
  for (const line of lines) {
    if (!line.startsWith("m=")) continue;
    const parsed = /^m=([\w-]{1,32}) ([0-9]{1,5})(?:\/[0-9]{1,5})? ([\w/.-]{1,32}) ([!-~][ -~]{0,255})$/.exec(
      line.trimEnd(),
    );
    if (!parsed || media.length === MAX_MEDIA) return undefined;
    const [, name = "", port = "", protocol = "", formats = ""] = parsed;
    media.push({ media: name, port, protocol, formats });
  }
  return media.some(isChat) ? { media } : undefined;
}

function isChat({ media, protocol }: SdpMedia): boolean {
  return (media === "message" || media === "x-ms-message") && protocol.toLowerCase() === "sip";
}

/**
 * The answer: the first chat line is accepted, every other line is refused with port 0, in the offer's order
 * (RFC 3264 §6).
 *
 * @param address IPv4 or IPv6 address of this server as clients reach it
 * @param port SIP port there
 */
export function encodeSdpAnswer(offer: SdpOffer, address: string, port: number): string {
  const family = address.includes(":") ? "IP6" : "IP4";
  const lines = ["v=0", `o=- 0 0 IN ${family} ${address}`, "s=session", `c=IN ${family} ${address}`, "t=0 0"];
  const accepted = offer.media.find(isChat);
  for (const line of offer.media) {
    if (line === accepted) {
      lines.push(`m=${line.media} ${port} sip null`, "a=accept-types:text/plain");
    } else {
      lines.push(`m=${line.media} 0 ${line.protocol} ${line.formats}`);
    }
  }
  return `${lines.join("\r\n")}\r\n`;
}
