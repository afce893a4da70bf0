import { setImmediate } from "node:timers/promises";
import type {
  ArchiveStore,
  IntakeRow,
  NewLeaf,
  SealedBatch,
  StoredCheckpoint,
  StreamHead,
} from "./archive-ports.ts";
import { takeApart } from "./log/content.ts";
import { Frontier, type KeptNode } from "./log/frontier.ts";
import { leafHash } from "./log/hashes.ts";
import { makeSalts, writeLeaf } from "./log/leaf.ts";
import { type VerifierKey, writeVerifierKey } from "./log/note.ts";
import { rangeHash, readPeaks } from "./log/proofs.ts";
import { ARCHIVE_STREAM, KEY_ROTATE, readRotation } from "./log/rotation.ts";

/** What is to be done with a page of waiting events. */
export interface Prepared {
  readonly batch: SealedBatch;
  /** Of events that came before one that must be sealed first. */
  readonly waiting: readonly { readonly row: IntakeRow; readonly missing: number }[];
  /** Ids of events whose number is sealed already. */
  readonly repeats: readonly string[];
  /** The log's right edge behind the batch. */
  readonly frontier: Frontier;
}

/** Events made into leaves before other work has its turn. */
const atOnce = 32;

/**
 * The log in the hand of whoever has its lease: its right edge and the heads of its streams, in memory. What is prepared builds on
 * what was prepared before it, in the database or not: when a batch does not get there, the whole of this must be thrown away.
 */
export class OpenLog {
  readonly #store: ArchiveStore;
  readonly #maxHeads: number;
  /** Of what is in the database. */
  #frontier: Frontier;
  /** Of all that is prepared, as are the heads. */
  #edge: Frontier;
  #lastStreamId: number;
  #heads = new Map<string, StreamHead>();
  /** Prepared and not in the database yet, in their order. */
  readonly #ahead: Prepared[] = [];
  #last: StoredCheckpoint | undefined;
  /** Number of the event that changed a key, by the key. */
  readonly #changedKeys = new Map<string, number>();
  /** From there on events that change keys may be in the database that are not among these. */
  #unread: number | undefined = 0;

  private constructor(
    store: ArchiveStore,
    frontier: Frontier,
    lastStreamId: number,
    last: StoredCheckpoint | undefined,
    maxHeads: number,
  ) {
    this.#store = store;
    this.#maxHeads = maxHeads;
    this.#frontier = frontier;
    this.#edge = frontier;
    this.#lastStreamId = lastStreamId;
    this.#last = last;
  }

  /** @param maxHeads streams whose heads are kept in memory */
  static async open(store: ArchiveStore, maxHeads = 50_000): Promise<OpenLog> {
    const size = await store.size();
    const frontier = new Frontier(size, await readPeaks(store, size));
    return new OpenLog(store, frontier, await store.lastStreamId(), await store.lastCheckpoint(), maxHeads);
  }

