import { wireInvitation } from "../delivery/invitations.ts";
import { wireRoom } from "../delivery/wire-room.ts";
import type { Command } from "../xccos/command.ts";
import { invitationData } from "../xccos/reply.ts";
import { travellingBytes } from "../xccos/travelling.ts";
import { type CommandResult, type Context, mostReplyBytes } from "./context.ts";

/** The envelope around the invitations of a reply. */
const AROUND_INVITATIONS_BYTES = 2_000;

/**
 * `cmd:getinv`: invitations with a greater number than the client has seen, lowest first, so that what does not fit into one reply
 * is found by asking again.
 */
export async function invitations(
  command: Extract<Command, { kind: "getinv" }>,
  context: Context,
): Promise<CommandResult> {
  const { session, services } = context;
  const { limits, pool, rosters } = services;
  const found = await services.invitations.after(session, command.after, limits.searchLimit);
  const counts = await rosters.counts(found.map(({ room }) => room.id));
  let data = "";
  let bytes = 0;
  for (const { room, invitation } of found) {
    const described = { ...wireRoom(room), participants: counts.get(room.id) ?? 0 };
    const block = invitationData([{ room: described, invitation: wireInvitation(invitation, pool.domain) }]);
    bytes += travellingBytes(block);
    if (bytes > mostReplyBytes(context) - AROUND_INVITATIONS_BYTES) break;
    data += block;
    session.invitedUpTo = Math.max(session.invitedUpTo, invitation.number);
  }
  return { data };
}
