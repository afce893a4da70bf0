import { countOf, type InvalidCommand, invalid, roomOfChanib } from "./arguments.ts";
import { childNamed, childrenNamed } from "./element.ts";
import { timeOf } from "./history-search.ts";
import { attributeNames, managementCommands, moderationNames } from "./names.ts";
import type { RoomRef } from "./uri.ts";
import type { XmlElement } from "./xml.ts";

/** Messages that one command removes or replaces: two steps of work. */
export const MAX_MODERATED_PER_COMMAND = 100;

/** `cmd:msgmodify`. */
export type WireModeration = {
  readonly kind: (typeof managementCommands)["moderate"];
  readonly room: RoomRef;
  readonly reason: string;
} & (
  | {
      readonly change: "REMOVE" | "REPLACE";
      /** Distinct numbers of messages, at least one. */
      readonly numbers: readonly number[];
      /** In place of each text; undefined for the usual one. */
      readonly text: string | undefined;
    }
  /** The room from its first message on, up to the first of that moment or later; undefined: all of it. Milliseconds since 1970. */
  | { readonly change: "CLEAR"; readonly beforeMs: number | undefined }
);

/** Never throws. */
export function decodeModeration(data: XmlElement | undefined): WireModeration | InvalidCommand {
  const kind = managementCommands.moderate;
  const chanib = childNamed(data, "chanib");
  const room = chanib && roomOfChanib(chanib);
  if (!room) return invalid(kind, "No room is named");
  const block = childNamed(data, moderationNames.moderation);
  if (!block) return invalid(kind, "No moderation is described");
  const reason = block.attributes.get(moderationNames.reason) ?? "";
  const change = block.attributes.get(moderationNames.change)?.toUpperCase();
  if (change === "CLEAR") {
    const beforeMs = timeOf(block, moderationNames.before);
    // An empty one must not mean the whole room.
    const isAsked = block.attributes.has(moderationNames.before);
    if (beforeMs === "bad" || (isAsked && beforeMs === undefined))
      return invalid(kind, "The moment is no date and time");
    return { kind, room, change, beforeMs, reason };
  }
  const messages = childrenNamed(block, "msg");
  if (messages.length === 0) return invalid(kind, "No message is named");
  if (messages.length > MAX_MODERATED_PER_COMMAND)
    return invalid(kind, "Too many messages in one command", 413);
  const numbers = new Set<number>();
  for (const message of messages) {
    const number = countOf(message, attributeNames.chatId);
    if (number === undefined || number === "bad" || number < 1)
      return invalid(kind, "A message has no number");
    numbers.add(number);
  }
  if (change !== "REMOVE" && change !== "REPLACE")
    return invalid(kind, "The change of messages is not known");
  const text = childNamed(block, "chat")?.text;
  return { kind, room, change, numbers: [...numbers], text, reason };
}
