import type { SignedCheckpoint } from "../log/checkpoint.ts";
import { Frontier } from "../log/frontier.ts";
import { signerOf, type VerifierKey } from "../log/note.ts";
import { MissingHash, rangeHash, readPeaks } from "../log/proofs.ts";
import { trusted } from "../log/rotation.ts";
import { checkNote, LogCheck } from "./log-check.ts";
import { OwnEvents } from "./own-events.ts";
import type { Finding, KeptCheckpoint, LogSource } from "./ports.ts";

/** Nothing can be said, and why, in one sentence. */
export class CannotCheck extends Error {
  constructor(why: string, options?: ErrorOptions) {
    super(why, options);
    this.name = "CannotCheck";
  }
}

export interface VerifyOptions {
  /** Keys that are trusted without the log saying so. */
  readonly keys: readonly VerifierKey[];
  /** Checkpoints from outside, and where they come from, for messages. */
  readonly outside?: readonly {
    readonly from: string;
    readonly checkpoint: SignedCheckpoint;
    readonly text: string;
  }[];
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
  readonly finding: Finding | undefined;
}

/**
 * Reads the log and calculates everything anew: commitments, leaves, links of streams, tree, roots, signatures.
 * @throws CannotCheck when a checkpoint from outside is not of this log
 */
export async function verifyLog(source: LogSource, options: VerifyOptions): Promise<Verified> {
  const own = await OwnEvents.read(source);
  const keys = trusted(options.keys, own.rotations);
  const outside = usable(options.outside ?? [], options.keys, keys);
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
    finding,
  };
}

function usable(
  outside: NonNullable<VerifyOptions["outside"]>,
  given: readonly VerifierKey[],
  keys: readonly VerifierKey[],
): KeptCheckpoint[] {
  const names = new Set(given.map(({ name }) => name));
  return outside
    .map(({ from, checkpoint, text }) => {
      const { origin, size, root } = checkpoint;
      if (!names.has(origin))
        throw new CannotCheck(
          `${from} is of another log: of "${shown(origin)}", not of "${[...names].join('" or "')}"`,
        );
      if (!signerOf(checkpoint.note, keys))
        throw new CannotCheck(`${from} is not signed by a key of this log: checkpoint ${size} says nothing`);
      return { note: text, size, root };
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
  let anchor: SignedCheckpoint | undefined;
  for await (const kept of source.checkpoints()) {
    if ((kept.size ?? 0) > from) break;
    const checked = checkNote(kept, keys, 0);
    // Whatever is wrong, the whole log is read: it says where.
    if ("field" in checked) return new Frontier();
    anchor = checked;
  }
  if (!anchor) return new Frontier();
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
