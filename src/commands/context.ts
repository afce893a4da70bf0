import type { Attendance } from "../attendance.ts";
import type { MessageLimits } from "../chat/message.ts";
import type { Fanout } from "../delivery/fanout.ts";
import type { Invitations } from "../delivery/invitations.ts";
import type { ReadMarks } from "../delivery/read-marks.ts";
import type { Rosters } from "../delivery/rosters.ts";
import type { Management } from "../management/management.ts";
import type { Clock, DialogStore, Journal, MessageStore, RoomStore } from "../ports.ts";
import type { ReadingRecords } from "../reading-ports.ts";
import type { HistorySearch } from "../search-ports.ts";
import type { Session } from "../session.ts";
import { MAX_DATAGRAM_BODY_BYTES } from "../sip/dialog.ts";
import type { PreferenceStore } from "../user-ports.ts";

/** Lync's settings, with our units in the names. */
export interface ChatLimits extends MessageLimits {
  /** Rooms in one reply. */
  readonly searchLimit: number;
  /** Messages a client gets when it asks for history without saying how many. */
  readonly defaultChatHistory: number;
  /** Messages in one history reply, whatever the client asks for. */
  readonly maxChatHistory: number;
  /** Bytes of one message or reply as it travels; history drops its oldest messages, lists their last rooms. */
  readonly maxReplyBytes: () => number;
}

/** What this pool says of itself. */
export interface PoolIdentity {
  readonly domain: string;
  readonly poolUri: string;
  readonly displayName: string;
  readonly rootCategoryUri: string;
  readonly roomManagementUrl: string | undefined;
  /** Identifies the content store to clients that keep copies. */
  readonly storeId: string;
}

/** Everything a command may use. */
export interface Services {
  readonly rooms: RoomStore;
  readonly management: Management;
  readonly messages: MessageStore;
  readonly search: HistorySearch;
  readonly dialogs: DialogStore;
  readonly journal: Journal;
  readonly readings: ReadingRecords;
  readonly preferences: PreferenceStore;
  readonly invitations: Invitations;
  readonly readMarks: ReadMarks;
  readonly attendance: Attendance;
  readonly fanout: Fanout;
  readonly rosters: Rosters;
  readonly clock: Clock;
  readonly limits: ChatLimits;
  readonly pool: PoolIdentity;
  /** False when compliance is switched off: then nothing is recorded of reading. */
  readonly recordsReading: boolean;
}

/** One command on its way. */
export interface Context {
  readonly session: Session;
  readonly services: Services;
}

/** Bytes of a reply that can still reach this client, as it travels. */
export function mostReplyBytes({ session, services }: Context): number {
  const most = services.limits.maxReplyBytes();
  return session.flow.transport === "udp" ? Math.min(most, MAX_DATAGRAM_BODY_BYTES) : most;
}

/** What a command answers: the content of `<data>`. `turn` keeps the reply in line with that room's messages. */
export interface CommandResult {
  readonly data: string;
  /** Further replies to the same command, each in an envelope of its own: what does not fit into one. */
  readonly more?: readonly string[];
  readonly turn?: number;
}
