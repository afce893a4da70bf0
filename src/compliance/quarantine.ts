import type { Answerable } from "./acceptor.ts";

/** In the archive's own stream: events that were put aside stay so; which, who said so, why. */
export const ASIDE_ACCEPTED = "ASIDE_ACCEPTED";

/** Why an event was put aside though its format may be well: it is another one than the one that is kept, and never delivered. */
export const OTHER_EVENT = {
  body: "another body under a known event id",
  place: "another event under a sealed number or id",
} as const;

/** An event that was put aside; what was said in it is not shown. */
export interface PutAside {
  /** 32 hex digits. */
  readonly eventId: string;
  /** 64 hex digits: two events may claim one id. */
  readonly bodySha256: string;
  readonly stream: string;
  readonly streamSeq: number;
  readonly kind: string;
  readonly atMs: number;
  readonly reason: string;
  readonly quarantinedMs: number;
  /** Undefined while it is open. */
  readonly accepted: { readonly atMs: number; readonly by: string; readonly why: string } | undefined;
}

/** Why something put aside cannot be tried again, or undefined. */
export function whyNotAgain({ reason }: Pick<PutAside, "reason">): string | undefined {
  const others: readonly string[] = Object.values(OTHER_EVENT);
  return others.includes(reason)
    ? "the event that came first stands; this one can only be accepted"
    : undefined;
}

export interface Quarantine {
  /** In the order of their ids. @param which `open`: what nobody has accepted; `all`; or one event's id */
  list(which: "open" | "all" | { readonly eventId: string }, atMost: number): Promise<PutAside[]>;
  /** Puts them back to hand-over: the adapter's next run tries them again. @returns those that were put back */
  retry(events: readonly PutAside[]): Promise<PutAside[]>;
  /** Puts on the record that they stay aside. The rows are kept. @returns those that were open */
  accept(events: readonly PutAside[], by: Answerable): Promise<PutAside[]>;
}
