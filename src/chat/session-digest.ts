import { createHash } from "node:crypto";

const MAX_SESSIONS = 50_000;
const sessions = new Map<string, string>();

/** First 16 hex digits of SHA-256 of the token: tells two endpoints of one user apart and opens nothing. */
export function sessionOf(token: string): string {
  const known = sessions.get(token);
  if (known) return known;
  if (sessions.size >= MAX_SESSIONS) sessions.clear();
  const session = createHash("sha256").update(token).digest("hex").slice(0, 16);
  sessions.set(token, session);
  return session;
}
