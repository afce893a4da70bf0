import type { Clock } from "../../ports.ts";
import type { Signer } from "../log/note.ts";
import {
  beginOf,
  type Day,
  DaySum,
  dayOf,
  endOf,
  type SealedLeaf,
  type Standing,
  type Statement,
  signStatement,
  statementBody,
} from "./statement.ts";

export interface StoredStatement {
  readonly day: Day;
  readonly to: number;
  readonly body: string;
  /** Null: nobody could sign. */
  readonly note: string | null;
}

/** What a statement is made of. */
export interface StatementStore {
  /** The largest checkpoint from before that moment. */
  checkpointBefore(ms: number): Promise<{ readonly size: number; readonly root: Buffer } | undefined>;
  /** True when a checkpoint from that moment or later exists: nothing more comes from before it. */
  isSignedBeyond(ms: number): Promise<boolean>;
  leaves(from: number, to: number): AsyncIterable<readonly SealedLeaf[]>;
  names(streamIds: readonly number[]): Promise<Map<number, { stream: string; name: string | null }>>;
  standing(nowMs: number): Promise<Standing>;
  statement(day: Day): Promise<StoredStatement | undefined>;
  last(): Promise<StoredStatement | undefined>;
  /** The first one stands. */
  save(statement: StoredStatement & { readonly from: number; readonly madeMs: number }): Promise<void>;
}

type OnProgress = (done: number, all: number) => void;

interface Making {
  readonly final: boolean;
  readonly nowMs: number;
  readonly onProgress: OnProgress;
}

const MAX_DAYS = 31;
/** After midnight: the last events of the day are sealed and signed by then. */
const AFTERWARDS_MS = 5 * 60_000;
const LOOK_MS = 10 * 60_000;

/** Makes the statement of each day once it is over, and of any day on request. */
export class StatementMaker {
  readonly #store: StatementStore;
  readonly #signer: () => Promise<Signer>;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #onError: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(
    store: StatementStore,
    signer: () => Promise<Signer>,
    clock: Pick<Clock, "nowMs">,
    onError: (error: unknown) => void,
  ) {
    this.#store = store;
    this.#signer = signer;
    this.#clock = clock;
    this.#onError = onError;
  }

  start(): void {
    const look = () => {
      this.#running ??= this.makeDue()
        .catch(this.#onError)
        .finally(() => {
          this.#running = undefined;
        });
    };
    this.#timer = setInterval(look, LOOK_MS);
    this.#timer.unref();
    look();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  /** Statements of days that are over and have none: since the last one there is, or of yesterday. */
  async makeDue(): Promise<void> {
    const nowMs = this.#clock.nowMs() - AFTERWARDS_MS;
    const yesterday = dayOf(nowMs - 86_400_000);
    const last = await this.#store.last();
    const oldest = beginOf(yesterday) - (MAX_DAYS - 1) * 86_400_000;
    const from = last ? Math.max(endOf(last.day), oldest) : beginOf(yesterday);
    for (let ms = from; ms <= beginOf(yesterday); ms += 86_400_000) await this.of(dayOf(ms));
  }

  /**
   * The statement of a day: the one that was made, or made now; stored when the day is over.
   * @param onProgress told how many of the day's events were read, and how many there are
   * @returns undefined for a day that has not begun
   */
  async of(day: Day, onProgress: OnProgress = () => {}): Promise<StoredStatement | undefined> {
    const nowMs = this.#clock.nowMs();
    if (beginOf(day) > nowMs) return undefined;
    const known = await this.#store.statement(day);
    if (known) return known;
    const isOver = endOf(day) <= nowMs;
    const final =
      isOver && ((await this.#store.isSignedBeyond(endOf(day))) || nowMs > endOf(day) + AFTERWARDS_MS);
    const made = await this.#make(day, { final, nowMs, onProgress });
    if (!final) return made;
    await this.#store.save(made);
    return (await this.#store.statement(day)) ?? made;
  }

  async #make(day: Day, { final, nowMs, onProgress }: Making) {
    const before = await this.#store.statement(dayOf(beginOf(day) - 1));
    const from = before?.to ?? (await this.#store.checkpointBefore(beginOf(day)))?.size ?? 0;
    const checkpoint = await this.#store.checkpointBefore(endOf(day));
    const to = Math.max(from, checkpoint?.size ?? 0);
    const sum = new DaySum();
    let done = 0;
    for await (const leaves of this.#store.leaves(from, to)) {
      for (const leaf of leaves) sum.add(leaf);
      done += leaves.length;
      onProgress(done, to - from);
    }
    const statement: Statement = {
      v: 1,
      day,
      final,
      from,
      to,
      root: checkpoint?.root.toString("base64") ?? "",
      streams: sum.statements(await this.#store.names(sum.streamIds)),
      standing: await this.#store.standing(nowMs),
    };
    const note = await signStatement(statement, await this.#signer());
    return { day, from, to, madeMs: nowMs, body: statementBody(statement), note };
  }
}
