import type { Room } from "../../src/chat/room.ts";
import type { Aor } from "../../src/chat/user.ts";
import type { DialogRecord } from "../../src/ports.ts";
import { Session } from "../../src/session.ts";
import { formatIncarnation, newToken } from "../../src/sip/dialog.ts";

/** A room as the store would give it. */
export function aRoom(id: number, settings: Partial<Room> = {}): Room {
  return {
    id,
    uri: `ma-chan://example.com/room-${id}`,
    domain: "example.com",
    guid: `room-${id}`,
    name: `Room ${id}`,
    description: "",
    privacy: "closed",
    type: "normal",
    categoryId: 1,
    categoryGuid: "category-1",
    addIn: null,
    inheritsInvitations: true,
    disabled: false,
    keepsHistory: true,
    reading: "strict",
    fileUpload: false,
    invitations: false,
    accessVersion: 1,
    ...settings,
  };
}

/** A session of `sip:<name>@example.com` on a connection of its own. */
export function aSession(name: string, conid: number, record: Partial<DialogRecord> = {}): Session {
  const uri = `sip:${name}@example.com` as Aor; // a literal in its normal form
  const home = formatIncarnation("n1", 1);
  return new Session(
    {
      state: {
        token: newToken(),
        issuedBy: home,
        callId: `call-${name}-${conid}`,
        localUri: "sip:pchat@example.com",
        localTag: "server",
        remoteUri: uri,
        remoteTag: `tag-${conid}`,
        remoteTarget: `sip:${name}@192.0.2.1:5062`,
        routeSet: "",
        localAddress: "127.0.0.1:5060",
      },
      user: {
        id: conid,
        uri,
        displayName: name.toUpperCase(),
        email: null,
        enabled: true,
        mayCreateRooms: true,
        administrator: false,
        principalIds: [conid],
      },
      epid: `epid-${conid}`,
      home,
      epoch: 0,
      flow: { edge: "edge1", edgeStart: "a", conid, source: `127.0.0.1:${40_000 + conid}`, transport: "tcp" },
      awaySinceMs: null,
      isSipe: false,
      ...record,
    },
    0,
  );
}
