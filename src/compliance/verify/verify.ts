import { type SignedCheckpoint, writeNote } from "../log/checkpoint.ts";
import { Frontier } from "../log/frontier.ts";
import type { VerifierKey } from "../log/note.ts";
import { MissingHash, rangeHash, readPeaks } from "../log/proofs.ts";
import { trusted } from "../log/rotation.ts";
import { checkNote, LogCheck } from "./log-check.ts";
import { OwnEvents } from "./own-events.ts";
import { CannotCheck, type Finding, type KeptCheckpoint, type LogSource } from "./ports.ts";

export interface OutsideCheckpoint {
  /** The file it comes from. */
  readonly from: string;
  readonly checkpoint: SignedCheckpoint;
}

export interface VerifyOptions {
  /** Keys that are trusted without the log saying so. */
  readonly keys: readonly VerifierKey[];
  /** Checkpoints that were kept elsewhere. */
  readonly outside?: readonly OutsideCheckpoint[];
  /** Begins at the largest checkpoint up to there. */
  readonly from?: number;
  readonly onProgress?: (done: number, all: number) => void;
}

/** What a check says. */
export interface Verified {
  /** Events looked at: from `from` on, `size` in the log. */
  readonly from: number;
  readonly size: number;
  /** Of the whole log, in base64; undefined when it is not what it was. */
  readonly root: string | undefined;
  /** Events that a signed checkpoint vouches for. */
  readonly signed: number;
  /** Checkpoints that were right. */
  readonly checkpoints: number;
  /** Events without content, purged on the record. */
  readonly purged: number;
  /** Events in the place of others that are missing, on the record. */
  readonly missing: number;
  readonly finding: Finding | undefined;
}

/**
 * Reads the log and calculates everything anew: commitments, leaves, links of streams, tree, roots, signatures.
 * @throws CannotCheck when a checkpoint from outside is not of this log
 */
export async function verifyLog(source: LogSource, options: VerifyOptions): Promise<Verified> {
  const own = await OwnEvents.read(source);
  const keys = trusted(options.keys, own.rotations);
  const outside = ofThisLog(options.outside ?? [], options.keys);
  const size = await source.size();
  const start = await begin(source, keys, Math.min(options.from ?? 0, size), outside);
  const all: LogSource = withOutside(source, outside);
  const check = new LogCheck(all, keys, own, start);
  const from = start.size;
  const finding =
    (await check.run(size, (done) => options.onProgress?.(done - from, size - from))) ??
    (await source.others(size));
  return {
    from,
    size,
    root: finding ? undefined : check.root.toString("base64"),
    signed: check.proven,
    checkpoints: check.signed,
    purged: check.purgedSeen,
    missing: check.missingSeen,
    finding,
  };
}

/** @throws CannotCheck for one of another log */
function ofThisLog(outside: readonly OutsideCheckpoint[], given: readonly VerifierKey[]): KeptCheckpoint[] {
  const names = new Set(given.map(({ name }) => name));
  return outside
    .map(({ from, checkpoint: { origin, size, root, note } }) => {
      if (!names.has(origin))
        throw new CannotCheck(
          `${from} is of another log: of "${shown(origin)}", not of "${[...names].join('" or "')}"`,
        );
      return { note: writeNote(note), size, root, from };
    })
    .sort((a, b) => a.size - b.size);
}

/** Where the check begins: nothing, or what a checkpoint vouches for and the stored hashes still give. */
async function begin(
  source: LogSource,
  keys: readonly VerifierKey[],
  from: number,
  outside: readonly KeptCheckpoint[],
): Promise<Frontier> {
  const { hashes } = source;
  if (from === 0 || !hashes) return new Frontier();
  let last: KeptCheckpoint | undefined;
  for await (const kept of source.checkpoints()) {
    if ((kept.size ?? 0) > from) break;
    last = kept;
  }
  if (!last) return new Frontier();
  const anchor = checkNote(last, keys, 0);
  // Whatever is wrong, the whole log is read: it says where.
  if ("field" in anchor) return new Frontier();
  try {
    for (const { size = 0, root } of outside)
      if (size < anchor.size && !(await rangeHash(hashes, 0, size)).equals(root ?? Buffer.alloc(0)))
        return new Frontier();
    const start = new Frontier(anchor.size, await readPeaks(hashes, anchor.size));
    return start.root().equals(anchor.root) ? start : new Frontier();
  } catch (error) {
    if (error instanceof MissingHash) return new Frontier();
    throw error;
  }
}

/** The same log with further checkpoints in between. */
function withOutside(source: LogSource, outside: readonly KeptCheckpoint[]): LogSource {
  if (outside.length === 0) return source;
  return {
    size: () => source.size(),
    leaves: (from, to) => source.leaves(from, to),
    leafBefore: (stream, streamSeq) => source.leafBefore(stream, streamSeq),
    ownEvents: () => source.ownEvents(),
    hashes: source.hashes,
    others: (size) => source.others(size),
    async *checkpoints() {
      const more = [...outside];
      for await (const kept of source.checkpoints()) {
        while (more[0] && (more[0].size ?? 0) <= (kept.size ?? 0)) yield* more.splice(0, 1);
        yield kept;
      }
      yield* more;
    },
  };
}

function shown(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 100);
}
