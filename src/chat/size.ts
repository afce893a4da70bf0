const BYTES = { "": 1, B: 1, kB: 1_000, MB: 1_000_000 } as const;

/** "32kB" → 32000. @returns undefined when it is not a number, alone or with B, kB or MB. */
export function parseSizeBytes(text: string): number | undefined {
  const match = /^([0-9]{1,9})\s*(B|kB|MB|)$/.exec(text.trim());
  return match ? Number(match[1]) * BYTES[match[2] as keyof typeof BYTES] : undefined; // matched above
}
