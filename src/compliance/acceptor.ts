import type { EventActor } from "../chat/compliance-event.ts";
import type { Acceptance, AcceptedMessage, Range } from "./acceptance.ts";
import type { Lease } from "./ports.ts";
import { type Books, type Difference, type DifferenceKind, LOSSES } from "./reconcile/ports.ts";
import { messageDigest } from "./reconcile/room-fold.ts";

/** Who accepts, where, when and why. */
export interface Answerable {
  readonly actor: EventActor;
  readonly node: string;
  readonly atMs: number;
  readonly reason: string;
}

export interface AcceptanceStore {
  /** Of these numbers of a stream, those under which there is no event anywhere. */
  stillMissing(stream: string, ranges: readonly Range[]): Promise<number[]>;
  /** Records under each of these numbers that its event is missing. @returns their ids @throws LeaseLost */
  recordMissing(lease: Lease, stream: string, numbers: readonly number[], by: Answerable): Promise<string[]>;
  /** Records the acceptance itself. @returns its id */
  recordAccepted(acceptance: Acceptance, by: Answerable): Promise<string>;
}

export interface AcceptorParts {
  readonly books: Pick<Books, "takeLease" | "renewLease" | "releaseLease" | "differences" | "messages">;
  readonly store: AcceptanceStore;
  /** Sends events on their way to the sealer. */
  readonly move: (eventIds: readonly string[]) => Promise<unknown>;
  readonly onProgress: (done: number, all: number) => void;
}

/** Why nothing is accepted, in a sentence for whoever asked. */
export class NotAcceptable extends Error {
  constructor(why: string) {
    super(why);
    this.name = "NotAcceptable";
  }
}

const LEASE_MS = 60_000;
const perTransaction = 1_000;
/** More altered messages are no gap; and all must fit into one event. */
const maxAltered = 1_000;
const roomStream = /^room:(\d{1,10})$/;

/**
 * What can be accepted, as the last comparison left it. @param stream without it every stream of which something is missing and
 * nothing was changed: whoever accepts a change shall have looked at it. @throws NotAcceptable
 */
export async function acceptable(
  books: Pick<Books, "differences">,
  stream: string | undefined,
): Promise<readonly Difference[]> {
  const all = await books.differences();
  if (stream === undefined) {
    const changed = new Set(all.filter(({ what }) => !LOSSES.includes(what)).map((one) => one.stream));
    return all.filter((one) => !changed.has(one.stream));
  }
  const own = all.filter((one) => one.stream === stream);
  if (own.some(({ what }) => what === "surplus"))
    throw new NotAcceptable(
      `"${stream}" has events in the archive that the chat never recorded: somebody wrote them there, and that is for an investigation`,
    );
  return own;
}

/**
 * Puts on the record that what is missing or different of a stream stays so. Each missing number gets an event that says so: with it
 * the stream is dense again, and what waited behind is sealed. Nothing is compared meanwhile.
 * @returns id of the event that tells of all this, or undefined while somebody compares @throws NotAcceptable
 */
export async function accept(
  parts: AcceptorParts,
  stream: string,
  by: Answerable,
  holder: string,
): Promise<string | undefined> {
  const { books, store } = parts;
  const lease = await books.takeLease(holder, LEASE_MS);
  if (!lease) return undefined;
  try {
    const differences = await acceptable(books, stream);
    if (differences.length === 0)
      throw new NotAcceptable(
        `nothing of "${stream}" was missing or different, as chat and archive were last compared`,
      );
    const of = (kind: DifferenceKind): Range[] =>
      differences.filter(({ what }) => what === kind).map(({ first, last }) => [first, last]);
    const altered = await alteredOf(books, stream, of("altered"));
    const missing = of("missing");
    const numbers = await store.stillMissing(stream, missing);
    for (let done = 0; done < numbers.length; done += perTransaction) {
      const some = numbers.slice(done, done + perTransaction);
      await parts.move(await store.recordMissing(lease, stream, some, by));
      await books.renewLease(lease, LEASE_MS);
      parts.onProgress(done + some.length, numbers.length);
    }
    const acceptance = { stream, reason: by.reason, missing, altered };
    return await store.recordAccepted(
      { ...acceptance, unreadable: of("unreadable"), unrecorded: of("unrecorded"), vanished: of("vanished") },
      by,
    );
  } finally {
    await books.releaseLease(lease);
  }
}

async function alteredOf(
  books: Pick<Books, "messages">,
  stream: string,
  ranges: readonly Range[],
): Promise<AcceptedMessage[]> {
  const numbers = ranges.flatMap(([first, last]) =>
    Array.from({ length: Math.min(last - first + 1, maxAltered + 1) }, (_, place) => first + place),
  );
  if (numbers.length === 0) return [];
  if (numbers.length > maxAltered)
    throw new NotAcceptable(
      `more than ${maxAltered} messages of "${stream}" are not as they were recorded: that is for an investigation`,
    );
  const { kept } = await books.messages(Number(roomStream.exec(stream)?.[1]), numbers);
  return kept.map((message) => ({ number: message.number, digest: messageDigest(message) }));
}
