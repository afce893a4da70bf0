import { readLeaf } from "../log/leaf.ts";
import type { VerifierKey } from "../log/note.ts";
import { type Purge, readPurge } from "../log/purge.ts";
import { ARCHIVE_STREAM, readRotation } from "../log/rotation.ts";
import { checkLeaf } from "./leaf-check.ts";
import type { Finding, LogSource, StoredLeaf } from "./ports.ts";
import { Trust } from "./trust.ts";

/** What the archive recorded of itself: changed keys, and content that is gone by right. Read first, and found again in the log. */
export class OwnEvents {
  readonly #bodies: Map<number, Buffer>;
  readonly trust: Trust;
  readonly #purges: Purge["ranges"];

  private constructor(stored: readonly StoredLeaf[], signed: number, keys: readonly VerifierKey[]) {
    const events = stored.flatMap((one) => intact(one) ?? []);
    this.#bodies = new Map(events.map(({ seq, body }) => [seq, body]));
    const trust = new Trust(
      keys,
      events.flatMap(({ seq, body }) => {
        const rotation = readRotation(body);
        return rotation ? [{ ...rotation, seq }] : [];
      }),
    );
    this.trust = trust;
    this.#purges = events.flatMap(({ seq, body }) => {
      const purge = seq < signed ? readPurge(body) : undefined;
      // What comes after it was not there to be purged.
      return purge && trust.allows(purge, seq) ? purge.ranges.filter(([, to]) => to < seq) : [];
    });
  }

  /**
   * A purge counts when a trusted key has signed it and a checkpoint reaches over it.
   * @param keys those that are trusted without the log saying so
   */
  static async read(source: LogSource, keys: readonly VerifierKey[]): Promise<OwnEvents> {
    const events = await source.ownEvents();
    const last = await source.checkpointUpTo(Number.MAX_SAFE_INTEGER);
    return new OwnEvents(events, last?.size ?? 0, keys);
  }

  mayBeGone(seq: number): boolean {
    return this.#purges.some(([from, to]) => from <= seq && seq <= to);
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
