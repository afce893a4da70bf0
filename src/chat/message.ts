import type { Aor } from "./user.ts";

/** A message as it is kept: `number` is dense per room, starting at 1, and is the order everybody sees. */
export interface StoredMessage {
  readonly roomId: number;
  readonly number: number;
  readonly author: Aor;
  readonly authorName: string;
  /** When the server received it, milliseconds since 1970, UTC. */
  readonly atMs: number;
  readonly alert: boolean;
  readonly text: string;
  readonly rtf: string | null;
}

/** Sizes in UTF-8 bytes. */
export interface MessageLimits {
  readonly messageBytes: number;
  readonly storyBytes: number;
}

/** A story is a long message with a title, marked at its beginning by the client. */
export function isStory(text: string): boolean {
  return text.startsWith("[STORY]");
}

/** True when the text exceeds the limit of its kind; the rich version may take four times as much. */
export function isTooLong(text: string, rtf: string | null, limits: MessageLimits): boolean {
  const limit = isStory(text) ? limits.storyBytes : limits.messageBytes;
  return Buffer.byteLength(text) > limit || (rtf !== null && Buffer.byteLength(rtf) > 4 * limit);
}
