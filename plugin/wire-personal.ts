import { SelfPresence } from "../kamailio/self-presence.ts";
import type { Envids } from "../src/delivery/envids.ts";
import { Invitations } from "../src/delivery/invitations.ts";
import { KeywordFilters } from "../src/delivery/keyword-filters.ts";
import { ReadMarks } from "../src/delivery/read-marks.ts";
import { wireRoom } from "../src/delivery/wire-room.ts";
import type { Clock, NodeBus, SipSender } from "../src/ports.ts";
import type { Sessions } from "../src/sessions.ts";
import type { Incarnation } from "../src/sip/dialog.ts";
import type { Stores } from "../src/store/mysql/stores.ts";
import type { Config } from "./config.ts";

interface PersonalParts {
  readonly config: Config;
  readonly stores: Stores;
  readonly sessions: Sessions;
  readonly sender: SipSender;
  readonly bus: NodeBus;
  readonly clock: Clock;
  readonly envids: Envids;
  readonly me: Incarnation;
  /** Last number handed to the sender, for rooms with participants on this node. */
  readonly delivered: (roomId: number) => number | undefined;
  readonly onError: (error: unknown, what: string) => void;
}

/** A presence document that fits into a datagram, and as base64 into what an edge takes. About a hundred rooms. */
const mostDocumentBytes = (maxReplyBytes: number) => Math.min(50_000, Math.floor(maxReplyBytes / 2));

/** What a node does for single users: their preferences, invitations, what they have read, follow and wait for. */
export function makePersonal(parts: PersonalParts) {
  const { config, stores, sessions, sender, bus, clock, envids, me, delivered, onError } = parts;
  const { users, rooms, publications } = stores;
  const invitations = new Invitations({
    store: stores.invitations,
    users,
    rooms,
    sessions,
    sender,
    envids,
    domain: config.domain,
    describe: wireRoom,
  });
  const readMarks = new ReadMarks({ store: stores.readMarks, delivered });
  const filters = new KeywordFilters({
    publications,
    rooms,
    users,
    sessions,
    sender,
    envids,
    clock,
    onError,
  });
  const maxBytes = mostDocumentBytes(config.chat["max-reply"]);
  const selfPresence = new SelfPresence({ users, publications, sender, bus, clock, me, maxBytes, onError });
  return {
    services: { preferences: stores.preferences, invitations, readMarks },
    filters,
    selfPresence,
    chores: [
      { what: "looking for invitations", everyMs: 1_000, work: () => invitations.look() },
      {
        what: "finishing invitations",
        everyMs: 5_000,
        work: async () => void (await stores.finishInvitations()),
      },
      { what: "saving what was read", everyMs: 3_000, work: () => readMarks.save() },
      { what: "reading keyword filters", everyMs: 2_000, work: () => filters.look() },
      { what: "looking for what is followed", everyMs: 5_000, work: () => selfPresence.look() },
    ],
  };
}
