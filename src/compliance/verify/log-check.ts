import { EVENT_MISSING } from "../acceptance.ts";
import { readCheckpoint } from "../log/checkpoint.ts";
import type { Frontier, KeptNode } from "../log/frontier.ts";
import { readLeaf } from "../log/leaf.ts";
import { MalformedNote, type Note, signerOf } from "../log/note.ts";
import type { ListedCheckpoint } from "./checkpoint-list.ts";
import { compareNodes } from "./kept-hashes.ts";
import { checkLeaf, type Predecessor } from "./leaf-check.ts";
import type { OwnEvents } from "./own-events.ts";
import { CannotCheck, type Finding, type KeptCheckpoint, type LogSource, type StoredLeaf } from "./ports.ts";
import { checkNote, type Trust } from "./trust.ts";

/** As a leaf spells its kind; a quote inside of anything else there is escaped or not allowed. */
const MISSING = Buffer.from(`"kind":"${EVENT_MISSING}"`);
/** Leaves read on for a link that says which one of a range was exchanged. */
const MAX_SEARCH = 300_000;

/** A difference that the tree shows only for a range of leaves: it begins somewhere from `seq` on, before `to`. */
interface Suspicion {
  readonly finding: Finding;
  readonly to: number;
}

/** Somebody else's word for a root: a checkpoint that was kept elsewhere, or, without a file, both keys' when one was changed. */
export type Witness =
  | ListedCheckpoint
  | { readonly from?: undefined; readonly size: number; readonly root: Buffer };

/** Where a check begins. */
export interface Start {
  readonly frontier: Frontier;
  /** Size up to which a key that signs now vouches for what is there. */
  readonly vouched: number;
}

/** The leaves of a log, one after the other, against its checkpoints, others' and its stored hashes. */
export class LogCheck {
  readonly #source: LogSource;
  readonly #trust: Trust;
  readonly #purged: (seq: number) => boolean;
  readonly #frontier: Frontier;
  readonly #begin: number;
  readonly #own: OwnEvents;
  readonly #streams = new Map<string, { seq: number; streamSeq: number; hash: Buffer }>();
  readonly #keep: ((node: KeptNode) => void) | undefined;
  readonly #nodes: KeptNode[] = [];
  #checkpoints: AsyncIterator<KeptCheckpoint> | undefined;
  #nextCheckpoint: KeptCheckpoint | undefined;
  readonly #witnesses: Iterator<Witness>;
  #nextWitness: Witness | undefined;
  /** Size at which the next of both is looked at. */
  #nextSize = 0;
  #suspicion: Suspicion | undefined;
  /** Sizes up to which roots were right. */
  #proven: number;
  signed = 0;
  /** As far as a key that signs now vouches for it. */
  vouched: number;
  /** A checkpoint from outside that reaches beyond a copy. */
  beyond: Witness | undefined;
  purgedSeen = 0;
  missingSeen = 0;

  /** @param witnesses in the order of their sizes, none below the start */
  constructor(source: LogSource, own: OwnEvents, { frontier, vouched }: Start, witnesses: Iterable<Witness>) {
    this.#source = source;
    this.#own = own;
    this.#witnesses = witnesses[Symbol.iterator]();
    this.vouched = vouched;
    this.#keep = source.hashes && ((node) => this.#nodes.push(node));
    this.#trust = own.trust;
    this.#purged = (seq) => own.mayBeGone(seq);
    this.#frontier = frontier;
    this.#begin = frontier.size;
    this.#proven = frontier.size;
  }

  get root(): Buffer {
    return this.#frontier.root();
  }

  /** Size of the last checkpoint that was right. */
  get proven(): number {
    return this.#proven;
  }

