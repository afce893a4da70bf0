import type { Room } from "../chat/room.ts";
import type { Participant, SipSender } from "../ports.ts";
import type { Session } from "../session.ts";
import { encodeEnvelope } from "../xccos/envelope.ts";
import {
  encodeKickNotice,
  encodePartNotice,
  encodePermissionNotice,
  encodeRoomModifiedNotice,
} from "../xccos/notice.ts";
import type { Envids } from "./envids.ts";
import { wireRoom } from "./wire-room.ts";

/** Users in one notice: well below what travels in one body. */
const USERS_PER_NOTICE = 200;

/** What participants hear of their room besides messages, comings and goings. COMPAT(SIPE, 1.25): it takes no notice of these but for `ntc:part`. */
export class RoomNotices {
  private readonly sender: SipSender;
  private readonly envids: Envids;

  constructor(sender: SipSender, envids: Envids) {
    this.sender = sender;
    this.envids = envids;
  }

  /** `ntc:chanmodify`: the room's settings are different now. */
  modified(room: Room, sessions: Iterable<Session>): void {
    const disabled = room.disabled ? { disabled: true } : {};
    this.send(encodeRoomModifiedNotice({ ...wireRoom(room), ...disabled }), sessions, room);
  }

  /** `ntc:permmodify`: what these participants may do is different now. */
  permissions(room: Room, participants: readonly Participant[], sessions: Iterable<Session>): void {
    const hearing = [...sessions];
    for (let from = 0; from < participants.length; from += USERS_PER_NOTICE) {
      const users = participants.slice(from, from + USERS_PER_NOTICE).map(({ user, name, mask }) => ({
        uri: user,
        displayName: name,
        rooms: [{ domain: room.domain, value: room.guid, mask }],
      }));
      this.send(encodePermissionNotice(users), hearing, room);
    }
  }

  /**
   * The receiver is out of the room: `ntc:kick` when he lost his right, `ntc:part` of himself when the room was closed for all.
   * COMPAT(SIPE, 1.25): it knows no kick, but shows that he has left.
   */
  outOf(room: Room, session: Session): void {
    const { uri, displayName } = session.user;
    const notice =
      room.disabled || session.isSipe
        ? encodePartNotice([{ roomUri: room.uri, users: [{ uri }] }])
        : encodeKickNotice(room.uri, { uri, displayName });
    // The last he hears, be he barred or not.
    if (session.connected) this.sender.send(encodeEnvelope(this.envids.next(), notice), [session], room.id);
  }

  private send(notice: string, sessions: Iterable<Session>, room: Room): void {
    const hearing = [...sessions].filter((session) => session.reachable);
    if (hearing.length > 0) this.sender.send(encodeEnvelope(this.envids.next(), notice), hearing, room.id);
  }
}
