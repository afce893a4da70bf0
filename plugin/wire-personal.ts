import { wireRoom } from "../src/commands/wire-room.ts";
import type { Envids } from "../src/delivery/envids.ts";
import type { Fanout } from "../src/delivery/fanout.ts";
import { Invitations } from "../src/delivery/invitations.ts";
import { ReadMarks } from "../src/delivery/read-marks.ts";
import type { SipSender } from "../src/ports.ts";
import type { Sessions } from "../src/sessions.ts";
import type { Stores } from "../src/store/mysql/stores.ts";

interface PersonalParts {
  readonly stores: Stores;
  readonly sessions: Sessions;
  readonly fanout: Fanout;
  readonly sender: SipSender;
  readonly envids: Envids;
  readonly domain: string;
}

/** What a node does for single users: their preferences, invitations, and what they have read. */
export function makePersonal({ stores, sessions, fanout, sender, envids, domain }: PersonalParts) {
  return {
    preferences: stores.preferences,
    invitations: new Invitations({
      store: stores.invitations,
      users: stores.users,
      rooms: stores.rooms,
      sessions,
      sender,
      envids,
      domain,
      describe: wireRoom,
    }),
    readMarks: new ReadMarks({
      store: stores.readMarks,
      delivered: (roomId) => fanout.delivered(roomId),
    }),
  };
}
