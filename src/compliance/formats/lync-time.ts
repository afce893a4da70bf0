/** .NET ticks (100 ns) from 0001-01-01 to 1970-01-01. */
const epochTicks = 621_355_968_000_000_000n;

/** The three attributes by which Lync's archive gives a time: milliseconds, ISO 8601 with seven decimals, .NET ticks. */
export function timeAttributes(atMs: number): string {
  const iso = new Date(atMs).toISOString().replace("Z", "0000Z");
  return `since1970="${atMs}" string="${iso}" long="${ticks(atMs)}"`;
}

/** Above 2^53: a number would lose the last digits. */
export function ticks(atMs: number): bigint {
  return epochTicks + BigInt(atMs) * 10_000n;
}
