import { canonicalContent } from "./content.ts";
import {
  base64,
  isSignedBy,
  readVerifierKey,
  type Signer,
  type VerifierKey,
  writeVerifierKey,
} from "./note.ts";

/** Kind of the event that changes the key, and the stream it stands in. */
export const KEY_ROTATE = "KEY_ROTATE";
export const ARCHIVE_STREAM = "archive";

/** Another key signs from now on; both say so. */
export interface Rotation {
  readonly oldKey: VerifierKey;
  readonly newKey: VerifierKey;
}

/** What the event says of it. */
export interface RotationDetail {
  readonly newKey: string;
  readonly newSignature: string;
  readonly oldKey: string;
  readonly oldSignature: string;
}

/** What both keys sign. */
function statement({ oldKey, newKey }: Rotation): Buffer {
  return Buffer.from(`parlance key rotation\n${writeVerifierKey(oldKey)}\n${writeVerifierKey(newKey)}\n`);
}

/** @throws what a signer throws */
export async function signRotation(old: Signer, next: Signer): Promise<RotationDetail> {
  const text = statement({ oldKey: old, newKey: next });
  return {
    newKey: writeVerifierKey(next),
    newSignature: (await next.sign(text)).toString("base64"),
    oldKey: writeVerifierKey(old),
    oldSignature: (await old.sign(text)).toString("base64"),
  };
}

/** @returns undefined unless the body is such an event and both keys signed it */
export function readRotation(body: Uint8Array): Rotation | undefined {
  const content = canonicalContent(body);
  const json = content?.parts.find(([name]) => name === "detail")?.[1];
  if (content?.head.kind !== KEY_ROTATE || typeof json !== "string") return undefined;
  const detail: Record<string, unknown> = JSON.parse(json);
  const { newKey, newSignature, oldKey, oldSignature } = detail;
  try {
    const rotation = { oldKey: readVerifierKey(String(oldKey)), newKey: readVerifierKey(String(newKey)) };
    const text = statement(rotation);
    const signed = (key: VerifierKey, signature: unknown) => {
      const bytes = base64(String(signature));
      return bytes !== undefined && isSignedBy(key, text, bytes);
    };
    return signed(rotation.oldKey, oldSignature) && signed(rotation.newKey, newSignature)
      ? rotation
      : undefined;
  } catch {
    return undefined;
  }
}

/** The keys given, and all that led to them. A key that came after them is not among them: nobody whom we trust named it. */
export function trusted(given: readonly VerifierKey[], rotations: readonly Rotation[]): VerifierKey[] {
  const keys = new Map(given.map((key) => [writeVerifierKey(key), key]));
  for (let before = -1; before !== keys.size; ) {
    before = keys.size;
    for (const { oldKey, newKey } of rotations)
      if (keys.has(writeVerifierKey(newKey))) keys.set(writeVerifierKey(oldKey), oldKey);
  }
  return [...keys.values()];
}
