import type { Difference, SealedHead, StreamCount } from "./ports.ts";

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

/** The same for some streams, added to the sums and to what was found. */
export function balancePage(
  counts: readonly StreamCount[],
  waiting: readonly { readonly stream: string; readonly streamSeq: number }[],
  heads: ReadonlyMap<string, SealedHead>,
  sum: { streams: number; committed: number; sealed: number; pending: number },
  found: Difference[],
): void {
  const byStream = new Map<string, number[]>();
  for (const { stream, streamSeq } of waiting) {
    const list = byStream.get(stream);
    if (list) list.push(streamSeq);
    else byStream.set(stream, [streamSeq]);
  }
  for (const { stream, committed } of counts) {
    const sealed = heads.get(stream)?.lastSeq ?? 0;
    // What came after the chat's count was read is looked at by itself.
    const numbers = byStream.get(stream) ?? [];
    const { pending, differences } = balance(stream, committed, Math.min(sealed, committed), numbers);
    sum.streams += 1;
    sum.committed += committed;
    sum.sealed += Math.min(sealed, committed);
    sum.pending += pending;
    found.push(...differences);
  }
}
