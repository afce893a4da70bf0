import { detailOf } from "./log/content.ts";

/** Stands in a stream under the number of an event that is lost, so that the stream goes on: that it is missing, who said so, why. */
export const EVENT_MISSING = "EVENT_MISSING";
/** In the archive's own stream: what is missing or different was looked at, and stays so. */
export const GAP_ACCEPTED = "GAP_ACCEPTED";

/** First and last number, both included. */
export type Range = readonly [first: number, last: number];

/** What somebody answers for with his name. */
export interface Acceptance {
  readonly stream: string;
  readonly reason: string;
  /** Numbers of events of the stream; each has its EVENT_MISSING. */
  readonly missing: readonly Range[];
  /** Numbers of events that are none of ours. */
  readonly unreadable: readonly Range[];
  /** Numbers of messages: said and not recorded; recorded and no longer there. */
  readonly unrecorded: readonly Range[];
  readonly vanished: readonly Range[];
  /** Messages that are not as they were recorded, and what they were when that was accepted: changed again they are not. */
  readonly altered: readonly AcceptedMessage[];
}

export interface AcceptedMessage {
  readonly number: number;
  /** `messageDigest`, base64. */
  readonly digest: string;
}

/** @returns undefined unless the body is such an event as `GAP_ACCEPTED` */
export function readAcceptance(body: Uint8Array): Acceptance | undefined {
  const detail = detailOf(body, GAP_ACCEPTED);
  if (!detail) return undefined;
  const { stream, reason, missing, unreadable, unrecorded, vanished, altered } = detail;
  if (typeof stream !== "string" || typeof reason !== "string" || !Array.isArray(altered)) return undefined;
  const isRange = (range: unknown): range is Range =>
    Array.isArray(range) && range.every(Number.isSafeInteger);
  const rangesOf = (value: unknown): Range[] => (Array.isArray(value) ? value.filter(isRange) : []);
  return {
    stream,
    reason,
    missing: rangesOf(missing),
    unreadable: rangesOf(unreadable),
    unrecorded: rangesOf(unrecorded),
    vanished: rangesOf(vanished),
    altered: altered.filter(
      ({ number, digest }) => Number.isSafeInteger(number) && typeof digest === "string",
    ),
  };
}

/** Of the messages of one room, what was accepted as different. */
export class AcceptedMessages {
  readonly #unreadable: Range[] = [];
  readonly #unrecorded: Range[] = [];
  readonly #vanished: Range[] = [];
  readonly #altered = new Map<number, Set<string>>();

  add({ unreadable, unrecorded, vanished, altered }: Acceptance): void {
    this.#unreadable.push(...unreadable);
    this.#unrecorded.push(...unrecorded);
    this.#vanished.push(...vanished);
    for (const { number, digest } of altered)
      this.#altered.set(number, (this.#altered.get(number) ?? new Set()).add(digest));
  }

  isUnreadable(number: number): boolean {
    return holds(this.#unreadable, number);
  }

  isUnrecorded(number: number): boolean {
    return holds(this.#unrecorded, number);
  }

  isVanished(number: number): boolean {
    return holds(this.#vanished, number);
  }

  isAltered(number: number, digest: () => string): boolean {
    return this.#altered.get(number)?.has(digest()) ?? false;
  }
}

export function messagesByStream(acceptances: readonly Acceptance[]): Map<string, AcceptedMessages> {
  const byStream = new Map<string, AcceptedMessages>();
  for (const acceptance of acceptances) {
    const messages = byStream.get(acceptance.stream) ?? new AcceptedMessages();
    messages.add(acceptance);
    byStream.set(acceptance.stream, messages);
  }
  return byStream;
}

function holds(ranges: readonly Range[], number: number): boolean {
  return ranges.some(([first, last]) => first <= number && number <= last);
}
