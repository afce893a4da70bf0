import { setTimeout as pause } from "node:timers/promises";
import type { Clock } from "../../ports.ts";
import { type AcceptedMessages, messagesByStream } from "../acceptance.ts";
import { type Lease, LeaseLost } from "../ports.ts";
import { balancePage } from "./balance.ts";
import type {
  Books,
  Compared,
  Difference,
  ReconcileWatch,
  Reconciliation,
  SealedHead,
  StreamCount,
} from "./ports.ts";
import { NOTHING_COMPARED, RoomFold } from "./room-fold.ts";

export interface ReconcilerOptions {
  /** 1 hour when absent. */
  readonly intervalMs?: number;
  readonly leaseMs?: number;
  /** How long is waited for what is about to be sealed, before something that does not fit is a difference. */
  readonly settleMs?: number;
}

const roomsPerPage = 2_000;
const eventsPerPage = 500;
/** With more on their way the archive is behind: the balance waits until it has caught up. */
const maxPending = 100_000;
const maxOrphans = 1_000;
const settleSteps = 4;

/**
 * Compares what the chat has recorded with what the archive has, every hour and incrementally. Nothing is locked: an event only ever
 * goes forward, from the chat's count to the outbox, the intake, the log; so whoever reads in that order meets each of them at least
 * once. Sealed events never change, and the chat's messages are looked at after them: what a message has become since is said by
 * events that are sealed a moment later.
 */
export class Reconciler {
  readonly #books: Books;
  readonly #watch: ReconcileWatch;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #holder: string;
  readonly #intervalMs: number;
  readonly #leaseMs: number;
  readonly #settleMs: number;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<Reconciliation | undefined> | undefined;
  #stopped = false;
  #renewedMs = 0;
  #looked = 0;

  constructor(
    books: Books,
    watch: ReconcileWatch,
    clock: Pick<Clock, "monotonicMs">,
    holder: string,
    options: ReconcilerOptions = {},
  ) {
    this.#books = books;
    this.#watch = watch;
    this.#clock = clock;
    this.#holder = holder;
    this.#intervalMs = options.intervalMs ?? 3_600_000;
    this.#leaseMs = options.leaseMs ?? 60_000;
    this.#settleMs = options.settleMs ?? 2_000;
  }

