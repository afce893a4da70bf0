import { DEFAULT_REPLACEMENT } from "../chat/message-filter.ts";
import { moderationData } from "../xccos/management-reply.ts";
import type { WireModeration } from "../xccos/moderation-arguments.ts";
import type { CommandResult, Context } from "./context.ts";
import { actorOf, nameOf } from "./manage-rooms.ts";

/** `cmd:msgmodify`: managers and administrators remove messages, give them another text, or clear a room. Participants are told by a notice. */
export async function moderate(wanted: WireModeration, context: Context): Promise<CommandResult> {
  const { management } = context.services;
  const [actor, name] = [actorOf(context), nameOf(wanted.room)];
  const { reason } = wanted;
  if (wanted.change === "CLEAR") {
    const { beforeMs } = wanted;
    const before = beforeMs === undefined ? {} : { beforeMs };
    return {
      data: moderationData((await management.clearRoom(actor, name, { reason, ...before })).messages),
    };
  }
  const { change, numbers, text } = wanted;
  const { messages } = await management.moderateMessages(actor, name, {
    filter: { numbers },
    replacement: change === "REMOVE" ? null : (text ?? DEFAULT_REPLACEMENT),
    reason,
  });
  return { data: moderationData(messages) };
}
