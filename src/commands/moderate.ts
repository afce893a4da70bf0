import { DEFAULT_REPLACEMENT } from "../chat/message-filter.ts";
import { moderationData } from "../xccos/management-reply.ts";
import type { WireModeration } from "../xccos/moderation-arguments.ts";
import type { CommandResult, Context } from "./context.ts";
import { actorOf, nameOf } from "./manage-rooms.ts";

/** `cmd:msgmodify`: managers and administrators remove messages, or give them another text. Participants are told by a notice. */
export async function moderate(
  { room, change, numbers, text, reason }: WireModeration,
  context: Context,
): Promise<CommandResult> {
  const { messages } = await context.services.management.moderateMessages(actorOf(context), nameOf(room), {
    filter: { numbers },
    replacement: change === "REMOVE" ? null : (text ?? DEFAULT_REPLACEMENT),
    reason,
  });
  return { data: moderationData(messages) };
}
