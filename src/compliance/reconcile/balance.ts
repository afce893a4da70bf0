import type { Difference } from "./ports.ts";

/** More ranges than these say no more. */
const maxRanges = 20;

/**
 * The balance of a stream: recorded = sealed + on its way. Sealed numbers are dense, so that the last one says them all.
 * @param waiting numbers on their way, in any order, perhaps twice
 */
export function balance(
  stream: string,
  committed: number,
  sealed: number,
  waiting: readonly number[],
): { readonly pending: number; readonly differences: Difference[] } {
  const ahead = [...new Set(waiting)]
    .filter((number) => number > sealed && number <= committed)
    .sort((a, b) => a - b);
  const differences: Difference[] = [];
  let next = sealed + 1;
  for (const number of [...ahead, committed + 1]) {
    if (number > next && differences.length < maxRanges)
      differences.push({ what: "missing", stream, first: next, last: number - 1 });
    next = number + 1;
  }
  return { pending: ahead.length, differences };
}
