import { type Content, canonicalContent, takeApart } from "../log/content.ts";
import { leafHash } from "../log/hashes.ts";
import { type ReadLeaf, readLeaf, SALT_BYTES, writeLeaf } from "../log/leaf.ts";
import type { Finding, StoredLeaf } from "./ports.ts";

/** The event before another one in its stream. */
export interface Predecessor {
  readonly seq: number;
  readonly streamSeq: number;
  readonly hash: Buffer;
}

/**
 * Compares one stored event with what was sealed: hash, place, stream and content. Cheap when all is well: the leaf is written
 * again and compared as bytes; only then is looked for the difference.
 * @param purged whether content of this number may be missing
 */
export function checkLeaf(
  stored: StoredLeaf,
  before: Predecessor | undefined,
  purged: (seq: number) => boolean,
): Finding | undefined {
  const { seq, streamSeq } = stored;
  const hash = leafHash(stored.leaf);
  if (!hash.equals(stored.hash))
    return finding(seq, "leaf hash", stored.hash.toString("hex"), hash.toString("hex"));
  const next = (before?.streamSeq ?? 0) + 1;
  if (stored.body !== null && stored.salts !== null && streamSeq === next) {
    const content = canonicalContent(stored.body);
    if (content && fits(content, stored) && isSame(stored, before, content)) return undefined;
  }
  return compare(stored, before, purged, next);
}

function fits({ head, parts }: Content, { eventId, stream, streamSeq, salts }: StoredLeaf): boolean {
  return (
    head.eventId === eventId &&
    head.stream === stream &&
    head.streamSeq === streamSeq &&
    salts?.length === parts.length * SALT_BYTES
  );
}

function isSame(
  { seq, leaf, salts }: StoredLeaf,
  before: Predecessor | undefined,
  content: Content,
): boolean {
  const expected = writeLeaf({ seq, streamPrev: before?.hash ?? null }, content, salts ?? Buffer.alloc(0));
  return expected.length === leaf.length && expected === leaf.toString("latin1");
}

/** Names what differs; undefined for content that was kept though it is in no canonical form, and for purged content. */
function compare(
  stored: StoredLeaf,
  before: Predecessor | undefined,
  purged: (seq: number) => boolean,
  next: number,
): Finding | undefined {
  const { seq, eventId, stream, streamSeq, body, salts } = stored;
  const leaf = readLeaf(stored.leaf);
  if (!leaf) return finding(seq, "leaf", "a leaf", "something else");
  const columns: readonly (readonly [string, string | number, string | number])[] = [
    ["seq", leaf.seq, seq],
    ["eventId", leaf.eventId, eventId],
    ["stream", leaf.stream, stream],
    ["streamSeq", leaf.streamSeq, streamSeq],
  ];
  for (const [name, expected, found] of columns)
    if (expected !== found) return finding(seq, name, String(expected), String(found));
  if (streamSeq !== next) return finding(seq, "streamSeq", String(next), String(streamSeq));
  const prev = before?.hash.toString("hex") ?? null;
  if (leaf.streamPrev !== prev)
    // The link is inside of this leaf, whose hash is right: it is the event before that was exchanged.
    return finding(
      before?.seq ?? seq,
      "leaf",
      `hash ${leaf.streamPrev}, as event ${seq} says`,
      `hash ${prev}`,
    );
  if (body === null || salts === null) {
    if (body === null && salts === null && purged(seq)) return undefined;
    return finding(seq, "content", "there, or an event that tells of its purge", "missing");
  }
  return compareContent(stored, leaf, body, salts, before);
}

function compareContent(
  stored: StoredLeaf,
  leaf: ReadLeaf,
  body: Buffer,
  salts: Buffer,
  before: Predecessor | undefined,
): Finding | undefined {
  const { seq, eventId, stream, streamSeq } = stored;
  const { kind, at, room } = leaf;
  const row = { eventId, stream, streamSeq, kind, atMs: at, roomId: room, body };
  const whole: Content = {
    head: {
      eventId,
      stream,
      streamSeq,
      kind,
      atMs: at,
      roomId: room,
      actorId: null,
      node: null,
      session: null,
    },
    parts: [["body", body]],
  };
  if ("body" in leaf.c) {
    if (salts.length !== SALT_BYTES)
      return finding(seq, "salts", `${SALT_BYTES} bytes`, `${salts.length} bytes`);
    if (isSame(stored, before, whole)) return undefined;
    return differing(seq, leaf, whole, salts);
  }
  const content = takeApart(row);
  const names = Object.keys(leaf.c);
  const found = content.parts.map(([name]) => name);
  const [first] = content.parts;
  if (first?.[0] === "body")
    return headDifference(seq, leaf, body) ?? finding(seq, "body", "canonical form", "another form");
  if (names.join() !== found.join())
    return finding(seq, "body", `parts ${names.join(", ")}`, `parts ${found.join(", ")}`);
  if (salts.length !== names.length * SALT_BYTES)
    return finding(seq, "salts", `${names.length * SALT_BYTES} bytes`, `${salts.length} bytes`);
  return isSame(stored, before, content) ? undefined : differing(seq, leaf, content, salts);
}

/** A body that says another time, room or kind than its leaf. */
function headDifference(seq: number, leaf: ReadLeaf, body: Buffer): Finding | undefined {
  const head = canonicalContent(body)?.head;
  if (!head) return undefined;
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ["at", leaf.at, head.atMs],
    ["kind", leaf.kind, head.kind],
    ["room", leaf.room, head.roomId],
    ["eventId", leaf.eventId, head.eventId],
    ["stream", leaf.stream, head.stream],
    ["streamSeq", leaf.streamSeq, head.streamSeq],
  ];
  const different = pairs.find(([, expected, found]) => expected !== found);
  return different && finding(seq, different[0], String(different[1]), String(different[2]));
}

function differing(seq: number, leaf: ReadLeaf, content: Content, salts: Buffer): Finding {
  const made = readLeaf(Buffer.from(writeLeaf({ seq, streamPrev: null }, content, salts), "latin1"));
  for (const [name, expected] of Object.entries(leaf.c))
    if (made && made.c[name] !== expected)
      return finding(seq, name, `commitment ${expected}`, `commitment ${made.c[name]}`);
  for (const name of ["actor", "node", "session"] as const)
    if (made && made[name] !== leaf[name]) return finding(seq, name, String(leaf[name]), String(made[name]));
  return finding(seq, "leaf", "as its content gives it", "another spelling");
}

/** Values of columns come from whoever wrote them. */
function finding(seq: number, field: string, expected: string, found: string): Finding {
  return { seq, field, expected: expected.slice(0, 200), found: found.slice(0, 200) };
}
