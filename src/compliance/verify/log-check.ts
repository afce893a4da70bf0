import { EVENT_MISSING } from "../acceptance.ts";
import { readCheckpoint, type SignedCheckpoint } from "../log/checkpoint.ts";
import { Frontier, KEPT_HEIGHT, type KeptNode } from "../log/frontier.ts";
import { readLeaf } from "../log/leaf.ts";
import { signerOf, type VerifierKey } from "../log/note.ts";
import { type LogHashes, MissingHash } from "../log/proofs.ts";
import { checkLeaf, type Predecessor } from "./leaf-check.ts";
import type { OwnEvents } from "./own-events.ts";
import { CannotCheck, type Finding, type KeptCheckpoint, type LogSource, type StoredLeaf } from "./ports.ts";

/** As a leaf spells its kind; a quote inside of anything else there is escaped or not allowed. */
const MISSING = Buffer.from(`"kind":"${EVENT_MISSING}"`);
/** Leaves read on for a link that says which one of a range was exchanged. */
const MAX_SEARCH = 300_000;

/** A difference that the tree shows only for a range of leaves: it begins somewhere from `seq` on, before `to`. */
interface Suspicion {
  readonly finding: Finding;
  readonly to: number;
}

/** The leaves of a log, one after the other, against its checkpoints and its stored hashes. */
export class LogCheck {
  readonly #source: LogSource;
  readonly #keys: readonly VerifierKey[];
  readonly #purged: (seq: number) => boolean;
  readonly #frontier: Frontier;
  readonly #begin: number;
  readonly #own: OwnEvents;
  readonly #streams = new Map<string, { seq: number; streamSeq: number; hash: Buffer }>();
  readonly #keep: ((node: KeptNode) => void) | undefined;
  readonly #nodes: KeptNode[] = [];
  #checkpoints: AsyncIterator<KeptCheckpoint> | undefined;
  #nextCheckpoint: KeptCheckpoint | undefined;
  #suspicion: Suspicion | undefined;
  /** Sizes up to which roots were right. */
  #proven: number;
  signed = 0;
  purgedSeen = 0;
  missingSeen = 0;

