import { readCheckpoint, type SignedCheckpoint } from "../log/checkpoint.ts";
import { signerOf, type VerifierKey, writeVerifierKey } from "../log/note.ts";
import type { Purge } from "../log/purge.ts";
import type { Rotation } from "../log/rotation.ts";
import type { Finding, KeptCheckpoint } from "./ports.ts";

/** A changed key, and the number of the event that says so. */
export interface SealedRotation extends Rotation {
  readonly seq: number;
}

/**
 * The keys given, and all that led to them. A key that came after them is not among them: nobody whom we trust named it. A key
 * that was changed may sign what does not reach to the event of its change, and nothing beyond: it may be in a thief's hands.
 */
export class Trust {
  /** Those that sign now first. */
  readonly keys: readonly VerifierKey[];
  /** Those that led to a trusted key, in the order of the log. */
  readonly rotations: readonly SealedRotation[];
  /** By key: number of the event that changed it. */
  readonly #changed = new Map<string, number>();

  constructor(given: readonly VerifierKey[], rotations: readonly SealedRotation[]) {
    const keys = new Map(given.map((key) => [writeVerifierKey(key), key]));
    const used = new Set<SealedRotation>();
    for (let before = -1; before !== used.size; ) {
      before = used.size;
      for (const rotation of rotations) {
        if (!keys.has(writeVerifierKey(rotation.newKey))) continue;
        used.add(rotation);
        keys.set(writeVerifierKey(rotation.oldKey), rotation.oldKey);
      }
    }
    this.rotations = [...used].sort((a, b) => a.seq - b.seq);
    for (const { oldKey, seq } of this.rotations) {
      const name = writeVerifierKey(oldKey);
      if (!this.#changed.has(name)) this.#changed.set(name, seq);
    }
    const all = [...keys.values()];
    this.keys = [...all.filter((key) => this.signsNow(key)), ...all.filter((key) => !this.signsNow(key))];
  }

  signsNow(key: VerifierKey): boolean {
    return !this.#changed.has(writeVerifierKey(key));
  }

  /** Largest size that the key may sign. */
  limitOf(key: VerifierKey): number {
    return this.#changed.get(writeVerifierKey(key)) ?? Number.MAX_SAFE_INTEGER;
  }

  /** Whether a purge that is the event of this number was signed by a key that was right at that time. */
  allows({ key }: Purge, seq: number): boolean {
    const name = writeVerifierKey(key);
    return this.keys.some((one) => writeVerifierKey(one) === name) && seq < this.limitOf(key);
  }
}

/** A checkpoint that is right as far as it can be told without the log, and who signed it. */
export interface Vouched {
  readonly checkpoint: SignedCheckpoint;
  readonly key: VerifierKey;
}

/** @param proven last size that was proven: what a wrong note could have vouched for begins there */
export function checkNote(
  { note, size, root }: KeptCheckpoint,
  trust: Trust,
  proven: number,
): Vouched | Finding {
  const bad = (field: string, expected: string, found: string): Finding => ({
    seq: proven,
    field,
    expected,
    found,
  });
  let checkpoint: SignedCheckpoint;
  try {
    checkpoint = readCheckpoint(note);
  } catch {
    return bad(`checkpoint ${size ?? ""}`.trim(), "a signed note", "something else");
  }
  const name = `checkpoint ${checkpoint.size}`;
  const key = signerOf(checkpoint.note, trust.keys);
  if (!key) return bad(`signature of ${name}`, `by ${idsOf(trust.keys)}`, "by nobody trusted");
  if (key.name !== checkpoint.origin)
    return bad(`origin of ${name}`, key.name, checkpoint.origin.slice(0, 200));
  const limit = trust.limitOf(key);
  if (checkpoint.size > limit)
    return bad(
      `signature of ${name}`,
      `by ${idsOf(trust.keys.filter((one) => checkpoint.size <= trust.limitOf(one)))}`,
      `by ${idsOf([key])}, which event ${limit} has changed`,
    );
  if (size !== undefined && size !== checkpoint.size)
    return bad(`size of ${name}`, String(checkpoint.size), String(size));
  if (root && !root.equals(checkpoint.root))
    return bad(`root of ${name}`, checkpoint.root.toString("base64"), root.toString("base64"));
  return { checkpoint, key };
}

function idsOf(keys: readonly VerifierKey[]): string {
  return keys.map(({ name, id }) => `${name}+${id}`).join(" or ");
}
