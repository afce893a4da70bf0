import { detailOf } from "./content.ts";
import {
  base64,
  isSignedBy,
  readVerifierKey,
  type Signer,
  type VerifierKey,
  writeVerifierKey,
} from "./note.ts";

/** Kind of the event that tells of content that was purged. It stands in the archive's own stream. */
export const RETENTION_PURGE = "RETENTION_PURGE";

/** Numbers of events, both included. */
export type Range = readonly [from: number, to: number];

/** Content that may be gone, because whoever has the key said so. */
export interface Purge {
  readonly ranges: readonly Range[];
  /** Who signed it. Whether he is trusted is another question. */
  readonly key: VerifierKey;
}

/** What the event says of it, beside its reason. */
export interface PurgeDetail {
  readonly key: string;
  readonly ranges: readonly Range[];
  readonly signature: string;
}

/** A row of the outbox is sealed whoever wrote it: only a signature shows that a purge is not the wish of the database's owner. */
function statement(key: VerifierKey, ranges: readonly Range[]): Buffer {
  const lines = ranges.map(([from, to]) => `${from}-${to}\n`);
  return Buffer.from(`parlance retention purge\n${key.name}\n${lines.join("")}`);
}

/** @throws what a signer throws */
export async function signPurge(ranges: readonly Range[], signer: Signer): Promise<PurgeDetail> {
  const signature = await signer.sign(statement(signer, ranges));
  return { key: writeVerifierKey(signer), ranges, signature: signature.toString("base64") };
}

/** @returns undefined unless the body is such an event and the key it names signed it */
export function readPurge(body: Uint8Array): Purge | undefined {
  const detail = detailOf(body, RETENTION_PURGE);
  if (!detail) return undefined;
  const { key: said, ranges, signature } = detail;
  if (!Array.isArray(ranges) || !ranges.every(isRange)) return undefined;
  try {
    const key = readVerifierKey(String(said));
    const bytes = base64(String(signature));
    return bytes && isSignedBy(key, statement(key, ranges), bytes) ? { ranges, key } : undefined;
  } catch {
    return undefined;
  }
}

function isRange(value: unknown): value is Range {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((number) => Number.isSafeInteger(number) && number >= 0) &&
    value[0] <= value[1]
  );
}
