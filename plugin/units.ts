const DURATION_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** "15m" → 900000. @returns undefined when it is not a number with ms, s, m, h or d. */
export function parseDurationMs(text: string): number | undefined {
  const match = /^([0-9]{1,9})\s*(ms|s|m|h|d)$/.exec(text.trim());
  return match ? Number(match[1]) * DURATION_MS[match[2] as keyof typeof DURATION_MS] : undefined; // matched above
}
