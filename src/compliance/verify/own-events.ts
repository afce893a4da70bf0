import { canonicalContent } from "../log/content.ts";
import { readLeaf } from "../log/leaf.ts";
import { ARCHIVE_STREAM, type Rotation, readRotation } from "../log/rotation.ts";
import { checkLeaf } from "./leaf-check.ts";
import type { Finding, LogSource, StoredLeaf } from "./ports.ts";

/** Kind of the event that tells of content that was purged: `detail.ranges` are [from, to] of seq, both included. */
export const RETENTION_PURGE = "RETENTION_PURGE";

interface Purge {
  readonly from: number;
  readonly to: number;
}

/** What the archive recorded of itself: changed keys, and content that is gone by right. Read first, and found again in the log. */
export class OwnEvents {
  readonly #bodies: Map<number, Buffer>;
  readonly rotations: readonly Rotation[];
  readonly #purges: readonly Purge[];

  private constructor(stored: readonly StoredLeaf[], signed: number) {
    const events = stored.flatMap((one) => intact(one) ?? []);
    this.#bodies = new Map(events.map(({ seq, body }) => [seq, body]));
    this.rotations = events
      .map(({ body }) => readRotation(body))
      .filter((rotation) => rotation !== undefined);
    this.#purges = events.flatMap(({ seq, body }) => (seq < signed ? purgesOf(seq, body) : []));
  }

  /** A purge counts when a checkpoint vouches for it. */
  static async read(source: LogSource): Promise<OwnEvents> {
    const events = await source.ownEvents();
    let signed = 0;
    for await (const { size = 0 } of source.checkpoints()) signed = Math.max(signed, size);
    return new OwnEvents(events, signed);
  }

  mayBeGone(seq: number): boolean {
    return this.#purges.some(({ from, to }) => from <= seq && seq <= to);
  }

  /** Remembers that the log has it. */
  differs({ seq, stream, body }: StoredLeaf): Finding | undefined {
    if (stream !== ARCHIVE_STREAM) return undefined;
    const told = this.#bodies.get(seq);
    if (!told) return undefined;
    this.#bodies.delete(seq);
    return body?.equals(told)
      ? undefined
      : { seq, field: "archive event", expected: "as in the log", found: "another one" };
  }

  /** One that the log does not have. */
  unseen(begin: number): Finding | undefined {
    const [seq] = [...this.#bodies.keys()].filter((one) => one >= begin);
    return seq === undefined
      ? undefined
      : { seq, field: "archive event", expected: "in the log", found: "missing" };
  }
}

/**
 * Number and content of an event whose content is that of its leaf, wherever its row stands now; its place is looked at when the
 * log is read.
 */
function intact(stored: StoredLeaf): { readonly seq: number; readonly body: Buffer } | undefined {
  const { seq, streamPrev } = readLeaf(stored.leaf) ?? {};
  if (seq === undefined || stored.body === null) return undefined;
  const before = streamPrev
    ? { seq: 0, streamSeq: stored.streamSeq - 1, hash: Buffer.from(streamPrev, "hex") }
    : undefined;
  return checkLeaf({ ...stored, seq }, before, () => false) ? undefined : { seq, body: stored.body };
}

function purgesOf(seq: number, body: Buffer): Purge[] {
  const content = canonicalContent(body);
  const json = content?.parts.find(([name]) => name === "detail")?.[1];
  if (content?.head.kind !== RETENTION_PURGE || typeof json !== "string") return [];
  const { ranges }: { ranges?: unknown } = JSON.parse(json);
  if (!Array.isArray(ranges)) return [];
  return ranges.flatMap((range: unknown): Purge[] => {
    const [from, to] = Array.isArray(range) ? range : [];
    // What comes after it was not there to be purged.
    return Number.isSafeInteger(from) && Number.isSafeInteger(to) && to < seq ? [{ from, to }] : [];
  });
}
