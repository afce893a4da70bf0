import { hash, randomFillSync } from "node:crypto";
import type { CommittedPart, Content } from "./content.ts";

export const SALT_BYTES = 32;

/** Bytes of a leaf and of the salts that its commitments need; `salts` are one after the other, in the order of the parts. */
export interface SealedLeaf {
  readonly leaf: string;
  readonly salts: Buffer;
}

/** Where an event stands in the log. */
export interface Place {
  /** Number of the leaf, from 0: the leaf index of RFC 6962. */
  readonly seq: number;
  /** Leaf hash of the event before it in its stream; null for the first. */
  readonly streamPrev: Buffer | null;
}

const POOL_SALTS = 4_096;
const pool = Buffer.alloc(POOL_SALTS * SALT_BYTES);
let used = pool.length;

/** Fresh salts for so many parts. */
export function makeSalts(parts: number): Buffer {
  const wanted = parts * SALT_BYTES;
  if (used + wanted > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const salts = Buffer.from(pool.subarray(used, used + wanted));
  pool.fill(0, used, used + wanted);
  used += wanted;
  return salts;
}

/**
 * The bytes of a leaf: JSON, keys sorted, no blanks, ASCII only. `c` has for each part of the body SHA-256 over its salt and
 * its JSON: whoever has neither cannot guess even a "yes".
 * @throws RangeError when the salts are not as many as the parts
 */
export function writeLeaf({ seq, streamPrev }: Place, { head, parts }: Content, salts: Uint8Array): string {
  if (salts.length !== parts.length * SALT_BYTES) throw new RangeError("a salt for each part");
  const { actorId, atMs, eventId, kind, node, roomId, session, stream, streamSeq } = head;
  const commitments = parts
    .map(([name, json], place) => `"${name}":"${commitment(json, salts, place)}"`)
    .join(",");
  const prev = streamPrev === null ? "null" : `"${streamPrev.toString("hex")}"`;
  return (
    `{"actor":${actorId},"at":${atMs},"c":{${commitments}},"eventId":"${eventId}","kind":${JSON.stringify(kind)},` +
    `"node":${JSON.stringify(node)},"room":${roomId},"seq":${seq},"session":${JSON.stringify(session)},` +
    `"stream":${JSON.stringify(stream)},"streamPrev":${prev},"streamSeq":${streamSeq},"v":1}`
  );
}

let scratch = Buffer.alloc(65_536);

function commitment(json: CommittedPart[1], salts: Uint8Array, place: number): string {
  const longest = SALT_BYTES + (typeof json === "string" ? json.length * 3 : json.length);
  if (longest > scratch.length) scratch = Buffer.alloc(longest);
  scratch.set(salts.subarray(place * SALT_BYTES, (place + 1) * SALT_BYTES));
  let end = SALT_BYTES;
  if (typeof json === "string") end += scratch.write(json, SALT_BYTES, "utf8");
  else {
    scratch.set(json, SALT_BYTES);
    end += json.length;
  }
  return hash("sha256", scratch.subarray(0, end), "base64");
}

/** What a stored leaf says; every member is there, whatever else is wrong with it. */
export interface ReadLeaf {
  readonly seq: number;
  readonly eventId: string;
  readonly stream: string;
  readonly streamSeq: number;
  readonly streamPrev: string | null;
  readonly kind: string;
  readonly at: number;
  readonly room: number;
  readonly actor: number | null;
  readonly node: string | null;
  readonly session: string | null;
  readonly c: Readonly<Record<string, string>>;
}

/** @returns undefined for bytes that are no leaf as `writeLeaf` writes it */
export function readLeaf(bytes: Uint8Array): ReadLeaf | undefined {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString("latin1")) as Record<string, unknown>; // looked at below
    const { actor, at, c, eventId, kind, node, room, seq, session, stream, streamPrev, streamSeq, v } = value;
    const words = [eventId, kind, stream].every((word) => typeof word === "string");
    const numbers = [at, room, seq, streamSeq].every((number) => Number.isSafeInteger(number));
    const maybe =
      (actor === null || Number.isSafeInteger(actor)) &&
      [node, session, streamPrev].every((word) => word === null || typeof word === "string");
    const commitments =
      typeof c === "object" && c !== null && Object.values(c).every((one) => typeof one === "string");
    return v === 1 && words && numbers && maybe && commitments ? (value as unknown as ReadLeaf) : undefined; // as was just looked at
  } catch {
    return undefined;
  }
}
