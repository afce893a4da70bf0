import { ChatError } from "../../chat/errors.ts";
import { SupersededError } from "./flush-lock.ts";
import { refusalOf, StoreError, troubleOf } from "./store-error.ts";

/** What to do with the entries of a transaction of which nothing is stored. */
export type Verdict =
  | { readonly next: "again"; readonly change?: "skip-locked" | "look-up-keys" }
  | { readonly next: "bisect" }
  /** `away`: whoever waits for the next transaction would only hear the same. */
  | { readonly next: "refuse"; readonly refusal: Error; readonly away: boolean }
  | { readonly next: "stop" };

const MAX_ATTEMPTS = 6;
/** The second time a duplicate is met in spite of the look-up, another node was faster; the third time it is something else. */
const MAX_DUPLICATES = 3;

/**
 * @param attempt how often these entries have been tried, from 1
 * @param disconnected the connection broke with it
 */
export function verdictOf(error: Error, attempt: number, disconnected: boolean): Verdict {
  if (error instanceof SupersededError) return { next: "stop" };
  const refuse = (refusal: Error, away = false): Verdict => ({ next: "refuse", refusal, away });
  if (error instanceof RangeError) return { next: "bisect" };
  if (!(error instanceof StoreError)) return refuse(new ChatError("STORE_DOWN", { cause: error }));
  switch (troubleOf(error)) {
    case "deadlock":
      return attempt < MAX_ATTEMPTS
        ? { next: "again" }
        : refuse(new ChatError("OVERLOADED", { cause: error }));
    case "lock-timeout":
      return attempt < MAX_ATTEMPTS
        ? { next: "again", change: "skip-locked" }
        : refuse(new ChatError("OVERLOADED", { cause: error }));
    case "duplicate":
      return attempt < MAX_DUPLICATES ? { next: "again", change: "look-up-keys" } : { next: "bisect" };
    case "data":
      return { next: "bisect" };
    case "unreachable":
      // A connection that died while nothing was asked of it says nothing about the server: a new one does.
      if (attempt === 1 && disconnected && !isTimeout(error)) return { next: "again" };
      return refuse(refusalOf(error), true);
    default:
      return refuse(new ChatError("STORE_DOWN", { cause: error }));
  }
}

function isTimeout({ code }: StoreError): boolean {
  return code === "PROTOCOL_SEQUENCE_TIMEOUT" || code === "ETIMEDOUT";
}
