import { createHash } from "node:crypto";
import { parseParams } from "./sip-address.ts";

/** A Digest challenge (RFC 2617 §3.2.1). */
export interface DigestChallenge {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  /** True when the server offers qop=auth. */
  readonly qopAuth: boolean;
  /** As written; "MD5" when absent. */
  readonly algorithm: string;
}

/** Reads a WWW-Authenticate or Proxy-Authenticate value; undefined for another scheme or an algorithm other than MD5. */
export function parseChallenge(value: string): DigestChallenge | undefined {
  const match = /^Digest\s+/i.exec(value);
  if (!match) return undefined;
  const params = parseParams(value.slice(match[0].length), ",");
  const realm = params.get("realm");
  const nonce = params.get("nonce");
  const algorithm = params.get("algorithm") ?? "MD5";
  if (realm === undefined || nonce === undefined || algorithm.toUpperCase() !== "MD5") return undefined;
  const qop = params.get("qop");
  const qopAuth = qop?.split(",").some((token) => token.trim().toLowerCase() === "auth") ?? false;
  return { realm, nonce, opaque: params.get("opaque"), qopAuth, algorithm };
}

export interface DigestInput {
  readonly challenge: DigestChallenge;
  readonly username: string;
  readonly password: string;
  readonly method: string;
  /** The digest uri: the Request-URI, or the literal "(null)" (COMPAT(pidgin-sipe, 1.25)). */
  readonly uri: string;
  readonly cnonce: string;
  /** How often this nonce was used, from 1. */
  readonly nonceCount?: number;
  /** COMPAT(pidgin-sipe, 1.25): answers with qop=auth whether offered or not. */
  readonly alwaysQop?: boolean;
}

/** The request-digest, 32 hex digits (RFC 2617 §3.2.2.1). */
export function digestResponse(input: DigestInput): string {
  const { challenge, username, password, method, uri, cnonce } = input;
  const ha1 = md5(`${username}:${challenge.realm}:${password}`);
  const ha2 = md5(`${method}:${uri}`);
  if (!usesQop(input)) return md5(`${ha1}:${challenge.nonce}:${ha2}`);
  return md5(`${ha1}:${challenge.nonce}:${nonceCountText(input)}:${cnonce}:auth:${ha2}`);
}

/** Value of the Authorization or Proxy-Authorization header. */
export function digestAuthorization(input: DigestInput): string {
  const { challenge, username, uri, cnonce } = input;
  const parts = [
    `username="${quote(username)}"`,
    `realm="${quote(challenge.realm)}"`,
    `nonce="${quote(challenge.nonce)}"`,
    `uri="${quote(uri)}"`,
  ];
  if (usesQop(input)) parts.push("qop=auth", `nc=${nonceCountText(input)}`, `cnonce="${quote(cnonce)}"`);
  if (challenge.opaque !== undefined) parts.push(`opaque="${quote(challenge.opaque)}"`);
  parts.push("algorithm=MD5", `response="${digestResponse(input)}"`);
  return `Digest ${parts.join(", ")}`;
}

function usesQop(input: DigestInput): boolean {
  return input.challenge.qopAuth || input.alwaysQop === true;
}

function nonceCountText(input: DigestInput): string {
  return (input.nonceCount ?? 1).toString(16).padStart(8, "0");
}

function quote(text: string): string {
  return text.replace(/["\\]/g, "\\$&");
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}
