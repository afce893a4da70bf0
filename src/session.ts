import type { Room } from "./chat/room.ts";
import type { User } from "./chat/user.ts";
import type { DialogRecord, JoinedRoom, OutgoingDialog, Recorder } from "./ports.ts";
import {
  CSEQS_PER_EPOCH,
  type DialogState,
  type DialogToken,
  type Flow,
  firstCSeq,
  type Incarnation,
} from "./sip/dialog.ts";

/** Requests of one dialog that may wait for their turn; beyond it 503, so one client's flood stays its own. */
const MAX_WAITING = 64;
/** Answers kept per dialog: a client repeats only what it has not seen answered. */
const MAX_ANSWERS = 16;
/** For this long after a takeover the edge may still have requests under way over its earlier way to this node. */
const OVERTAKING_MS = 10_000;

/** What a request got, kept to give a repeat of it the same. */
export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers?: readonly string[];
  readonly body?: string;
  readonly contentType?: string;
}

/** A room this dialog is in. */
export interface JoinedHere extends Omit<JoinedRoom, "roomId"> {
  readonly room: Room;
  /** Found entitled to post under `room.accessVersion`; false: look again, the answer may have changed. */
  readonly mayPost: boolean;
  /** The client has had the room's history in this session. */
  readonly historyShown?: boolean;
  /** Last number of the room when the dialog entered it, where `since` has moved on with a change of home. */
  readonly entered?: number;
}

/**
 * One participant's XCCOS session on one dialog, as its home node holds it in memory. Work for it is serial (`run`), in the order
 * of arrival; different sessions work side by side.
 */
export class Session implements OutgoingDialog, Recorder {
  readonly state: DialogState;
  /** As last read: policies and groups change while it lasts. */
  user: User;
  readonly epid: string;
  readonly home: Incarnation;
  epoch: number;
  flow: Flow;
  /** Wall clock; null while the connection stands. */
  awaySinceMs: number | null;
  /** The store has flow, absence and epoch as they are here. */
  onRecord = true;
  /** Monotonic clock. */
  lastHeardMs: number;
  /** A dialog that asked `requri` only looks up; it never takes over another one's rooms. */
  purpose: "unknown" | "lookup" | "pool" = "unknown";
  /** COMPAT(SIPE, 1.25): it cannot tell history from live text and would show a message twice that comes both ways. */
  readonly isSipe: boolean;
  /** Its connection had gone by the time its node was taken over. */
  lostWithNode = false;
  ended = false;
  /** The highest number of an invitation this client has been told of. */
  invitedUpTo = 0;
  /** Monotonic clock: when it was last given the list of a large room. */
  listedMs = Number.NEGATIVE_INFINITY;
  readonly rooms = new Map<number, JoinedHere>();
  /** Earlier dialogs of its endpoint whose rooms it has begun to take over. */
  readonly adopting = new Set<DialogToken>();

  private cseq: number;
  private remoteCSeq = 0;
  /** Monotonic clock: when this node took it over from one that died; undefined when it was opened here. */
  private takenOverMs: number | undefined;
  /** Monotonic clock: until then a request may have been overtaken by a later one of its dialog. */
  private overtakenUntilMs = 0;
  /** By CSeq: no two requests of a dialog share one but the ACK and CANCEL that Kamailio keeps. */
  private readonly answers = new Map<number, Answer | Promise<Answer>>();
  private tail: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  constructor(record: DialogRecord, nowMonotonicMs: number) {
    this.state = record.state;
    this.user = record.user;
    this.epid = record.epid;
    this.home = record.home;
    this.epoch = record.epoch;
    this.flow = record.flow;
    this.awaySinceMs = record.awaySinceMs;
    this.isSipe = record.isSipe;
    this.lastHeardMs = nowMonotonicMs;
    this.cseq = firstCSeq(record.epoch) - 1;
  }

  get token() {
    return this.state.token;
  }

  nextCSeq(): number {
    this.cseq += 1;
    return this.cseq;
  }

  /** Half of its epoch's numbers are used: the next one must be on record before the others are. */
  get needsEpoch(): boolean {
    return this.cseq - firstCSeq(this.epoch) >= CSEQS_PER_EPOCH / 2;
  }

  /** The user has lost his policy: what he asks for is not begun any more, and the dialog ends as soon as its turn comes. */
  get barred(): boolean {
    return !this.user.enabled;
  }

  /** The dialog lives and its connection stands. */
  get connected(): boolean {
    return !this.ended && this.awaySinceMs === null;
  }

  /** True when copies can be sent. */
  get reachable(): boolean {
    return this.connected && !this.barred;
  }

  /** Another node held this dialog until now: the edge changes over from one connection to another, and requests may overtake. */
  takenOver(nowMonotonicMs: number): void {
    this.takenOverMs = nowMonotonicMs;
    this.lastHeardMs = nowMonotonicMs;
    this.overtakenUntilMs = nowMonotonicMs + OVERTAKING_MS;
  }

  /** Its node died, and nothing has been heard of the client since. */
  get orphaned(): boolean {
    return this.takenOverMs !== undefined && this.lastHeardMs <= this.takenOverMs;
  }

  /** So soon after a takeover what becomes of the session is still the dead node's doing. */
  isOvertaking(nowMonotonicMs: number): boolean {
    return nowMonotonicMs < this.overtakenUntilMs;
  }

  /**
   * Places a request in the dialog (RFC 3261 §12.2.2).
   * @returns the first answer for a repeat, "old" for a number lower than one already seen, undefined for a new request.
   */
  recall(cseq: number, nowMonotonicMs: number): Answer | Promise<Answer> | "old" | undefined {
    const known = this.answers.get(cseq);
    if (known) return known;
    // The same number without an answer: it got a 503 and tries again.
    if (cseq < this.remoteCSeq && !this.isOvertaking(nowMonotonicMs)) return "old";
    this.remoteCSeq = Math.max(this.remoteCSeq, cseq);
    return undefined;
  }

  /** Keeps the answer for repeats; the oldest is forgotten beyond the limit. */
  remember(cseq: number, answer: Answer | Promise<Answer>): void {
    this.answers.set(cseq, answer);
    if (this.answers.size <= MAX_ANSWERS) return;
    const oldest = this.answers.keys().next();
    if (!oldest.done) this.answers.delete(oldest.value);
  }

  /** A refusal for now (503) is no answer to keep: the client may send the same again. */
  forgetAnswer(cseq: number): void {
    this.answers.delete(cseq);
  }

  /** Something is under way or waits for its turn. */
  get busy(): boolean {
    return this.waiting > 0;
  }

  get crowded(): boolean {
    return this.waiting >= MAX_WAITING;
  }

  /** Does the work after everything that was handed in before. The caller has looked at `crowded`. */
  run<T>(work: () => Promise<T>): Promise<T> {
    this.waiting += 1;
    const result = this.tail.then(work, work);
    this.tail = result.then(
      () => this.done(),
      () => this.done(),
    );
    return result;
  }

  private done(): void {
    this.waiting -= 1;
  }
}
