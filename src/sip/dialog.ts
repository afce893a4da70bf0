import { randomBytes } from "node:crypto";

/** 32 hex digits, unguessable: the user part of our Contact, which the client sends back as Request-URI. It alone finds the dialog. */
export type DialogToken = string & { readonly __brand: "DialogToken" };

/** `<node>-<epoch>`: one life of one node. A dialog's home is an incarnation, never a mere node name. */
export type Incarnation = string & { readonly __brand: "Incarnation" };

/** The way back to the client: the edge, that edge's life, and the connection the client opened. */
export interface Flow {
  readonly edge: string;
  readonly edgeStart: string;
  /** Kamailio's connection id; 0 over UDP. */
  readonly conid: number;
  /** `ip:port` the requests really come from, never the (translated) Contact. */
  readonly source: string;
  readonly transport: "tcp" | "tls" | "udp" | "ws" | "wss";
}

export function isSameFlow(one: Flow, other: Flow): boolean {
  return (
    one.conid === other.conid &&
    one.edgeStart === other.edgeStart &&
    one.edge === other.edge &&
    one.source === other.source
  );
}

/** Of the largest body that fits into a datagram (65,507 bytes) with the headers around it. */
export const MAX_DATAGRAM_BODY_BYTES = 60_000;

/** RFC 3261 §12: what both sides of a dialog agree on, as the server side keeps it. */
export interface DialogState {
  readonly token: DialogToken;
  /** Incarnation that the token names in our Contact: it stays, though the home may change. */
  readonly issuedBy: Incarnation;
  readonly callId: string;
  /** Our side: the URI the client invited and the tag Kamailio gave. */
  readonly localUri: string;
  readonly localTag: string;
  readonly remoteUri: string;
  readonly remoteTag: string;
  /** The client's Contact: Request-URI of what we send. */
  readonly remoteTarget: string;
  /** RFC 3261 §12.1.1: the proxies that want to see what we send, as a Route header names them; "" when there are none. */
  readonly routeSet: string;
  /** Host and port that our Contact names: where the client reached the edge. */
  readonly localAddress: string;
}

export function newToken(): DialogToken {
  return randomBytes(16).toString("hex") as DialogToken; // 128 random bits in the one place that makes tokens
}

export function formatIncarnation(node: string, epoch: number): Incarnation {
  return `${node}-${epoch}` as Incarnation; // built from its two parts
}

/** Splits the user part of a Request-URI. @returns undefined when it is not one of our Contacts. */
export function parseContactUser(user: string): { issuedBy: Incarnation; token: DialogToken } | undefined {
  const match = /^([a-z][a-z0-9]*-[0-9]{1,10})\.([0-9a-f]{32})$/.exec(user);
  if (!match) return undefined;
  return { issuedBy: match[1] as Incarnation, token: match[2] as DialogToken }; // the pattern has just proven both shapes
}

/** Requests of ours for which one epoch leaves room; a dialog that sends more goes on into the next ones. */
export const CSEQS_PER_EPOCH = 2 ** 18;

/** A new home's epoch is above all of the old one's, so it never repeats a number; a gap is legal (RFC 3261 §12.2.2). */
export function firstCSeq(epoch: number): number {
  return (epoch % 8191) * CSEQS_PER_EPOCH + 1;
}