  constructor(source: LogSource, keys: readonly VerifierKey[], own: OwnEvents, frontier = new Frontier()) {
    this.#source = source;
    this.#own = own;
    this.#keep = source.hashes && ((node) => this.#nodes.push(node));
    this.#keys = keys;
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
    this.#checkpoints = this.#source.checkpoints()[Symbol.asyncIterator]();
    await this.#advance();
    const early = await this.#checkpointsHere();
    if (early) return early;
    for await (const leaves of this.#source.leaves(this.#begin, size)) {
      for (const leaf of leaves) {
        let before: Predecessor | undefined = this.#streams.get(leaf.stream);
        if (!before && this.#begin > 0) before = await this.#before(leaf);
        const found = this.#take(leaf, before) ?? this.#pastSearch();
        if (found) return found;
        if (this.#atCheckpoint()) {
          const wrong = await this.#checkpointsHere();
          if (wrong) return wrong;
        }
      }
      const found = await this.#compareNodes();
      if (found) this.#suspect(found);
      onProgress(this.#frontier.size);
    }
    if (this.#suspicion) return this.#suspicion.finding;
    if (this.#frontier.size < size) return missing(this.#frontier.size, `one of ${size}`);
    const invented = this.#own.unseen(this.#begin);
    if (invented) return invented;
    const beyond = this.#nextCheckpoint;
    if (!beyond) return undefined;
    const checked = this.#checkNote(beyond);
    return "field" in checked ? checked : missing(size, `one of ${checked.size}, as a checkpoint says`);
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

  #atCheckpoint(): boolean {
    const next = this.#nextCheckpoint;
    return next !== undefined && (next.size === undefined || next.size <= this.#frontier.size);
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
    for (let kept = this.#nextCheckpoint; kept; kept = this.#nextCheckpoint) {
      const size = kept.size ?? sizeOf(kept.note);
      if (size !== undefined && size > this.#frontier.size) return undefined;
      await this.#advance();
      // Those before the beginning are checked by whoever begins there.
      if (size !== undefined && size < this.#begin) continue;
      const root = this.#frontier.root();
      // One from outside that says what is here needs nobody's word.
      if (kept.from !== undefined && size === this.#frontier.size && kept.root?.equals(root)) continue;
      const checked = this.#checkNote(kept);
      if ("field" in checked) return this.#suspicion?.finding ?? checked;
      if (checked.size !== this.#frontier.size || !checked.root.equals(root)) {
        this.#suspect({
          seq: this.#proven,
          field: `root of events ${this.#proven} to ${checked.size - 1}`,
          expected: checked.root.toString("base64"),
          found: root.toString("base64"),
        });
        continue;
      }
      if (this.#suspicion) continue;
      this.#proven = checked.size;
      this.signed += 1;
    }
    return undefined;
  }

  /** Signature, and that the table says the same as the note. */
  #checkNote(kept: KeptCheckpoint): SignedCheckpoint | Finding {
    const checked = checkNote(kept, this.#keys, this.#proven);
    if (kept.from === undefined || !("field" in checked)) return checked;
    throw new CannotCheck(
      `${kept.from}: checkpoint ${kept.size} is not signed by a key of this log, it says nothing`,
    );
  }

  async #compareNodes(): Promise<Finding | undefined> {
    const { hashes } = this.#source;
    const made = this.#nodes.splice(0).sort((a, b) => a.level - b.level || a.index - b.index);
    if (!hashes) return undefined;
    for (let at = 0; at < made.length; ) {
      const { level, index } = made[at] ?? { level: 0, index: 0 };
      let end = at + 1;
      while (made[end]?.level === level) end += 1;
      const stored = await keptHashes(hashes, level, index, end - at);
      for (let place = at; place < end; place++) {
        const node = made[place];
        const kept = stored[place - at];
        if (node && !kept?.equals(node.hash)) {
          const leaves = 2 ** (KEPT_HEIGHT * level);
          return {
            seq: node.index * leaves,
            field: `hash of events ${node.index * leaves} to ${(node.index + 1) * leaves - 1}`,
            expected: kept?.toString("hex") ?? "there",
            found: kept ? node.hash.toString("hex") : "missing",
          };
        }
      }
      at = end;
    }
    return undefined;
  }

  async #advance(): Promise<void> {
    const next = await this.#checkpoints?.next();
    this.#nextCheckpoint = next?.done ? undefined : next?.value;
  }
}

/** @param proven last size that was proven: what a wrong note could have vouched for begins there */
export function checkNote(
  { note, size, root }: KeptCheckpoint,
  keys: readonly VerifierKey[],
  proven: number,
): SignedCheckpoint | Finding {
  const bad = (field: string, expected: string, found: string): Finding => ({
    seq: proven,
    field,
    expected,
    found,
  });
  let checkpoint: SignedCheckpoint;
  try {
    checkpoint = readCheckpoint(note);
  } catch {
    return bad(`checkpoint ${size ?? ""}`.trim(), "a signed note", "something else");
  }
  const name = `checkpoint ${checkpoint.size}`;
  const signer = signerOf(checkpoint.note, keys);
  if (!signer)
    return bad(
      `signature of ${name}`,
      `by ${keys.map((key) => `${key.name}+${key.id}`).join(" or ")}`,
      "by nobody trusted",
    );
  if (signer.name !== checkpoint.origin)
    return bad(`origin of ${name}`, signer.name, checkpoint.origin.slice(0, 200));
  if (size !== undefined && size !== checkpoint.size)
    return bad(`size of ${name}`, String(checkpoint.size), String(size));
  if (root && !root.equals(checkpoint.root))
    return bad(`root of ${name}`, checkpoint.root.toString("base64"), root.toString("base64"));
  return checkpoint;
}

/** Those that are there; undefined in the place of each that is not. */
async function keptHashes(
  log: LogHashes,
  level: number,
  index: number,
  count: number,
): Promise<readonly (Buffer | undefined)[]> {
  try {
    return await log.hashes(level, index, count);
  } catch (error) {
    if (!(error instanceof MissingHash)) throw error;
    if (count === 1) return [undefined];
    const half = Math.ceil(count / 2);
    return [
      ...(await keptHashes(log, level, index, half)),
      ...(await keptHashes(log, level, index + half, count - half)),
    ];
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
