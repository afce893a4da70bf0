import type { Category } from "../chat/category.ts";
import { ChatError } from "../chat/errors.ts";
import { type Access, refusal } from "../chat/role.ts";
import type { Room } from "../chat/room.ts";
import { wireRoom } from "../delivery/wire-room.ts";
import type { Participant } from "../ports.ts";
import { aibOfRoom, uib } from "../xccos/blocks.ts";
import type { Command } from "../xccos/command.ts";
import { addInData, categoryData, principalData } from "../xccos/management-reply.ts";
import { type managementCommands, permissionMasks } from "../xccos/names.ts";
import { joinData } from "../xccos/reply.ts";
import { travellingBytes } from "../xccos/travelling.ts";
import { type CommandResult, type Context, mostReplyBytes } from "./context.ts";
import { actorOf, categoryNamed, categoryUri, nameOf, ROLE } from "./manage-rooms.ts";
import { AROUND_LIST_BYTES, roomLists, upTo, wirePrincipal } from "./reply-lists.ts";

type Names = typeof managementCommands;
type Named<Name extends keyof Names> = Extract<Command, { kind: Names[Name] }>;

/** Participants of a large room in one reply; fewer when their names are long. */
const PARTICIPANTS_PER_REPLY = 500;
/** A list of thousands is not made for one session more often. */
const PARTICIPANTS_EVERY_MS = 5_000;

/** A room's lists, with its version. */
export async function roles(command: Named<"roles">, context: Context): Promise<CommandResult> {
  const { management, limits } = context.services;
  const wanted = command.role === undefined ? undefined : [ROLE[command.role]];
  const { room, lists } = await management.rolesOf(actorOf(context), nameOf(command.room), wanted, {
    limit: Math.min(command.maxResults ?? limits.searchLimit, limits.searchLimit),
    after: command.after,
  });
  return { data: roomLists(room, lists, context).data, turn: room.id };
}

/** What the asker may do in a room, as a mask. */
export async function permissions(command: Named<"permissions">, context: Context): Promise<CommandResult> {
  const { management } = context.services;
  const { room, access } = await management.lookAt(actorOf(context), nameOf(command.room));
  const { uri, displayName } = context.session.user;
  const block = aibOfRoom(maskOf(room, access), { domain: room.domain, value: room.guid });
  return { data: uib({ uri, displayName }, block), turn: room.id };
}

/** Everybody in a large room, whose list nobody gets by joining it. Any other room: there is nothing to ask for. */
export async function participants(command: Named<"participants">, context: Context): Promise<CommandResult> {
  const { session, services } = context;
  const { rooms, rosters, clock } = services;
  const room = await rooms.find(command.room.domain, command.room.value);
  const [access] = await rooms.access([room], session.user);
  const no = room && access ? refusal("join", room, access) : "ROOM_NOT_FOUND";
  if (no || !room) throw new ChatError(no ?? "ROOM_NOT_FOUND");
  if (!session.rooms.has(room.id)) throw new ChatError("NOT_JOINED");
  if (!rosters.isLarge(room.id)) throw new ChatError("NOT_LARGE");
  const nowMs = clock.monotonicMs();
  if (nowMs - session.listedMs < PARTICIPANTS_EVERY_MS) throw new ChatError("OVERLOADED");
  session.listedMs = nowMs;
  const everybody = await rosters.everybody(room.id);
  const [data = "", ...more] = listsOf(room, everybody, mostReplyBytes(context) - AROUND_LIST_BYTES);
  return { data, more, turn: room.id };
}

/** `cmd:nodespermcreatechild`: categories in which the asker may create rooms. */
export async function creatable(context: Context): Promise<CommandResult> {
  return categoryList(
    await context.services.management.categoriesFor(context.session.user, "create"),
    context,
  );
}

/** Categories whose rooms the asker can find. */
export async function categories(context: Context): Promise<CommandResult> {
  return categoryList(
    await context.services.management.categoriesFor(context.session.user, "browse"),
    context,
  );
}

/** Add-ins a room can have. */
export async function addIns(context: Context): Promise<CommandResult> {
  return { data: upTo(await context.services.management.addIns(), (some) => addInData(some), context).data };
}

/** Who could be given a role. */
export async function principals(command: Named<"principals">, context: Context): Promise<CommandResult> {
  const { management, limits } = context.services;
  const { where, criteria: text, presenters, maxResults } = command;
  const limit = Math.min(maxResults ?? limits.searchLimit, limits.searchLimit);
  const { found, more } = await management.eligible(
    actorOf(context),
    "room" in where ? { room: nameOf(where.room) } : { category: categoryNamed(where.category, context) },
    { text, presenters, limit },
  );
  const fitting = upTo(found.map(wirePrincipal), (some) => principalData(some, true), context);
  return { data: principalData(fitting.items, more || fitting.items.length < found.length) };
}

function categoryList(list: readonly Category[], context: Context): CommandResult {
  const wire = list.map(({ guid, name, description, invitations, fileUpload, chatHistory }) => ({
    uri: categoryUri(guid, context),
    name,
    description,
    invite: invitations,
    filepost: fileUpload,
    logged: chatHistory,
  }));
  return { data: upTo(wire, categoryData, context).data };
}

function* listsOf(room: Room, everybody: readonly Participant[], most: number): Generator<string> {
  for (let from = 0; from < everybody.length; ) {
    let count = Math.min(PARTICIPANTS_PER_REPLY, everybody.length - from);
    for (;;) {
      const members = everybody
        .slice(from, from + count)
        .map(({ user, name, mask }) => ({ uri: user, displayName: name, mask }));
      const data = joinData({ rooms: [{ ...wireRoom(room), members }], failed: [] });
      if (count === 1 || travellingBytes(data) <= most) {
        yield data;
        break;
      }
      count = Math.ceil(count / 2);
    }
    from += count;
  }
}

function maskOf(room: Room, access: Access): number {
  const { manageRoom, joinRoom, chat, readHistory, seeRoom, chatInAuditorium, bypassVisibility } =
    permissionMasks;
  const bits = [
    [!refusal("see", room, access), seeRoom],
    [!refusal("join", room, access), joinRoom],
    [!refusal("read", room, access), readHistory],
    [!refusal("post", room, access), chat],
    [!refusal("post", room, access) && room.type === "auditorium", chatInAuditorium],
    [!refusal("manage", room, access), manageRoom],
    [access.administrator, bypassVisibility],
  ] as const;
  return bits.reduce((mask, [allowed, bit]) => (allowed ? mask | bit : mask), 0);
}
