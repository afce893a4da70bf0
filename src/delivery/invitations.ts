import { refusal } from "../chat/role.ts";
import type { Room } from "../chat/room.ts";
import type { Aor } from "../chat/user.ts";
import type { RoomStore, SipSender, UserStore } from "../ports.ts";
import type { Session } from "../session.ts";
import type { Invitation, InvitationStore } from "../user-ports.ts";
import type { WireInvitation, WireRoom } from "../xccos/blocks.ts";
import { encodeEnvelope } from "../xccos/envelope.ts";
import { encodeTime } from "../xccos/grpchat.ts";
import { encodeInviteNotice } from "../xccos/notice.ts";
import type { Envids } from "./envids.ts";

/** Looked at again: a transaction that began earlier may be committed later. */
const OVERLAP_MS = 10_000;
/** What a node that has just begun looks back, for the dialogs it takes over. */
const FIRST_LOOK_MS = 60_000;
const MAX_IN_ONE_LOOK = 5_000;
/** Pages of invitations that are read for one answer, when most of them are to rooms that have stopped inviting. */
const MAX_PAGES = 10;

interface InvitationPorts {
  readonly store: InvitationStore;
  readonly users: UserStore;
  readonly rooms: RoomStore;
  readonly sessions: { ofUser(userId: number): readonly Session[] };
  readonly sender: SipSender;
  readonly envids: Envids;
  /** Of the pool: what the client names when it asks for invitations. */
  readonly domain: string;
  readonly describe: (room: Room) => WireRoom;
}

/** An invitation that still stands, with the room as it is now. */
export interface StandingInvitation {
  readonly room: Room;
  readonly invitation: Invitation;
}

/**
 * Who was invited to which room, as far as it still holds: the room invites and is enabled, and the user is its member today.
 * Whoever makes somebody a member writes the invitation; the nodes find it here within a second.
 */
export class Invitations {
  private readonly ports: InvitationPorts;
  /** By the database's clock; undefined before the first look. */
  private lookedMs: number | undefined;

  constructor(ports: InvitationPorts) {
    this.ports = ports;
  }

  /** Standing ones with a greater number, lowest first, at most `limit`. */
  async after(session: Session, number: number, limit: number): Promise<StandingInvitation[]> {
    const found: StandingInvitation[] = [];
    let from = number;
    for (let page = 0; page < MAX_PAGES && found.length < limit; page++) {
      const some = await this.ports.store.after(session.user.id, from, limit);
      found.push(...(await this.standing(some, session.user.uri)));
      const last = some.at(-1);
      if (!last || some.length < limit) break;
      from = last.number;
    }
    return found.slice(0, limit);
  }

  /** Tells clients of this node what is new. May be called at any time, to have it told at once. */
  async look(): Promise<void> {
    const { store, sessions } = this.ports;
    if (this.lookedMs === undefined) {
      const { nowMs } = await store.since(Number.MAX_SAFE_INTEGER, 0);
      this.lookedMs = nowMs - FIRST_LOOK_MS;
    }
    const fromMs = this.lookedMs;
    const { nowMs, invitations } = await store.since(fromMs, MAX_IN_ONE_LOOK);
    // Thousands at once: on from the last one, at least by a millisecond. Whoever is passed over by that finds it with `getinv`.
    const reachedMs = invitations.length < MAX_IN_ONE_LOOK ? undefined : invitations.at(-1)?.createdMs;
    this.lookedMs = reachedMs === undefined ? nowMs - OVERLAP_MS : Math.max(reachedMs, fromMs + 1);
    const byUser = new Map<number, Invitation[]>();
    for (const invitation of invitations) {
      const waiting = sessions.ofUser(invitation.userId).some((session) => isUntold(session, invitation));
      if (!waiting) continue;
      const some = byUser.get(invitation.userId);
      if (some) some.push(invitation);
      else byUser.set(invitation.userId, [invitation]);
    }
    for (const [userId, some] of byUser) await this.tell(userId, some);
  }

  private async tell(userId: number, invitations: Invitation[]): Promise<void> {
    const { sessions, sender, envids, describe, domain } = this.ports;
    const [anyone] = sessions.ofUser(userId);
    if (!anyone) return;
    const standing = await this.standing(invitations, anyone.user.uri);
    const inOrder = standing.toSorted((a, b) => a.invitation.number - b.invitation.number);
    for (const { room, invitation } of inOrder) {
      const untold = sessions.ofUser(userId).filter((session) => isUntold(session, invitation));
      for (const session of untold) session.invitedUpTo = invitation.number;
      const notice = encodeInviteNotice(describe(room), wireInvitation(invitation, domain));
      if (untold.length > 0) sender.send(encodeEnvelope(envids.next(), notice), untold, 0);
    }
  }

  private async standing(invitations: readonly Invitation[], uri: Aor): Promise<StandingInvitation[]> {
    if (invitations.length === 0) return [];
    // Not the session's: it was looked up when the session began, and groups may have changed since.
    const user = await this.ports.users.find(uri);
    if (!user) return [];
    const found = await this.ports.rooms.byIds(invitations.map(({ roomId }) => roomId));
    const inviting = found.filter((room) => room.invitations);
    const access = await this.ports.rooms.access(inviting, user);
    const byId = new Map<number, Room>();
    inviting.forEach((room, index) => {
      const held = access[index];
      if (held?.member && !refusal("join", room, held)) byId.set(room.id, room);
    });
    return invitations.flatMap((invitation) => {
      const room = byId.get(invitation.roomId);
      return room ? [{ room, invitation }] : [];
    });
  }
}

/** A dialog that only looks up is told nothing, and what is told to one whose connection is closed is lost. */
function isUntold(session: Session, invitation: Invitation): boolean {
  return session.purpose !== "lookup" && session.reachable && session.invitedUpTo < invitation.number;
}

/** An invitation in the words of the wire. */
export function wireInvitation({ number, createdMs }: Invitation, domain: string): WireInvitation {
  return { inviteId: number, domain, createdOn: encodeTime(createdMs) };
}
