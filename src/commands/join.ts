import { ChatError, type ChatErrorCode } from "../chat/errors.ts";
import { refusal } from "../chat/role.ts";
import type { Room } from "../chat/room.ts";
import { permissionMask, wireRoom } from "../delivery/wire-room.ts";
import type { Participant } from "../ports.ts";
import type { Command } from "../xccos/command.ts";
import { joinData, partData } from "../xccos/reply.ts";
import { travellingBytes } from "../xccos/travelling.ts";
import type { RoomRef } from "../xccos/uri.ts";
import { type CommandResult, type Context, mostReplyBytes } from "./context.ts";

/** A room may change between the decision and its record; then it is decided again, but not for ever. */
const MAX_DECISIONS = 3;
/** Envelope and reply around the rooms. */
const AROUND_ROOMS_BYTES = 2_000;

type Naming<Kind extends Command["kind"]> = Extract<Command, { kind: Kind }>;

/** `cmd:join`: one room, refused by the code of the reply. Already joined: the same reply again. */
export async function join(command: Naming<"join">, context: Context): Promise<CommandResult> {
  const [first] = command.rooms;
  if (!first) throw new ChatError("BAD_REQUEST");
  const { joined, refused } = await enterRooms(command.rooms, context);
  const refusedWith = refused.get(first.uri);
  if (refusedWith) throw new ChatError(refusedWith);
  return describe(joined, [], context);
}

/** `cmd:bjoin`: many rooms; those refused stand as `fib` in the reply, which is 200 all the same. */
export async function bjoin(command: Naming<"bjoin">, context: Context): Promise<CommandResult> {
  const { joined, refused } = await enterRooms(command.rooms, context);
  const failed = command.rooms.filter(({ uri }) => refused.has(uri));
  return describe(joined, failed, context);
}

/** `cmd:part`: from rooms the session is in; from others it is no error. */
export async function part(command: Naming<"part">, { session, services }: Context): Promise<CommandResult> {
  const wanted = new Set<string>(command.rooms.map(({ uri }) => uri));
  const leaving = [...session.rooms.values()].map(({ room }) => room).filter(({ uri }) => wanted.has(uri));
  await services.attendance.leave(session, leaving, "left");
  return { data: partData(command.rooms.map(({ uri }) => uri)) };
}

/** Decides and records; rooms that change under way are decided again. */
export async function enterRooms(
  refs: readonly Pick<RoomRef, "uri" | "domain" | "value">[],
  { session, services }: Context,
): Promise<{ joined: Room[]; refused: Map<string, ChatErrorCode> }> {
  const joined: Room[] = [];
  const refused = new Map<string, ChatErrorCode>();
  let undecided = refs;
  for (let decision = 0; undecided.length > 0 && decision < MAX_DECISIONS; decision++) {
    const found = await Promise.all(undecided.map(({ domain, value }) => services.rooms.find(domain, value)));
    const access = await services.rooms.access(found, session.user);
    const entering: { room: Room; mask: number; mayPost: boolean }[] = [];
    undecided.forEach(({ uri }, index) => {
      const [room, held] = [found[index], access[index]];
      const no = room && held ? refusal("join", room, held) : "ROOM_NOT_FOUND";
      if (no || !room || !held) refused.set(uri, no ?? "ROOM_NOT_FOUND");
      else entering.push({ room, mask: permissionMask(room, held), mayPost: !refusal("post", room, held) });
    });
    const stale = await services.attendance.enter(session, entering);
    for (const { room } of entering) if (!stale.has(room.id)) joined.push(room);
    const again = new Set(entering.filter(({ room }) => stale.has(room.id)).map(({ room }) => room.uri));
    undecided = undecided.filter(({ uri }) => again.has(uri));
  }
  for (const { uri } of undecided) refused.set(uri, "OVERLOADED");
  return { joined, refused };
}

/**
 * The joiner always stands in the list himself, alone when the room is too large for a roster or the roster for a reply. Many rooms are told in several
 * replies: each client treats each by itself.
 */
async function describe(
  rooms: readonly Room[],
  failed: readonly RoomRef[],
  context: Context,
): Promise<CommandResult> {
  const { session, services } = context;
  const rosters = await services.rosters.participants(
    session,
    rooms.map(({ id }) => id),
  );
  const unread = await services.readMarks.unread(session.user.id, rooms);
  const most = mostReplyBytes(context) - AROUND_ROOMS_BYTES;
  const described = rooms.map((room) => {
    const mask = session.rooms.get(room.id)?.mask ?? 0;
    const self = { user: session.user.uri, name: session.user.displayName, mask };
    const withRoster = (participants: readonly Participant[]) => ({
      ...wireRoom(room),
      unread: unread.get(room.id),
      members: participants.map((one) => ({ uri: one.user, displayName: one.name, mask: one.mask })),
    });
    const whole = withRoster(rosters.get(room.id) ?? [self]);
    const fits = travellingBytes(joinData({ rooms: [whole], failed: [] })) <= most;
    return fits ? whole : withRoster([self]);
  });
  const replies: string[] = [];
  const tell = (from: number, to: number): void => {
    const data = joinData({
      rooms: described.slice(from, to),
      failed: to === described.length ? failed : [],
    });
    if (to - from > 1 && travellingBytes(data) > most) {
      const middle = Math.ceil((from + to) / 2);
      tell(from, middle);
      tell(middle, to);
    } else {
      replies.push(data);
    }
  };
  tell(0, described.length);
  const [data = "", ...more] = replies;
  return { data, more };
}