  /** The time of the last comparison is in the database: neither a restart nor a second worker changes the rhythm. */
  start(): void {
    const look = async () => {
      try {
        const since = await this.#books.sinceLast();
        // Begun after it was told to stop, it would leave its lease behind.
        if (!this.#stopped && (since ?? Infinity) >= this.#intervalMs) await this.reconcile();
      } catch (error) {
        this.#watch.trouble(error);
      }
      if (!this.#stopped) this.#timer = setTimeout(() => void look(), Math.min(this.#intervalMs / 4, 30_000));
    };
    void look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running?.catch(() => undefined);
  }

  /**
   * Compares now, or joins the comparison under way. @param whole everything from the beginning, not only what is new
   * @returns undefined while somebody else compares. @throws what the database said
   */
  reconcile(whole = false): Promise<Reconciliation | undefined> {
    this.#running ??= this.#underLease(whole).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #underLease(whole: boolean): Promise<Reconciliation | undefined> {
    const lease = await this.#books.takeLease(this.#holder, this.#leaseMs);
    if (!lease) return undefined;
    this.#renewedMs = this.#clock.monotonicMs();
    try {
      return await this.#compare(lease, whole);
    } catch (error) {
      if (error instanceof LeaseLost) return undefined;
      throw error;
    } finally {
      await this.#books.releaseLease(lease).catch((error: unknown) => this.#watch.trouble(error));
    }
  }

  async #compare(lease: Lease, whole: boolean): Promise<Reconciliation> {
    const beganMs = this.#clock.monotonicMs();
    this.#looked = 0;
    const before = await this.#books.differences();
    // A room that did not fit is compared from its beginning until it does.
    const again = new Set(before.filter(({ what }) => isOfMessages(what)).map(({ stream }) => stream));
    const accepted = messagesByStream(await this.#books.accepted());
    const sum = { streams: 0, committed: 0, sealed: 0, pending: 0, rooms: 0, messages: 0 };
    const found: Difference[] = [];
    const postponed = new Set<string>();
    for await (const counts of this.#pages()) {
      await this.#renew(lease);
      const waiting = await this.#books.pending(maxPending);
      const heads = await this.#books.heads(counts.map(({ stream }) => stream));
      if (!waiting) postponed.add(`more than ${maxPending} events are on their way to the archive`);
      else balancePage(counts, waiting, heads, sum, found);
      await this.#lookForSurplus(counts, heads, found);
      await this.#closeEnded(lease, counts, heads);
      const compared = whole ? new Map<string, Compared>() : await this.#books.compared([...heads.keys()]);
      for (const stream of again) compared.delete(stream);
      for (const count of counts) {
        if (this.#stopped) postponed.add("the worker was stopped");
        const head = heads.get(count.stream);
        if (this.#stopped || count.roomId === undefined || !head) continue;
        const { stream } = count;
        const known = { accepted: accepted.get(stream), compared: compared.get(stream) };
        const whether = await this.#compareRoom(lease, count, head, known, found);
        sum.rooms += whether.compared ? 1 : 0;
        sum.messages += whether.messages;
        if (!whether.settled) postponed.add("what is said in some rooms is not sealed yet");
      }
    }
    await this.#lookAtOrphans(lease, found);
    const result: Reconciliation = {
      tookMs: Math.round(this.#clock.monotonicMs() - beganMs),
      whole,
      ...sum,
      differences: found.length,
      postponed: postponed.size === 0 ? null : [...postponed].join("; "),
    };
    await this.#books.conclude(lease, result, found);
    this.#tell(before, found, result);
    return result;
  }

  async *#pages(): AsyncIterable<StreamCount[]> {
    yield await this.#books.otherCounts();
    for (let after = 0; !this.#stopped; ) {
      const page = await this.#books.roomCounts(after, roomsPerPage);
      if (page.length > 0) yield page;
      if (page.length < roomsPerPage) return;
      after = page.at(-1)?.roomId ?? after;
    }
  }

  /** Sealed, and never counted by the chat, which counts first: somebody else wrote it. */
  async #lookForSurplus(
    counts: readonly StreamCount[],
    heads: ReadonlyMap<string, SealedHead>,
    found: Difference[],
  ): Promise<void> {
    const suspects = counts.filter(({ stream, committed }) => (heads.get(stream)?.lastSeq ?? 0) > committed);
    if (suspects.length === 0) return;
    const others = new Map((await this.#books.otherCounts()).map((count) => [count.stream, count.committed]));
    for (const { stream, roomId } of suspects) {
      const last = heads.get(stream)?.lastSeq ?? 0;
      const counted = roomId === undefined ? others.get(stream) : (await this.#books.room(roomId))?.lastEvent;
      if (counted !== undefined && counted < last)
        found.push({ what: "surplus", stream, first: counted + 1, last });
    }
  }

  async #closeEnded(
    lease: Lease,
    counts: readonly StreamCount[],
    heads: ReadonlyMap<string, SealedHead>,
  ): Promise<void> {
    const closed = counts.filter(
      ({ stream, committed, ended }) => ended && heads.get(stream)?.lastSeq === committed,
    );
    const names = closed.map(({ stream }) => stream);
    if (names.length > 0) await this.#books.close(lease, names);
  }

  async #compareRoom(
    lease: Lease,
    { stream, roomId = 0, committed, beforeArchive = 0 }: StreamCount,
    { streamId, lastSeq }: SealedHead,
    known: { accepted: AcceptedMessages | undefined; compared: Compared | undefined },
    found: Difference[],
  ): Promise<{ compared: boolean; settled: boolean; messages: number }> {
    const start = known.compared ?? { ...NOTHING_COMPARED, number: beforeArchive };
    if (start.eventSeq >= lastSeq && start.eventSeq >= committed)
      return { compared: false, settled: true, messages: 0 };
    const fold = new RoomFold(stream, start, known.accepted);
    await this.#fold(lease, fold, streamId, roomId);
    let room = await this.#books.room(roomId);
    // What does not fit may be a moment younger than the last sealed event.
    for (let step = 0; step < settleSteps && room && mayFitSoon(fold, room.lastEvent); step++) {
      await pause(this.#settleMs / settleSteps);
      await this.#fold(lease, fold, streamId, roomId);
      room = await this.#books.room(roomId);
    }
    const messages = fold.compared.messages - start.messages;
    if (!room) return { compared: false, settled: true, messages: 0 }; // deleted meanwhile
    const isWhole = fold.compared.eventSeq >= room.lastEvent;
    if (fold.open.length > 0 && !isWhole) return { compared: true, settled: false, messages };
    const now = await this.#books.messages(roomId, fold.open);
    found.push(...fold.differences(now, isWhole && !room.isFilling ? room.lastNumber : undefined));
    await this.#books.saveCompared(lease, stream, fold.compared);
    return { compared: true, settled: true, messages };
  }

  /** Everything that is sealed by now, compared page by page. */
  async #fold(lease: Lease, fold: RoomFold, streamId: number, roomId: number): Promise<void> {
    for (;;) {
      await this.#renew(lease);
      const facts = await this.#books.archived(streamId, fold.compared.eventSeq, eventsPerPage);
      for (const fact of facts) fold.add(fact);
      this.#looked += facts.length;
      this.#watch.looked?.(this.#looked);
      if (fold.open.length > 0) fold.see(await this.#books.messages(roomId, fold.open));
      if (facts.length < eventsPerPage) return;
    }
  }

  async #lookAtOrphans(lease: Lease, found: Difference[]): Promise<void> {
    const orphans = await this.#books.orphanStreams(maxOrphans);
    const waiting = await this.#books.pending(maxPending);
    const closed: string[] = [];
    for (const { stream, lastSeq, saysDeleted } of orphans) {
      if (saysDeleted) closed.push(stream);
      else if (waiting && !waiting.some((row) => row.stream === stream))
        found.push({ what: "missing", stream, first: lastSeq + 1, last: lastSeq + 1 });
    }
    if (closed.length > 0) await this.#books.close(lease, closed);
  }

  async #renew(lease: Lease): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#renewedMs < this.#leaseMs / 3) return;
    await this.#books.renewLease(lease, this.#leaseMs);
    this.#renewedMs = nowMs;
  }

  #tell(before: readonly Difference[], now: readonly Difference[], result: Reconciliation): void {
    const keys = (list: readonly Difference[]) => new Set(list.map(keyOf));
    const [were, are] = [keys(before), keys(now)];
    for (const difference of now) if (!were.has(keyOf(difference))) this.#watch.difference(difference);
    for (const difference of before) if (!are.has(keyOf(difference))) this.#watch.settled(difference);
    this.#watch.reconciled(result);
  }
}

function isOfMessages(what: Difference["what"]): boolean {
  return what !== "missing" && what !== "surplus";
}

function mayFitSoon(fold: RoomFold, lastEvent: number): boolean {
  return fold.open.length > 0 && fold.compared.eventSeq < lastEvent;
}

function keyOf({ what, stream, first }: Difference): string {
  return `${what} ${stream} ${first}`;
}
