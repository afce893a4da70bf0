import { Frontier } from "../log/frontier.ts";
import type { VerifierKey } from "../log/note.ts";
import { MissingHash, rangeHash, readPeaks } from "../log/proofs.ts";
import type { CheckpointList } from "./checkpoint-list.ts";
import { LogCheck, type Start, type Witness } from "./log-check.ts";
import { OwnEvents } from "./own-events.ts";
import { CannotCheck, type Finding, type LogSource } from "./ports.ts";
import { checkNote, type Trust } from "./trust.ts";

export interface VerifyOptions {
  /** Keys that are trusted without the log saying so. */
  readonly keys: readonly VerifierKey[];
  /** Checkpoints that were kept elsewhere. */
  readonly outside?: readonly CheckpointList[];
  /** Begins at the largest checkpoint up to there. */
  readonly from?: number;
  readonly onProgress?: (done: number, all: number) => void;
}

/** Of each file so many checkpoints up to the beginning are compared: the last one vouches for all that is older. */
const COMPARED_BEFORE = 4;

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
  /** Why it is not whole, though nothing was changed. */
  readonly open: readonly string[];
  readonly finding: Finding | undefined;
}

/**
 * Reads the log and calculates everything anew: commitments, leaves, links of streams, tree, roots, signatures.
 * @throws CannotCheck when a checkpoint from outside is not of this log
 */
export async function verifyLog(source: LogSource, options: VerifyOptions): Promise<Verified> {
  const outside = options.outside ?? [];
  ofThisLog(outside, options.keys);
  const own = await OwnEvents.read(source, options.keys);
  const { trust } = own;
  const size = await source.size();
  const start = await begin(source, trust, Math.min(options.from ?? 0, size), outside);
  const from = start.frontier.size;
  const check = new LogCheck(source, own, start, witnesses(trust, outside, from));
  const finding =
    (await check.run(size, (done) => options.onProgress?.(done - from, size - from))) ??
    (await source.others(size));
  return {
    from,
    size,
    root: finding ? undefined : check.root.toString("base64"),
    signed: trust.rotations.length === 0 ? check.proven : check.vouched,
    checkpoints: check.signed,
    purged: check.purgedSeen,
    missing: check.missingSeen,
    open: finding ? [] : openIn(check, trust, size),
    finding,
  };
}

function openIn({ beyond, vouched }: LogCheck, trust: Trust, size: number): string[] {
  const open: string[] = [];
  const changed = trust.rotations.at(-1);
  // As between the change and the next checkpoint; and as a thief of the old key leaves it who has cut off the new one's word.
  if (changed && vouched <= changed.seq)
    open.push(
      `event ${changed.seq} changed the key and the new one has signed nothing since: from event ${vouched} on it could be of whoever has the old one`,
    );
  if (beyond)
    open.push(
      `the export ends with ${size} events, before the checkpoint of ${beyond.size} in ${beyond.from}: only a newer export shows whether the rest is right`,
    );
  return open;
}

/** @throws CannotCheck for one of another log */
function ofThisLog(outside: readonly CheckpointList[], given: readonly VerifierKey[]): void {
  const names = new Set(given.map(({ name }) => name));
  for (const { path, origins } of outside)
    for (const origin of origins)
      if (!names.has(origin))
        throw new CannotCheck(
          `${path} is of another log: of "${shown(origin)}", not of "${[...names].join('" or "')}"`,
        );
}

/** Where the check begins: nothing, or what a checkpoint vouches for and the stored hashes still give. */
async function begin(
  source: LogSource,
  trust: Trust,
  from: number,
  outside: readonly CheckpointList[],
): Promise<Start> {
  const { hashes } = source;
  const nothing: Start = { frontier: new Frontier(), vouched: 0 };
  const last = from > 0 && hashes ? await source.checkpointUpTo(from) : undefined;
  if (!last || !hashes) return nothing;
  const anchor = checkNote(last, trust, 0);
  // Whatever is wrong, the whole log is read: it says where.
  if ("field" in anchor) return nothing;
  const { size, root } = anchor.checkpoint;
  const changes = trust.rotations.filter((rotation) => rotation.size <= size);
  const before = [...changes, ...outside.flatMap((list) => list.upTo(size, COMPARED_BEFORE))];
  try {
    for (const witness of before)
      if (!(await rangeHash(hashes, 0, witness.size)).equals(witness.root)) return nothing;
    const frontier = new Frontier(size, await readPeaks(hashes, size));
    const vouched = trust.signsNow(anchor.key) ? size : (changes.at(-1)?.size ?? 0);
    return frontier.root().equals(root) ? { frontier, vouched } : nothing;
  } catch (error) {
    if (error instanceof MissingHash) return nothing;
    throw error;
  }
}

/** All that others say of the log, beginning with this size, in the order of sizes. */
function* witnesses(trust: Trust, outside: readonly CheckpointList[], from: number): Generator<Witness> {
  const changes = trust.rotations
    .filter(({ size }) => size >= from)
    .map(({ size, root }) => ({ size, root }))
    .sort((a, b) => a.size - b.size);
  const sources = [changes.values(), ...outside.map((list) => list.from(from))];
  const heads = sources.map((source) => ({ source, next: source.next() }));
  for (;;) {
    const waiting = heads.filter(({ next }) => !next.done);
    if (waiting.length === 0) return;
    const first = waiting.reduce((a, b) => (sizeOf(b.next) < sizeOf(a.next) ? b : a));
    if (!first.next.done) yield first.next.value;
    first.next = first.source.next();
  }
}

function sizeOf(next: IteratorResult<Witness, unknown>): number {
  return next.done ? Number.POSITIVE_INFINITY : next.value.size;
}

function shown(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 100);
}
