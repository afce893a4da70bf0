import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";

/** A text that is not what it should be; the message says why, in one sentence. */
export class MalformedNote extends Error {
  constructor(why: string) {
    super(why);
    this.name = "MalformedNote";
  }
}

/** Who can sign, as others know him: C2SP signed-note, "verifier key". */
export interface VerifierKey {
  readonly name: string;
  /** Four bytes, as 8 hex digits. */
  readonly id: string;
  readonly publicKey: Buffer;
}

/** Who signs. */
export interface Signer extends VerifierKey {
  /** @returns 64 bytes. @throws when whoever holds the key does not answer */
  sign(message: Buffer): Promise<Buffer>;
}

export interface Signature {
  readonly name: string;
  readonly id: string;
  readonly bytes: Buffer;
}

/** C2SP signed-note: a text whose last line ends in a newline, and signature lines. */
export interface Note {
  readonly text: string;
  readonly signatures: readonly Signature[];
}

const ED25519 = 1;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** DER of RFC 8410 around the 32 bytes. */
const PRIVATE_DER = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_DER = Buffer.from("302a300506032b6570032100", "hex");
const NAME = /^[^\s+\p{Cc}]{1,255}$/u;
/** All but the newline; the last one stands for bytes that were no UTF-8. */
const CONTROL = /(?!\n)\p{Cc}|\ufffd/u;
const MAX_NOTE_CHARS = 65_536;

/** @throws MalformedNote for a name with blanks or "+" */
export function makeVerifierKey(name: string, publicKey: Buffer): VerifierKey {
  if (!NAME.test(name))
    throw new MalformedNote(`a key's name has neither blanks nor "+", and 255 characters at most`);
  if (publicKey.length !== KEY_BYTES) throw new MalformedNote("an Ed25519 key has 32 bytes");
  const typed = Buffer.concat([Buffer.of(ED25519), publicKey]);
  const id = hash("sha256", Buffer.concat([Buffer.from(`${name}\n`), typed]), "hex").slice(0, 8);
  return { name, id, publicKey };
}

/** `<name>+<id>+<base64 of 0x01 and the key>` */
export function writeVerifierKey({ name, id, publicKey }: VerifierKey): string {
  return `${name}+${id}+${Buffer.concat([Buffer.of(ED25519), publicKey]).toString("base64")}`;
}

/** @throws MalformedNote */
export function readVerifierKey(text: string): VerifierKey {
  const [, name = "", id = "", encoded = ""] =
    /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text.trim()) ?? [];
  const typed = base64(encoded);
  if (typed?.[0] !== ED25519 || typed.length !== 1 + KEY_BYTES)
    throw new MalformedNote("this is no public key such as example.com/pchat+1a2b3c4d+AQ…");
  const key = makeVerifierKey(name, typed.subarray(1));
  if (key.id !== id)
    throw new MalformedNote(
      "the public key does not fit to the digits before it: a part is missing or changed",
    );
  return key;
}

/** A new key as its file holds it: `PRIVATE+KEY+<name>+<id>+<base64 of 0x01 and the seed>`, as Go's sumdb/note writes it. */
export function generateSecretKey(name: string): string {
  const { privateKey } = generateKeyPairSync("ed25519");
  const seed = privateKey.export({ format: "der", type: "pkcs8" }).subarray(PRIVATE_DER.length);
  const { id } = makeVerifierKey(name, publicOf(privateKey));
  return `PRIVATE+KEY+${name}+${id}+${Buffer.concat([Buffer.of(ED25519), seed]).toString("base64")}`;
}

/** @throws MalformedNote; the message holds nothing of the key */
export function readSecretKey(text: string): Signer {
  const [, name = "", id = "", encoded = ""] =
    /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text.trim()) ?? [];
  const typed = base64(encoded);
  if (typed?.[0] !== ED25519 || typed.length !== 1 + KEY_BYTES)
    throw new MalformedNote("holds no signing key");
  const privateKey = createPrivateKey({
    key: Buffer.concat([PRIVATE_DER, typed.subarray(1)]),
    format: "der",
    type: "pkcs8",
  });
  const key = makeVerifierKey(name, publicOf(privateKey));
  if (key.id !== id) throw new MalformedNote("holds a signing key that was changed");
  return { ...key, sign: async (message) => sign(null, message, privateKey) };
}

export function isSignedBy(key: VerifierKey, message: Buffer, signature: Buffer): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const publicKey = createPublicKey({
    key: Buffer.concat([PUBLIC_DER, key.publicKey]),
    format: "der",
    type: "spki",
  });
  return verify(null, message, publicKey, signature);
}

/** @throws what the signer throws; MalformedNote when its answer is no signature of this key */
export async function signNote(text: string, signer: Signer): Promise<string> {
  const message = Buffer.from(text);
  const signature = await signer.sign(message);
  if (!isSignedBy(signer, message, signature))
    throw new MalformedNote(`what the signer answered is no signature by ${writeVerifierKey(signer)}`);
  const line = Buffer.concat([Buffer.from(signer.id, "hex"), signature]).toString("base64");
  return `${text}\n— ${signer.name} ${line}\n`;
}

/** @throws MalformedNote */
export function readNote(note: string): Note {
  const end = note.lastIndexOf("\n\n");
  if (note.length > MAX_NOTE_CHARS || end < 0 || !note.endsWith("\n") || CONTROL.test(note))
    throw new MalformedNote("this is no signed note");
  const lines = note.slice(end + 2, -1).split("\n");
  const signatures = lines.map((line): Signature => {
    const [, name = "", encoded = ""] = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line) ?? [];
    const bytes = base64(encoded);
    if (!bytes || bytes.length < 5)
      throw new MalformedNote("this is no signed note: a signature line is broken");
    return { name, id: bytes.subarray(0, 4).toString("hex"), bytes: bytes.subarray(4) };
  });
  return { text: note.slice(0, end + 1), signatures };
}

/** The first of the keys that signed it. Signatures by others, such as witnesses, do not matter. */
export function signerOf(note: Note, keys: Iterable<VerifierKey>): VerifierKey | undefined {
  for (const key of keys)
    for (const { name, id, bytes } of note.signatures)
      if (name === key.name && id === key.id && isSignedBy(key, Buffer.from(note.text), bytes)) return key;
  return undefined;
}

/** Bytes of canonical base64; undefined for anything else. */
export function base64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}

function publicOf(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(PUBLIC_DER.length);
}
