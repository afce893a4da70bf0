import { ChatError } from "../chat/errors.ts";
import { refusal } from "../chat/role.ts";
import { wireMessage } from "../delivery/fanout.ts";
import type { Command } from "../xccos/command.ts";
import { historyData } from "../xccos/reply.ts";
import { travellingBytes } from "../xccos/travelling.ts";
import { type CommandResult, type Context, mostReplyBytes } from "./context.ts";

/** The envelope and the room around the messages of a reply. */
const AROUND_MESSAGES_BYTES = 4_000;

/** `cmd:bccontext`: the latest messages of a room, oldest first. The reading is recorded before the reader gets anything. */
export async function history(
  command: Extract<Command, { kind: "bccontext" }>,
  context: Context,
): Promise<CommandResult> {
  const { session, services } = context;
  const { rooms, fanout, messages, readings, limits } = services;
  const room = await rooms.find(command.room.domain, command.room.value);
  const [access] = await rooms.access([room], session.user);
  const no = room && access ? refusal("read", room, access) : "ROOM_NOT_FOUND";
  if (no || !room) throw new ChatError(no ?? "ROOM_NOT_FOUND");

  const count = Math.min(command.last ?? limits.defaultChatHistory, limits.maxChatHistory);
  const joined = session.rooms.get(room.id);
  // A participant's history ends where his live copies have come to: nothing later overtakes them. What was there when he joined
  // is in it in any case: stored on another node and still on its way here, it does not come live to him.
  let upTo = joined ? Math.max(joined.since, fanout.delivered(room.id) ?? 0) : undefined;
  if (joined && session.isSipe && !joined.historyShown) upTo = joined.since; // all later ones have come live
  if (joined) session.rooms.set(room.id, { ...joined, historyShown: true });
  const found =
    room.keepsHistory && count > 0
      ? await messages.latest(room.id, count, upTo ?? Number.MAX_SAFE_INTEGER)
      : [];
  const { data, shown: fitting } = historyData(
    room.uri,
    found.map((message) => wireMessage(room, message)),
    mostReplyBytes(context) - AROUND_MESSAGES_BYTES,
    travellingBytes,
  );
  const shown = found.slice(found.length - fitting);
  if (services.recordsReading) {
    const span = {
      from: shown[0]?.number ?? 0,
      to: shown.at(-1)?.number ?? 0,
      count: shown.length,
      limit: count,
    };
    await readings.read(session, room, span);
  }
  services.readMarks.note(session.user.id, room.id, shown.at(-1)?.number ?? 0);
  return { data, turn: room.id };
}
