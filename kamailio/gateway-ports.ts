import type { Attendance } from "../src/attendance.ts";
import type { Clock, DialogStore, OutgoingDialog, UserStore } from "../src/ports.ts";
import type { ReceivePorts } from "../src/receive.ts";
import type { Answer } from "../src/session.ts";
import type { Sessions } from "../src/sessions.ts";
import type { Incarnation } from "../src/sip/dialog.ts";
import type { InviteSettings } from "./invite.ts";
import type { SelfPresence } from "./self-presence.ts";

/** A Kamailio, as far as requests of its concern it. */
export interface Edge {
  heard(start: string): void;
  greeted(): void;
  answer(tx: string, answer: Answer, dialog: OutgoingDialog | undefined, onGone?: () => void): void;
}

export interface GatewayPorts {
  readonly key: string;
  readonly edges: ReadonlyMap<string, Edge>;
  readonly sessions: Sessions;
  readonly attendance: Attendance;
  readonly users: UserStore;
  readonly dialogs: DialogStore;
  readonly receiving: ReceivePorts;
  readonly selfPresence: SelfPresence;
  readonly clock: Clock;
  readonly me: Incarnation;
  readonly node: string;
  readonly invite: InviteSettings;
  readonly maySpeak: () => boolean;
  readonly onError: (error: unknown, what: string) => void;
  /** One line per request, without what people wrote. */
  readonly onRequest: (line: {
    method: string;
    status: number;
    user: string;
    callId: string;
    tookMs: number;
  }) => void;
  /** A client refused an INFO of ours, or did not answer it (408). */
  readonly onRefused: (status: number, callId: string) => void;
  /** Somebody on the link who is not one of our edges, or speaks nonsense. */
  readonly onStranger: (why: string) => void;
}