  /** @returns the first difference; undefined when there is none */
  async run(size: number, onProgress: (done: number) => void): Promise<Finding | undefined> {
    this.#checkpoints = this.#source.checkpoints(this.#begin)[Symbol.asyncIterator]();
    await this.#advance();
    this.#advanceWitness();
    const early = await this.#checkpointsHere();
    if (early) return early;
    for await (const leaves of this.#source.leaves(this.#begin, size)) {
      for (const leaf of leaves) {
        let before: Predecessor | undefined = this.#streams.get(leaf.stream);
        if (!before && this.#begin > 0) before = await this.#before(leaf);
        const found = this.#take(leaf, before) ?? this.#pastSearch();
        if (found) return found;
        if (this.#nextSize <= this.#frontier.size) {
          const wrong = await this.#checkpointsHere();
          if (wrong) return wrong;
        }
      }
      const found = await compareNodes(this.#source.hashes, this.#nodes.splice(0));
      if (found) this.#suspect(found);
      onProgress(this.#frontier.size);
    }
    if (this.#suspicion) return this.#suspicion.finding;
    if (this.#frontier.size < size) return missing(this.#frontier.size, `one of ${size}`);
    const invented = this.#own.unseen(this.#begin);
    if (invented) return invented;
    return this.#lookBeyond(size);
  }

  /** What the log has lost, if somebody still knows it. */
  #lookBeyond(size: number): Finding | undefined {
    const lost = (of: number) => missing(size, `one of ${of}, as a checkpoint says`);
    if (this.#nextCheckpoint) {
      const checked = checkNote(this.#nextCheckpoint, this.#trust, this.#proven);
      return "field" in checked ? checked : lost(checked.checkpoint.size);
    }
    for (let witness = this.#nextWitness; witness; witness = this.#nextWitness) {
      this.#advanceWitness();
      if (!this.#counts(witness)) continue;
      if (!this.#source.isCopy || witness.from === undefined) return lost(witness.size);
      this.beyond ??= witness;
    }
    return undefined;
  }

  /** The next leaf. @returns the first difference */
  #take(stored: StoredLeaf, before: Predecessor | undefined): Finding | undefined {
    const at = this.#frontier.size;
    if (stored.seq !== at) return this.#suspicion?.finding ?? missing(at, "there");
    const found = checkLeaf(stored, before, this.#purged) ?? this.#own.differs(stored);
    if (found) return this.#judge(found);
    if (stored.body === null) this.purgedSeen += 1;
    if (stored.leaf.includes(MISSING)) this.missingSeen += 1;
    this.#frontier.append(stored.hash, this.#keep);
    const head = this.#streams.get(stored.stream);
    if (head) {
      head.seq = at;
      head.streamSeq = stored.streamSeq;
      stored.hash.copy(head.hash);
    } else {
      // A copy: the buffer of a row keeps all that was read with it.
      this.#streams.set(stored.stream, {
        seq: at,
        streamSeq: stored.streamSeq,
        hash: Buffer.from(stored.hash),
      });
    }
    return undefined;
  }

  /** A difference at a leaf says more than one of a range, unless the range lies before it. */
  #judge(found: Finding): Finding {
    if (this.#suspicion && found.seq >= this.#suspicion.to) return this.#suspicion.finding;
    return this.#suspicion && found.seq < this.#suspicion.finding.seq ? this.#suspicion.finding : found;
  }

  async #before({ stream, streamSeq, leaf }: StoredLeaf): Promise<Predecessor | undefined> {
    if (this.#begin === 0 || streamSeq === 1) return undefined;
    const known = await this.#source.leafBefore(stream, streamSeq - 1);
    // Before the beginning of this check: what is there is only compared with the link.
    if (known && known.seq < this.#begin) return { ...known, streamSeq: streamSeq - 1 };
    const link = readLeaf(leaf)?.streamPrev;
    return link && !known
      ? { seq: this.#begin, streamSeq: streamSeq - 1, hash: Buffer.alloc(32) }
      : undefined;
  }

  #suspect(finding: Finding): void {
    this.#suspicion ??= { finding, to: this.#frontier.size };
  }

  /** Enough was read without a link that says more. */
  #pastSearch(): Finding | undefined {
    const { finding, to } = this.#suspicion ?? {};
    return finding && to !== undefined && this.#frontier.size - to >= MAX_SEARCH ? finding : undefined;
  }

  async #checkpointsHere(): Promise<Finding | undefined> {
    const { size: here } = this.#frontier;
    for (let witness = this.#nextWitness; witness && witness.size <= here; witness = this.#nextWitness) {
      this.#advanceWitness();
      if (this.#isHere(witness)) {
        // Both keys' word.
        if (witness.from === undefined) this.#vouch(witness.size);
        continue;
      }
      if (this.#counts(witness)) this.#suspectRoot(witness);
    }
    for (let kept = this.#nextCheckpoint; kept; kept = this.#nextCheckpoint) {
      const size = kept.size ?? sizeOf(kept.note);
      if (size !== undefined && size > here) return undefined;
      await this.#advance();
      // Those before the beginning are checked by whoever begins there.
      if (size !== undefined && size < this.#begin) continue;
      const checked = checkNote(kept, this.#trust, this.#proven);
      if ("field" in checked) return this.#suspicion?.finding ?? checked;
      if (!this.#isHere(checked.checkpoint)) {
        this.#suspectRoot(checked.checkpoint);
        continue;
      }
      if (this.#suspicion) continue;
      this.#proven = checked.checkpoint.size;
      if (this.#trust.signsNow(checked.key)) this.#vouch(checked.checkpoint.size);
      this.signed += 1;
    }
    return undefined;
  }

  #isHere({ size, root }: Pick<Witness, "size" | "root">): boolean {
    return size === this.#frontier.size && root.equals(this.#frontier.root());
  }

  #vouch(size: number): void {
    if (!this.#suspicion) this.vouched = Math.max(this.vouched, size);
  }

  #suspectRoot({ size, root }: Pick<Witness, "size" | "root">): void {
    this.#suspect({
      seq: this.#proven,
      field: `root of events ${this.#proven} to ${size - 1}`,
      expected: root.toString("base64"),
      found: this.#frontier.root().toString("base64"),
    });
  }

  /**
   * Whether one that does not say what is here says anything; one that does needs nobody's word. A key that was changed counts
   * for any size: whoever has kept it got it when the key was good. @throws CannotCheck
   */
  #counts({ from, size, ...witness }: Witness): boolean {
    if (!("note" in witness)) return true;
    let note: Note;
    try {
      ({ note } = readCheckpoint(witness.note()));
    } catch (error) {
      // What a crash has cut off.
      if (error instanceof MalformedNote) return false;
      throw error;
    }
    if (signerOf(note, this.#trust.keys)) return true;
    throw new CannotCheck(`${from}: checkpoint ${size} is not signed by a key of this log, it says nothing`);
  }

  async #advance(): Promise<void> {
    const next = await this.#checkpoints?.next();
    this.#nextCheckpoint = next?.done ? undefined : next?.value;
    this.#noteNext();
  }

  #advanceWitness(): void {
    const next = this.#witnesses.next();
    this.#nextWitness = next.done ? undefined : next.value;
    this.#noteNext();
  }

  #noteNext(): void {
    const kept = this.#nextCheckpoint;
    const size = kept ? (kept.size ?? 0) : Number.POSITIVE_INFINITY;
    this.#nextSize = Math.min(size, this.#nextWitness?.size ?? Number.POSITIVE_INFINITY);
  }
}

function sizeOf(note: string): number | undefined {
  try {
    return readCheckpoint(note).size;
  } catch {
    return undefined;
  }
}

function missing(seq: number, expected: string): Finding {
  return { seq, field: "event", expected, found: "missing" };
}
