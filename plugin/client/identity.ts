import { randomBytes } from "node:crypto";

/** Where a client takes its random names from. */
export interface IdSource {
  callId(): string;
  tag(): string;
  branch(): string;
  /** Hex digits for cnonce and the like. */
  nonce(): string;
  /** First envid of a session: unsigned, 31 bit. */
  envidStart(): number;
}

/**
 * Names for one client. Without a seed they are random. With a seed they come from a small generator that
 * always runs the same way: COMPAT(pidgin-sipe, 1.25) seeds its own with the time in whole seconds, so two
 * clients started in one second share Call-IDs, tags, branches and envids.
 */
export function createIdSource(seed?: number): IdSource {
  if (seed === undefined) {
    return {
      callId: () => randomBytes(16).toString("hex"),
      tag: () => randomBytes(5).toString("hex"),
      branch: () => `z9hG4bK${randomBytes(10).toString("hex")}`,
      nonce: () => randomBytes(8).toString("hex"),
      envidStart: () => randomBytes(4).readUInt32BE(0) >>> 1,
    };
  }
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state;
  };
  const word = (): string => (next() & 0xffff).toString(16).toUpperCase().padStart(4, "0");
  const words = (letters: string): string => [...letters].map((letter) => word() + letter).join("");
  return {
    callId: () => `${words("gaimtbx")}${word()}x`,
    tag: () => `${next() % 10_000}`.padStart(4, "0") + `${next() % 10_000}`.padStart(4, "0"),
    branch: () => `z9hG4bK${word()}${word()}${word()}${word()}${word()}`,
    nonce: () => word() + word() + word() + word(),
    envidStart: () => next(),
  };
}

/**
 * What a client does differently from the plain reading of RFC 3261. All are COMPAT(pidgin-sipe, 1.25),
 * and `sipeQuirks` has all of them on.
 */
export interface Quirks {
  /** Requests of a dialog, the first INVITE included, have a Via without branch (RFC 2543 style). */
  readonly viaWithoutBranch: boolean;
  /** The digest is made over the literal uri "(null)" and always with qop=auth; 401 is refused. */
  readonly nullDigestUri: boolean;
  /** The repeated request after a challenge keeps CSeq and Via. */
  readonly sameRequestOnRetry: boolean;
  /** A refused INVITE is not ACKed. */
  readonly noAckForRefusal: boolean;
  /** Contact is <sip:user@domain:port;maddr=ip;transport=tcp>, whose host is not the client's. */
  readonly maddrContact: boolean;
  /** Via names the transport in lower case. */
  readonly lowerCaseTransport: boolean;
  /** After 481: BYE and a new session by itself, without joining the rooms again. */
  readonly restartOn481: boolean;
  /** `cmd:getinv` right after sign-in; UPDATE on the pool dialog 10 s before the lookup's Session-Expires. */
  readonly sessionHabits: boolean;
}

export const plainBehaviour: Quirks = {
  viaWithoutBranch: false,
  nullDigestUri: false,
  sameRequestOnRetry: false,
  noAckForRefusal: false,
  maddrContact: false,
  lowerCaseTransport: false,
  restartOn481: false,
  sessionHabits: false,
};

export const sipeQuirks: Quirks = {
  viaWithoutBranch: true,
  nullDigestUri: true,
  sameRequestOnRetry: true,
  noAckForRefusal: true,
  maddrContact: true,
  lowerCaseTransport: true,
  restartOn481: true,
  sessionHabits: true,
};
