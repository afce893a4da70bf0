import { HASH_BYTES } from "./hashes.ts";
import { base64, MalformedNote, type Note, readNote } from "./note.ts";

/** How far the log reached and what its root was: C2SP tlog-checkpoint. */
export interface Checkpoint {
  /** Name of the log. */
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

export interface SignedCheckpoint extends Checkpoint {
  readonly note: Note;
}

/** The text that is signed. */
export function writeCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString("base64")}\n`;
}

/** Does not look at the signatures. @throws MalformedNote */
export function readCheckpoint(text: string): SignedCheckpoint {
  const note = readNote(text);
  const [origin = "", digits = "", encoded = ""] = note.text.split("\n");
  const size = /^(0|[1-9]\d{0,15})$/.test(digits) ? Number(digits) : Number.NaN;
  const root = base64(encoded);
  if (origin === "" || !Number.isSafeInteger(size) || root?.length !== HASH_BYTES)
    throw new MalformedNote("this is no checkpoint");
  return { origin, size, root, note };
}

/** The note as it was read, byte for byte. */
export function writeNote({ text, signatures }: Note): string {
  const lines = signatures.map(({ name, id, bytes }) => {
    return `— ${name} ${Buffer.concat([Buffer.from(id, "hex"), bytes]).toString("base64")}\n`;
  });
  return `${text}\n${lines.join("")}`;
}

/** Those of a growing file that can be read; what a crash or an editor has left in between is passed over. */
export function readableCheckpoints(file: string): SignedCheckpoint[] {
  const notes = file.matchAll(/(?<=^|\n)([^\n]+\n\d+\n[A-Za-z0-9+/=]+\n\n(?:— [^\n]+\n)+)/g);
  return [...notes].flatMap(([, note = ""]) => {
    try {
      return [readCheckpoint(note)];
    } catch {
      return [];
    }
  });
}
