import { DIFFERENCES, type Difference, type DifferenceKind } from "../../compliance/reconcile/ports.ts";
import { limit, type Queries } from "./database.ts";

/** Where chat and archive did not say the same at the last comparison. */
export async function differencesOf(
  queries: Pick<Queries, "rows">,
  most = 10_000,
  kinds: readonly DifferenceKind[] = DIFFERENCES,
): Promise<(Difference & { readonly sinceMs: number })[]> {
  const rows = await queries.rows<{
    what: DifferenceKind;
    stream: Buffer;
    first: number;
    last: number;
    since_ms: number;
  }>(
    `SELECT what, stream, first, last, since_ms FROM compliance_difference WHERE what IN (?) ORDER BY stream, what, first ${limit(most)}`,
    [kinds],
  );
  return rows.map(({ what, stream, first, last, since_ms }) => ({
    what,
    stream: stream.toString("latin1"),
    first: Number(first),
    last: Number(last),
    sinceMs: Number(since_ms),
  }));
}