  /**
   * Why nothing may be appended: the log is not the one of its last checkpoint any more, or of one that was kept outside of the
   * database: who can write there alone can take checkpoints away together with what they vouch for.
   */
  async doubt(kept: readonly Pick<StoredCheckpoint, "size" | "root">[]): Promise<string | undefined> {
    // Somebody may have put it right, or wrong, since it was opened: what is vouched for must be what is built on.
    if (this.size > 0 && !(await rangeHash(this.#store, 0, this.size)).equals(this.root()))
      return `the first ${this.size} events were changed while they were read`;
    const ours = (this.#last ? [this.#last] : []).map((one) => [one, "its last checkpoint"] as const);
    const others = kept.map((one) => [one, "a checkpoint kept outside of the database"] as const);
    for (const [checkpoint, whose] of [...ours, ...others]) {
      const why = await this.#differs(checkpoint, whose);
      if (why !== undefined) return why;
    }
    return undefined;
  }

  async #differs(
    { size, root }: Pick<StoredCheckpoint, "size" | "root">,
    whose: string,
  ): Promise<string | undefined> {
    if (size > this.size) return `the archive has ${this.size} events, ${whose} ${size}`;
    const found = await rangeHash(this.#store, 0, size);
    return found.equals(root) ? undefined : `the first ${size} events are not those of ${whose}`;
  }

  /** Events in the database. */
  get size(): number {
    return this.#frontier.size;
  }

  get last(): StoredCheckpoint | undefined {
    return this.#last;
  }

  /** A checkpoint of this log was saved. */
  noteCheckpoint(checkpoint: StoredCheckpoint): void {
    this.#last = checkpoint;
  }

  root(): Buffer {
    return this.#frontier.root();
  }

  /** Number of the event that has put another key in the place of this one. It must not sign what reaches over that event. */
  async changedBy(key: VerifierKey): Promise<number | undefined> {
    return (await this.#changes()).get(writeVerifierKey(key));
  }

  /** Whether a key was changed since the last checkpoint. */
  async hasChangedKey(): Promise<boolean> {
    const signed = this.#last?.size ?? 0;
    return [...(await this.#changes()).values()].some((seq) => seq >= signed);
  }

  async #changes(): Promise<ReadonlyMap<string, number>> {
    if (this.#unread === undefined) return this.#changedKeys;
    const from = this.#unread;
    for (const { body, seq } of await this.#store.ownEvents(KEY_ROTATE, from)) {
      const rotation = readRotation(body);
      const key = rotation && writeVerifierKey(rotation.oldKey);
      if (key !== undefined && !this.#changedKeys.has(key)) this.#changedKeys.set(key, seq);
    }
    if (this.#unread === from) this.#unread = undefined;
    return this.#changedKeys;
  }

  isSealed(stream: string, streamSeq: number): boolean {
    return (this.#heads.get(stream)?.lastSeq ?? 0) >= streamSeq;
  }

  /** Makes the leaves of all that can follow what is prepared. Only what is accepted counts for size, root and checkpoints. */
  async prepare(rows: readonly IntakeRow[]): Promise<Prepared> {
    await this.#learn(rows);
    const frontier = this.#edge.copy();
    const heads = new Map<string, StreamHead>();
    const leaves: NewLeaf[] = [];
    const nodes: KeptNode[] = [];
    const repeats: string[] = [];
    let lastStreamId = this.#lastStreamId;
    let left: IntakeRow[] = [...rows];
    // What one stream has in wrong order becomes ready when the one before it is taken: as many rounds as that needs.
    for (let took = -1; took !== leaves.length; ) {
      took = leaves.length;
      const waiting: IntakeRow[] = [];
      for (const [place, row] of inStreamOrder(left).entries()) {
        // Whoever writes the page before goes on meanwhile.
        if (place % atOnce === atOnce - 1) await setImmediate();
        const head = heads.get(row.stream) ?? this.#heads.get(row.stream);
        const lastSeq = head?.lastSeq ?? 0;
        if (row.streamSeq <= lastSeq) repeats.push(row.eventId);
        else if (row.streamSeq > lastSeq + 1) waiting.push(row);
        else {
          const id = head?.id ?? ++lastStreamId;
          const made = makeLeaf(row, frontier.size, id, head);
          frontier.append(made.hash, (node) => nodes.push(node));
          leaves.push(made);
          heads.set(row.stream, { id, lastSeq: row.streamSeq, lastLeaf: made.hash });
        }
      }
      left = waiting;
    }
    const waiting = left.map((row) => ({
      row,
      missing: ((heads.get(row.stream) ?? this.#heads.get(row.stream))?.lastSeq ?? 0) + 1,
    }));
    const batch = { leaves, nodes, heads: [...heads].map(([name, head]) => ({ name, ...head })) };
    const prepared: Prepared = { batch, waiting, repeats, frontier };
    this.#edge = frontier;
    this.#lastStreamId = lastStreamId;
    for (const [name, head] of heads) this.#heads.set(name, head);
    if (leaves.length > 0) this.#ahead.push(prepared);
    return prepared;
  }

  /** The batch is in the database. @throws when it is not the next one */
  accept(prepared: Prepared): void {
    if (this.#ahead[0] !== prepared) throw new Error("a batch that is not the next one of the log");
    this.#ahead.shift();
    this.#frontier = prepared.frontier;
    if (prepared.batch.heads.some(({ name }) => name === ARCHIVE_STREAM))
      this.#unread ??= prepared.batch.leaves[0]?.seq;
  }

  async #learn(rows: readonly IntakeRow[]): Promise<void> {
    if (this.#heads.size > this.#maxHeads) {
      this.#heads.clear();
      // The database does not know these yet.
      for (const { batch } of this.#ahead)
        for (const { name, ...head } of batch.heads) this.#heads.set(name, head);
    }
    const unknown = new Set(rows.map(({ stream }) => stream).filter((stream) => !this.#heads.has(stream)));
    if (unknown.size === 0) return;
    for (const [name, head] of await this.#store.heads([...unknown])) this.#heads.set(name, head);
  }
}

/** As they came, but each stream's own in the order of its numbers: they take the places that the stream has in the page. */
function inStreamOrder(rows: readonly IntakeRow[]): IntakeRow[] {
  const byStream = new Map<string, IntakeRow[]>();
  for (const row of rows) {
    const own = byStream.get(row.stream);
    if (own) own.push(row);
    else byStream.set(row.stream, [row]);
  }
  for (const own of byStream.values()) own.sort((a, b) => b.streamSeq - a.streamSeq);
  return rows.map(({ stream }) => byStream.get(stream)?.pop()).filter((row) => row !== undefined);
}

function makeLeaf(row: IntakeRow, seq: number, streamId: number, head: StreamHead | undefined): NewLeaf {
  const content = takeApart(row);
  const salts = makeSalts(content.parts.length);
  const leaf = writeLeaf({ seq, streamPrev: head?.lastLeaf ?? null }, content, salts);
  const hash = leafHash(Buffer.from(leaf, "latin1"));
  return { seq, eventId: row.eventId, streamId, streamSeq: row.streamSeq, hash, leaf, salts };
}
