import { detailOf } from "./content.ts";
import { HASH_BYTES } from "./hashes.ts";
import {
  base64,
  isSignedBy,
  readVerifierKey,
  type Signer,
  type VerifierKey,
  writeVerifierKey,
} from "./note.ts";

/** Kind of the event that changes the key, and the stream it stands in, which is read as a whole: nothing belongs there that is recorded day by day. */
export const KEY_ROTATE = "KEY_ROTATE";
export const ARCHIVE_STREAM = "archive";

/** Another key signs from now on; both say so, and how the log was at that time: what is older has the new key's word too. */
export interface Rotation {
  readonly oldKey: VerifierKey;
  readonly newKey: VerifierKey;
  /** Size and root of the last checkpoint before. */
  readonly size: number;
  readonly root: Buffer;
}

/** What the event says of it. */
export interface RotationDetail {
  readonly newKey: string;
  readonly newSignature: string;
  readonly oldKey: string;
  readonly oldSignature: string;
  readonly root: string;
  readonly size: number;
}

/** What both keys sign. */
function statement({ oldKey, newKey, size, root }: Rotation): Buffer {
  const keys = `${writeVerifierKey(oldKey)}\n${writeVerifierKey(newKey)}\n`;
  return Buffer.from(`parlance key rotation\n${oldKey.name}\n${size}\n${root.toString("base64")}\n${keys}`);
}

/** @throws what a signer throws */
export async function signRotation(
  old: Signer,
  next: Signer,
  { size, root }: Pick<Rotation, "size" | "root">,
): Promise<RotationDetail> {
  const text = statement({ oldKey: old, newKey: next, size, root });
  return {
    newKey: writeVerifierKey(next),
    newSignature: (await next.sign(text)).toString("base64"),
    oldKey: writeVerifierKey(old),
    oldSignature: (await old.sign(text)).toString("base64"),
    root: root.toString("base64"),
    size,
  };
}

/** @returns undefined unless the body is such an event and both keys signed it */
export function readRotation(body: Uint8Array): Rotation | undefined {
  const detail = detailOf(body, KEY_ROTATE);
  if (!detail) return undefined;
  const { newKey, newSignature, oldKey, oldSignature, size } = detail;
  const root = base64(String(detail.root));
  if (!Number.isSafeInteger(size) || root?.length !== HASH_BYTES) return undefined;
  try {
    const rotation = {
      oldKey: readVerifierKey(String(oldKey)),
      newKey: readVerifierKey(String(newKey)),
      size: Number(size),
      root,
    };
    if (rotation.oldKey.name !== rotation.newKey.name) return undefined;
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
