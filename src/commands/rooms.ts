import { ChatError } from "../chat/errors.ts";
import type { Room } from "../chat/room.ts";
import type { RoomQuery } from "../chat/room-query.ts";
import { wireRoom } from "../delivery/wire-room.ts";
import { principalUri } from "../management/addresses.ts";
import type { Command } from "../xccos/command.ts";
import { roomListData } from "../xccos/reply.ts";
import { travellingBytes } from "../xccos/travelling.ts";
import { parseCategoryUri } from "../xccos/uri.ts";
import { type CommandResult, type Context, mostReplyBytes } from "./context.ts";

// Maps, not objects: a client may well ask for "constructor".
const PRIVACY = new Map<string, Room["privacy"]>([
  ["open", "open"],
  ["scoped", "closed"],
  ["closed", "closed"],
  ["private", "secret"],
  ["secret", "secret"],
]);
const TYPE = new Map<string, Room["type"]>([
  ["normal", "normal"],
  ["auditorium", "auditorium"],
]);

const MATCH = new Map<string, NonNullable<RoomQuery["match"]>>([
  ["ALL", "all"],
  ["ANY", "any"],
  ["EXACT", "phrase"],
]);

/** The envelope around the rooms of a reply. */
const AROUND_ROOMS_BYTES = 2_000;

/** `cmd:chansrch`: rooms the user may see. Filters that are not understood find nothing rather than everything. */
export async function search(
  command: Extract<Command, { kind: "chansrch" }>,
  context: Context,
): Promise<CommandResult> {
  const { services, session } = context;
  const privacy =
    command.visibility === undefined ? undefined : PRIVACY.get(command.visibility.toLowerCase());
  const type = command.behavior === undefined ? undefined : TYPE.get(command.behavior.toLowerCase());
  const category = command.category === undefined ? undefined : parseCategoryUri(command.category);
  const match = command.match === undefined ? undefined : MATCH.get(command.match);
  if (
    (command.visibility && !privacy) ||
    (command.behavior && !type) ||
    (command.category !== undefined && !category) ||
    (command.match !== undefined && !match)
  )
    throw new ChatError("BAD_REQUEST");
  const { member, manager, participant, addIn, invite, disabled } = command;
  const query = {
    words: command.criteria,
    inDescription: command.extended,
    ...(privacy ? { privacy } : {}),
    ...(type ? { type } : {}),
    ...(category ? { category: category.value.toLowerCase() } : {}),
    ...(match ? { match } : {}),
    ...(member === undefined ? {} : { member: principalUri(member) }),
    ...(manager === undefined ? {} : { manager: principalUri(manager) }),
    ...(participant === undefined ? {} : { participant: principalUri(participant) }),
    ...(addIn === undefined ? {} : { addIn }),
    ...(invite === undefined ? {} : { invitations: invite }),
    ...(disabled ? { disabled } : {}),
  };
  return list(await services.rooms.search(query, session.user, atMost(command.maxResults, context)), context);
}

/** `cmd:getassociations`: rooms in which the user holds the role. */
export async function associations(
  command: Extract<Command, { kind: "getassociations" }>,
  context: Context,
): Promise<CommandResult> {
  const role = command.type === "MANAGER" ? "manager" : "member";
  const limit = atMost(command.maxResults, context);
  const { session, services } = context;
  const rooms = await services.rooms.associations(role, session.user, limit);
  // A manager who is no member may not read.
  const unread = role === "member" ? await services.readMarks.unread(session.user.id, rooms) : undefined;
  return list(rooms, context, unread);
}

function atMost(asked: number | undefined, { services }: Context): number {
  return Math.min(asked ?? services.limits.searchLimit, services.limits.searchLimit);
}

/** Rooms with their participant counts; the last ones are left out when the reply would grow too large to travel. */
async function list(
  rooms: readonly Room[],
  context: Context,
  unread?: ReadonlyMap<number, number>,
): Promise<CommandResult> {
  const counts = await context.services.rosters.counts(rooms.map(({ id }) => id));
  let data = "";
  let bytes = 0;
  for (const room of rooms) {
    const participants = counts.get(room.id) ?? 0;
    const block = roomListData([{ ...wireRoom(room), participants, unread: unread?.get(room.id) }]);
    bytes += travellingBytes(block);
    if (bytes > mostReplyBytes(context) - AROUND_ROOMS_BYTES) break;
    data += block;
  }
  return { data };
}
