import type { OutgoingDialog } from "../src/ports.ts";
import type { Answer } from "../src/session.ts";

/** An answer to a suspended transaction, on its way to Kamailio. */
export interface PendingAnswer {
  readonly index: number;
  readonly label: number;
  readonly answer: Answer;
  /** Called when the transaction no longer existed: the client has been told 503. */
  readonly onGone: (() => void) | undefined;
}

interface Job {
  readonly body: string;
  readonly dialogs: readonly OutgoingDialog[];
  next: number;
}

/** What goes out in one call. */
export interface Load {
  readonly answers: readonly PendingAnswer[];
  readonly copies: readonly { readonly body: string; readonly dialogs: readonly OutgoingDialog[] }[];
}

/** Copies in one call: more would keep answers waiting behind them (one Lua loop works on a call). */
const MAX_COPIES = 100;
const MAX_ANSWERS = 200;
/** Characters of bodies in one call; with the dialogs' lines it stays below Kamailio's read buffer of 128 KiB. */
const MAX_BODY_CHARS = 60_000;
/** Copies that may wait; beyond it the edge is not taking them, and the dialogs are given up. */
const MAX_WAITING_COPIES = 500_000;

/**
 * What waits for one control socket. Answers go first; then replies and notices (turn 0), in order; then the rooms, one after
 * the other, so that a room of 16,000 never starves the small ones.
 */
export class Shard {
  private answers: PendingAnswer[] = [];
  private readonly control: Job[] = [];
  private readonly rooms = new Map<number, Job[]>();
  private waitingCopies = 0;
  private oldestMs = 0;

  get empty(): boolean {
    return this.answers.length === 0 && this.waitingCopies === 0;
  }

  /** For how long copies have been waiting without a break, by the caller's monotonic clock. */
  waitingMs(nowMs: number): number {
    return this.waitingCopies === 0 ? 0 : nowMs - this.oldestMs;
  }

  addAnswer(answer: PendingAnswer): void {
    this.answers.push(answer);
  }

  /** @returns false when too many copies wait: nothing was added. */
  addCopies(body: string, dialogs: readonly OutgoingDialog[], turn: number, nowMs: number): boolean {
    if (this.waitingCopies + dialogs.length > MAX_WAITING_COPIES) return false;
    if (this.waitingCopies === 0) this.oldestMs = nowMs;
    this.waitingCopies += dialogs.length;
    const job = { body, dialogs, next: 0 };
    const queue = turn === 0 ? this.control : this.rooms.get(turn);
    if (queue) queue.push(job);
    else this.rooms.set(turn, [job]);
    return true;
  }

  /** Takes the next call's worth. */
  take(): Load {
    const answers = this.answers.splice(0, MAX_ANSWERS);
    const copies: { body: string; dialogs: readonly OutgoingDialog[] }[] = [];
    const room = { copies: MAX_COPIES, chars: MAX_BODY_CHARS };
    while (this.control.length > 0 && fits(this.control[0], room)) this.takeFrom(this.control, copies, room);
    for (const [turn, queue] of this.rooms) {
      if (!fits(queue[0], room)) break;
      this.rooms.delete(turn); // the room goes to the end of the line
      this.takeFrom(queue, copies, room);
      if (queue.length > 0) this.rooms.set(turn, queue);
    }
    return { answers, copies };
  }

  private takeFrom(
    queue: Job[],
    copies: Load["copies"] & unknown[],
    room: { copies: number; chars: number },
  ): void {
    const job = queue[0];
    if (!job) return;
    const dialogs = job.dialogs.slice(job.next, job.next + room.copies);
    copies.push({ body: job.body, dialogs });
    job.next += dialogs.length;
    room.copies -= dialogs.length;
    room.chars -= job.body.length;
    this.waitingCopies -= dialogs.length;
    if (job.next >= job.dialogs.length) queue.shift();
  }
}

/** A body too large to share a call goes alone. */
function fits(job: Job | undefined, room: { copies: number; chars: number }): boolean {
  if (!job || room.copies <= 0) return false;
  return job.body.length <= room.chars || (room.copies === MAX_COPIES && room.chars === MAX_BODY_CHARS);
}
