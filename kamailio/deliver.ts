import { setTimeout as pause } from "node:timers/promises";
import type { Clock, OutgoingDialog } from "../src/ports.ts";
import { CallTimedOut, ConnectionLost, RemoteError } from "./jsonrpc/errors.ts";
import { halves, type Load, sizeOf } from "./load.ts";
import type { Untaken } from "./untaken.ts";

const RETRY_MS = { first: 50, longest: 1_000 };
const TIMEOUT_MS = { whole: 5_000, part: 2_000 };
/** Failures of one call, Kamailio being there after each, until the call itself is to blame. */
const MAX_FAILURES = 3;
const MAX_TELLINGS = 3;
/** Kamailio has answered the request itself by then. */
const ANSWER_WORTH_MS = 2_000;

/** Something that Kamailio does not take, and goes without from now on. Nothing of what people wrote. */
export interface LeftOut {
  readonly what: "answer" | "copy" | "body";
  readonly why: string;
  readonly bytes: number;
  readonly callId?: string;
  readonly status?: number;
}

export interface DeliveryPorts {
  readonly clock: Clock;
  /**
   * One try. @returns what was not sent because Kamailio does not know its dialogs (any more): they are told with the next try
   * @throws whatever the client throws
   */
  readonly attempt: (load: Load, timeoutMs: number) => Promise<Load>;
  /** A load that has to be told goes in one call. */
  readonly fits: (load: Load) => boolean;
  /** A call with nothing in it, over the same socket. */
  readonly ping: () => Promise<"answered" | "refused" | "away">;
  /** False: Kamailio has begun another life, or this node may say nothing more. */
  readonly hasMeaning: () => boolean;
  readonly untaken: Untaken;
  readonly onLeftOut: (leftOut: LeftOut) => void;
  /** Whatever is sent to this dialog is not taken. */
  readonly onUnservable: (dialog: OutgoingDialog) => void;
}

/**
 * Gets a load to Kamailio, in order; returns when it got through or has lost its meaning. As long as Kamailio is away it is tried
 * again. When Kamailio is there and fails on this load all the same, again and again, something in it is to blame, which must not
 * hold up all that waits behind: the load goes in halves, and these in halves, until the one copy or answer stands alone and is left out.
 *
 * It names the life of Kamailio it is meant for, so repeating it can at worst repeat copies whose confirmation was lost.
 */
export function deliver(load: Load, ports: DeliveryPorts): Promise<void> {
  return deliverPart(load, ports, ports.clock.monotonicMs(), false);
}

async function deliverPart(
  given: Load,
  ports: DeliveryPorts,
  beganMs: number,
  isPart: boolean,
): Promise<void> {
  let load = given;
  let tellings = 0;
  for (let failures = 0; ; ) {
    load = ports.untaken.removedFrom(load);
    const size = sizeOf(load);
    if (size === 0) return;
    // Going in halves loses nothing, so a part is not tried as often; what is left out has to be certain.
    const most = isPart && size > 1 ? 1 : MAX_FAILURES;
    const outcome = await attempt(load, ports, isPart ? TIMEOUT_MS.part : TIMEOUT_MS.whole);
    if (!ports.hasMeaning()) return;
    if (!(outcome instanceof Error)) {
      load = outcome;
      if (sizeOf(load) === 0) return;
      tellings += 1;
      if (tellings > MAX_TELLINGS) throw new Error("Kamailio forgets what it has just been told");
      const pieces = inPieces(load, ports.fits);
      if (pieces.length === 1) continue;
      for (const piece of pieces) await deliverPart(piece, ports, beganMs, isPart);
      return;
    }
    const error = outcome;
    const isRefused = error instanceof RemoteError && error.httpStatus === 400; // it says so itself, and will again
    if (!isRefused && !(isPart && size > 1))
      await pause(Math.min(RETRY_MS.first * 2 ** failures, RETRY_MS.longest));
    if (!(await untilAnswered(ports))) return;
    load = withoutOld(load, ports.clock.monotonicMs() - beganMs);
    if (!wasSent(error)) continue;
    failures += isRefused || (error instanceof CallTimedOut && size > 1) ? most : 1;
    if (failures < most || sizeOf(load) === 0) continue;
    if (size === 1) return leaveOut(load, error, ports);
    for (const half of halves(load)) await deliverPart(half, ports, beganMs, true);
    return;
  }
}

/** Names that were told when the load was made up, and were forgotten since, make more than one call of it. */
function inPieces(load: Load, fits: DeliveryPorts["fits"]): Load[] {
  return sizeOf(load) === 1 || fits(load) ? [load] : halves(load).flatMap((half) => inPieces(half, fits));
}

async function attempt(load: Load, ports: DeliveryPorts, timeoutMs: number): Promise<Error | Load> {
  try {
    return await ports.attempt(load, timeoutMs);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Waits until Kamailio answers. @returns false when there is nothing left to say to it */
async function untilAnswered(ports: DeliveryPorts): Promise<boolean> {
  for (let waitMs = RETRY_MS.first; ports.hasMeaning(); waitMs = Math.min(waitMs * 2, RETRY_MS.longest)) {
    const answer = await ports.ping();
    // "refused": it takes nothing at all of this node's, and what is waiting would be refused as well.
    if (answer !== "away") return answer === "answered" && ports.hasMeaning();
    await pause(waitMs);
  }
  return false;
}

/** Kamailio may have seen it; false: it never left, which says nothing about it. */
function wasSent(error: Error): boolean {
  return error instanceof ConnectionLost || error instanceof CallTimedOut ? error.sent : true;
}

/** Who waits for an answer has been told 503 after two seconds. */
function withoutOld(load: Load, ageMs: number): Load {
  if (load.answers.length === 0 || ageMs < ANSWER_WORTH_MS) return load;
  for (const { onGone } of load.answers) onGone?.();
  return { ...load, answers: [] };
}

/** @param load of one answer or one copy */
function leaveOut({ answers, copies }: Load, error: Error, ports: DeliveryPorts): void {
  const why = error.message;
  for (const { answer, onGone } of answers) {
    ports.onLeftOut({ what: "answer", why, status: answer.status, bytes: answer.body?.length ?? 0 });
    onGone?.();
  }
  for (const { body, dialogs } of copies) {
    for (const dialog of dialogs) {
      const bytes = Buffer.byteLength(body);
      ports.onLeftOut({ what: "copy", why, callId: dialog.state.callId, bytes });
      const toBlame = ports.untaken.add(body, dialog);
      if (toBlame === "body") ports.onLeftOut({ what: "body", why, bytes });
      if (toBlame === "dialog") ports.onUnservable(dialog);
    }
  }
}
