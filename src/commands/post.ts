import { ChatError } from "../chat/errors.ts";
import { isTooLong, type StoredMessage } from "../chat/message.ts";
import { refusal } from "../chat/role.ts";
import type { Room } from "../chat/room.ts";
import { STALE } from "../ports.ts";
import { normaliseAor } from "../sip/aor.ts";
import type { WirePost } from "../xccos/grpchat.ts";
import { travellingBytes } from "../xccos/travelling.ts";
import { parseRoomUri, type RoomRef } from "../xccos/uri.ts";
import { escapeText } from "../xccos/xml-writer.ts";
import type { Context } from "./context.ts";
import { enterRooms } from "./join.ts";

/** A room that changes again and again while one post is decided is busy being managed. */
const MAX_DECISIONS = 3;
/** Of one character on its way: an ampersand becomes five bytes, none more. */
const MOST_GROWTH = 5;
/** The envelope and the attributes of a copy: room, author and his display name. */
const AROUND_TEXT_BYTES = 8_000;

/** What arrives with a post besides its text. */
export interface PostArrival {
  readonly envid: string;
  /** A commit that has not started by then must not start: the sender has been told 503. */
  readonly startBeforeMs: number;
}

/**
 * `<grpchat>`: a participant posts to a room. Returns when the message and its compliance record are committed; the caller
 * acknowledges, then delivers: an acknowledged post is never lost.
 * @throws {ChatError} why it is refused; nothing is stored then
 */
export async function post(
  wire: WirePost,
  arrival: PostArrival,
  context: Context,
): Promise<{ room: Room; message: StoredMessage; repeated: boolean }> {
  const { session, services } = context;
  if (wire.author !== undefined && normaliseAor(wire.author) !== session.user.uri)
    throw new ChatError("WRONG_AUTHOR");
  if (wire.problem) throw new ChatError("BAD_REQUEST");
  const ref = parseRoomUri(wire.chanUri);
  if (!ref) throw new ChatError("ROOM_NOT_FOUND");
  const rtf = wire.rtf ?? null;
  if (isTooLong(wire.chat, rtf, services.limits) || cannotTravel(wire, services.limits.maxReplyBytes())) {
    await entitledRoom(ref, context); // an outsider learns nothing of the room from a long text
    throw new ChatError("MESSAGE_TOO_LONG");
  }
  for (let decision = 0; decision < MAX_DECISIONS; decision++) {
    const room = await entitledRoom(ref, context);
    const stored = await services.journal.post({
      by: session,
      room,
      envid: arrival.envid,
      seqid: wire.seqid,
      text: wire.chat,
      rtf,
      alert: wire.alert,
      startBeforeMs: arrival.startBeforeMs,
    });
    if (stored === STALE) {
      distrust(ref, context);
      continue;
    }
    services.readMarks.note(session.user.id, room.id, stored.number);
    return { room, message: stored, repeated: stored.repeated };
  }
  throw new ChatError("OVERLOADED");
}

/** Text of little else than markup characters grows to many times its size: nobody could ever be sent that copy. */
function cannotTravel({ chat, rtf = "" }: WirePost, maxBytes: number): boolean {
  if (chat.length + rtf.length < maxBytes / (2 * MOST_GROWTH)) return false;
  return travellingBytes(escapeText(chat) + escapeText(rtf)) > maxBytes - AROUND_TEXT_BYTES;
}

/** The room, when this session may post there. Joined and found entitled before: no question to the store. */
async function entitledRoom(ref: RoomRef, context: Context): Promise<Room> {
  const { session, services } = context;
  const joined = joinedAs(ref, context);
  if (joined?.mayPost) return joined.room;
  const room = await services.rooms.find(ref.domain, ref.value);
  const [access] = await services.rooms.access([room], session.user);
  const no = room && access ? refusal("post", room, access) : "ROOM_NOT_FOUND";
  if (no || !room) throw new ChatError(no ?? "ROOM_NOT_FOUND");
  if (joined) session.rooms.set(room.id, { ...joined, room, mayPost: true });
  else await joinImplied(ref, context);
  return room;
}

/**
 * COMPAT(SIPE, 1.25): after a lost session it posts into rooms without joining them again. When this endpoint is known to have
 * been in rooms here, the post enters it; a stranger must join first.
 */
async function joinImplied(ref: RoomRef, context: Context): Promise<void> {
  const { session, services } = context;
  if (session.rooms.size === 0) {
    const remembered =
      session.epid === "" ? [] : await services.dialogs.remembered(session.user.id, session.epid);
    if (remembered.length === 0) throw new ChatError("NOT_JOINED");
  }
  const { refused } = await enterRooms([ref], context);
  const no = refused.get(ref.uri);
  if (no) throw new ChatError(no);
}

function joinedAs(ref: RoomRef, { session, services }: Context) {
  const id = services.fanout.idOf(ref.uri);
  return id === undefined ? undefined : session.rooms.get(id);
}

function distrust(ref: RoomRef, context: Context): void {
  const joined = joinedAs(ref, context);
  if (joined) context.session.rooms.set(joined.room.id, { ...joined, mayPost: false });
}
