import type { OutgoingDialog } from "../src/ports.ts";
import { answerBytes, type PendingAnswer } from "./batch.ts";
import { GROUP_BYTES, type Told } from "./lines.ts";
import type { Load } from "./load.ts";

interface Job {
  /** As JSON text. */
  readonly body: string;
  /** Of the body, as it travels. */
  readonly bytes: number;
  readonly dialogs: readonly OutgoingDialog[];
  next: number;
}

/** Copies in one call: more would keep answers waiting behind them (one Lua loop works on a call, 5 to 7 µs on a copy). */
const MAX_COPIES = 500;
const MAX_ANSWERS = 200;
/** Bytes of a call that are neither answers nor copies. */
export const FRAME_BYTES = 2_000;
/** Bytes of the longest line of a copy that is counted on before the dialog is known. */
const LINE_BYTES = 2_000;
/** Answers take no more than this while copies wait. */
const MAX_ANSWER_BYTES = 10_000;
/** Copies that may wait; beyond it the edge is not taking them, and the dialogs are given up. */
const MAX_WAITING_COPIES = 500_000;

/**
 * What waits for one control socket. Answers go first; then replies and notices (turn 0), in order; then the rooms, one after
 * the other, so that a room of 16,000 never starves the small ones.
 */
export class Shard {
  private maxCallBytes: number;
  private readonly told: Told;
  private answers: PendingAnswer[] = [];
  private readonly control: Job[] = [];
  private readonly rooms = new Map<number, Job[]>();
  private waitingCopies = 0;
  private oldestMs = 0;
  /** The next copy is too large for a call with answers in it. */
  private copyAlone = false;

  /** @param maxCallBytes what the edge reads in one go (its `tcp_rd_buf_size`, less its headers) @param told over this socket */
  constructor(maxCallBytes: number, told: Told) {
    this.maxCallBytes = maxCallBytes;
    this.told = told;
  }

  /** The edge reads less in one go, or more again. */
  limit(maxCallBytes: number): void {
    this.maxCallBytes = maxCallBytes;
  }

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

  /** A body that an edge could never take. @param bytes of the body as it travels */
  isTooLarge(bytes: number): boolean {
    return bytes + LINE_BYTES + FRAME_BYTES > this.maxCallBytes;
  }

  /**
   * @param body as JSON text
   * @param bytes of it
   * @returns false when too many copies wait: nothing was added.
   */
  addCopies(
    body: string,
    bytes: number,
    dialogs: readonly OutgoingDialog[],
    turn: number,
    nowMs: number,
  ): boolean {
    if (this.waitingCopies + dialogs.length > MAX_WAITING_COPIES) return false;
    if (dialogs.length === 0) return true;
    if (this.waitingCopies === 0) this.oldestMs = nowMs;
    this.waitingCopies += dialogs.length;
    const job = { body, bytes, dialogs, next: 0 };
    const queue = turn === 0 ? this.control : this.rooms.get(turn);
    if (queue) queue.push(job);
    else this.rooms.set(turn, [job]);
    return true;
  }

  /** Takes the next call's worth. */
  take(): Load {
    const left: Space = { copies: MAX_COPIES, bytes: this.maxCallBytes - FRAME_BYTES };
    const answers = this.copyAlone ? [] : this.takeAnswers(left);
    const copies: { body: string; dialogs: OutgoingDialog[] }[] = [];
    for (let full = false; !full && this.control.length > 0; )
      full = !this.takeFrom(this.control, copies, left, answers.length === 0);
    for (const [turn, queue] of this.control.length > 0 ? [] : this.rooms) {
      const took = this.takeFrom(queue, copies, left, answers.length === 0);
      if (!took) break;
      this.rooms.delete(turn); // the room goes to the end of the line
      if (queue.length > 0) this.rooms.set(turn, queue);
    }
    for (const { dialogs } of copies) this.waitingCopies -= dialogs.length;
    this.copyAlone = copies.length === 0 && this.waitingCopies > 0;
    return { answers, copies };
  }

  private takeAnswers(left: Space): PendingAnswer[] {
    const most = this.waitingCopies > 0 ? MAX_ANSWER_BYTES : left.bytes;
    let bytes = 0;
    let count = 0;
    for (const answer of this.answers) {
      const more = answerBytes(answer);
      if (count === MAX_ANSWERS || (count > 0 && bytes + more > most)) break;
      bytes += more;
      count += 1;
    }
    left.bytes -= bytes;
    return this.answers.splice(0, count);
  }

  /**
   * Puts as much of the queue's first job into the call as fits; one copy into a call that is empty otherwise, or it would never leave.
   * @returns false when nothing did
   */
  private takeFrom(
    queue: Job[],
    copies: { body: string; dialogs: OutgoingDialog[] }[],
    left: Space,
    noAnswers: boolean,
  ): boolean {
    const job = queue[0];
    if (!job) return false;
    const isCallEmpty = noAnswers && copies.length === 0;
    let bytes = left.bytes - job.bytes - GROUP_BYTES;
    const dialogs: OutgoingDialog[] = [];
    while (dialogs.length < left.copies) {
      const dialog = job.dialogs[job.next];
      if (!dialog) break;
      const more = this.told.copyBytes(dialog);
      if (more > bytes && !(isCallEmpty && dialogs.length === 0)) break;
      bytes -= more;
      dialogs.push(dialog);
      job.next += 1;
    }
    if (dialogs.length === 0) return false;
    copies.push({ body: job.body, dialogs });
    left.copies -= dialogs.length;
    left.bytes = bytes;
    if (job.next >= job.dialogs.length) queue.shift();
    return true;
  }
}

/** What a call being filled still has room for. */
interface Space {
  copies: number;
  bytes: number;
}
