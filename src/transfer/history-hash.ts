import { hash } from "node:crypto";

/** Before a room's first message. */
export const NO_HISTORY = "0".repeat(64);

/**
 * A room's messages as one number: each one's line, without its end, is hashed behind what came before. It can be carried on at
 * any message, wherever parts begin and whatever was interrupted.
 */
export function historyHash(before: string, line: string): string {
  return hash("sha256", before + line, "hex");
}
