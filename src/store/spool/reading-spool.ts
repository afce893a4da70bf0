import { ChatError } from "../../chat/errors.ts";
import { historyReading, type Reading, type SpooledReading, searchReadings } from "../../chat/reading.ts";
import { sessionOf } from "../../chat/session-digest.ts";
import type { Clock, Recorder } from "../../ports.ts";
import type { ReadingRecords, SpoolJournal } from "../../reading-ports.ts";
import type { Incarnation } from "../../sip/dialog.ts";
import { LinesLeftError, SpoolFile } from "./spool-file.ts";
import { encodeLine } from "./spool-line.ts";

/** What was spooled goes into the journal this much later, all that is there by then. */
const DRAIN_MS = 250;
const DRAIN_AGAIN_MS = 1_000;
const BATCH = 250;
const BATCH_BYTES = 1_000_000;
/** The next file begins then. */
const FILE_BYTES = 1_000_000;
/** A disk that refused is tried again after this. */
const DISK_AGAIN_MS = 5_000;

interface ReadingSpoolPorts {
  /** Created when it is needed. */
  readonly folder: string;
  readonly life: Incarnation;
  /** Identifies the database. */
  readonly store: string;
  readonly journal: SpoolJournal;
  readonly clock: Clock;
  /** What may wait to be recorded; beyond it every reading is recorded first. */
  readonly most: { readonly entries: number; readonly bytes: number };
  /** Why readings of buffered categories are recorded first for now; undefined: they are spooled again. */
  readonly onStrict: (why: string | undefined) => void;
  readonly onError: (error: unknown, what: string) => void;
}

interface Held {
  readonly spooled: SpooledReading;
  readonly bytes: number;
}

interface Pending extends Held {
  readonly line: Buffer;
  /** False: it is not in the spool. */
  readonly resolve: (isSpooled: boolean) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Records of readings. Those of rooms whose category is `buffered` are on this node's disk before the answer leaves, all that wait
 * sharing one fdatasync, and in the journal within a second. Everything else, and those too while the spool cannot take them, is
 * recorded first.
 */
export class ReadingSpool implements ReadingRecords {
  readonly #ports: ReadingSpoolPorts;
  #number = 0;
  #pending: Pending[] = [];
  #writing: Promise<void> | undefined;
  /** On the disk and not on record, in the order of their numbers. */
  readonly #waiting: Held[] = [];
  #draining: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStuck = false;
  #file: SpoolFile | undefined;
  #files = 0;
  /** Written to no more; each goes when its last number is on record. */
  readonly #full: SpoolFile[] = [];
  #held = { entries: 0, bytes: 0 };
  #isFull = false;
  #diskAgainMs = Number.NEGATIVE_INFINITY;
  #why: string | undefined;
  #closed = false;

  constructor(ports: ReadingSpoolPorts) {
    this.#ports = ports;
  }

  read(...[by, room, span]: Parameters<ReadingRecords["read"]>): Promise<void> {
    const strictly = () => this.#ports.journal.read(by, room, span);
    return room.reading === "buffered" ? this.#spool(by, [historyReading(room, span)], strictly) : strictly();
  }

  searched(...[by, criteria, rooms]: Parameters<ReadingRecords["searched"]>): Promise<void> {
    const strictly = () => this.#ports.journal.searched(by, criteria, rooms);
    const isBuffered = rooms.every(({ room }) => room.reading === "buffered");
    return isBuffered ? this.#spool(by, searchReadings(criteria, rooms), strictly) : strictly();
  }

  /** What is not on record yet, and since when. */
  get figures(): { readonly entries: number; readonly oldestMs: number } {
    const [oldest] = this.#waiting;
    const nowMs = this.#ports.clock.nowMs();
    return {
      entries: this.#held.entries,
      oldestMs: oldest ? Math.max(0, nowMs - oldest.spooled.atMs) : 0,
    };
  }

  /** Spools nothing more and records what waits; what cannot be recorded stays on the disk for the next life. */
  async stop(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    clearTimeout(this.#timer);
    await this.#draining;
    await this.#drain();
    await this.#closeFile();
    if (this.#waiting.length === 0) await this.#removeFiles(this.#number);
  }

  async #spool(by: Recorder, readings: readonly Reading[], strictly: () => Promise<void>): Promise<void> {
    const { id, uri, displayName, email } = by.user;
    const spooled: SpooledReading = {
      number: this.#number + 1,
      atMs: this.#ports.clock.nowMs(),
      session: sessionOf(by.token),
      user: { id, uri, displayName, email },
      readings,
    };
    const line = encodeLine(spooled);
    if (!line || !this.#takes(line.length)) return strictly();
    this.#number += 1;
    this.#hold(1, line.length);
    const isSpooled = await new Promise<boolean>((resolve, reject) => {
      this.#pending.push({ spooled, bytes: line.length, line, resolve, reject });
      // A microtask later: what is read in one go shares the first fdatasync too.
      this.#writing ??= Promise.resolve().then(() => this.#write());
    });
    if (!isSpooled) await strictly();
  }

  #takes(bytes: number): boolean {
    if (this.#closed || this.#ports.clock.monotonicMs() < this.#diskAgainMs) return false;
    const { most } = this.#ports;
    const part = this.#isFull ? 0.5 : 1; // once full it is left alone until it is half empty
    this.#isFull =
      this.#held.entries + 1 > most.entries * part || this.#held.bytes + bytes > most.bytes * part;
    if (this.#isFull) this.#say("the spool is full: the database does not take what is in it");
    return !this.#isFull;
  }

  async #write(): Promise<void> {
    while (this.#pending.length > 0) {
      const group = this.#pending;
      this.#pending = [];
      try {
        const file = await this.#openFile();
        await file.append(Buffer.concat(group.map(({ line }) => line)), group.at(-1)?.spooled.number ?? 0);
        this.#waiting.push(...group.map(({ spooled, bytes }) => ({ spooled, bytes })));
        if (!this.#isFull) this.#say(undefined);
        for (const { resolve } of group) resolve(true);
        this.#drainAfter(DRAIN_MS);
      } catch (error) {
        await this.#refuse(group, error);
      }
    }
    this.#writing = undefined;
  }

  async #openFile(): Promise<SpoolFile> {
    if (this.#file && this.#file.bytes > FILE_BYTES) await this.#closeFile();
    if (this.#file) return this.#file;
    this.#files += 1;
    const { folder, life, store } = this.#ports;
    this.#file = await SpoolFile.create(folder, life, this.#files, store);
    return this.#file;
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (!file) return;
    this.#full.push(file);
    await file.close();
  }

  /** The spool has failed: they are recorded strictly, or not answered when they may be on the disk all the same. */
  async #refuse(group: readonly Pending[], error: unknown): Promise<void> {
    this.#diskAgainMs = this.#ports.clock.monotonicMs() + DISK_AGAIN_MS;
    this.#say(error instanceof Error ? error.message : String(error));
    await this.#closeFile().catch((failure: unknown) => this.#ports.onError(failure, "closing the spool"));
    for (const { bytes, resolve, reject } of group) {
      this.#hold(-1, -bytes);
      if (error instanceof LinesLeftError) reject(new ChatError("STORE_DOWN", { cause: error }));
      else resolve(false);
    }
  }

  #drainAfter(ms: number): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#draining = this.#drain().finally(() => {
        this.#timer = undefined;
        if (this.#waiting.length > 0) this.#drainAfter(this.#isStuck ? DRAIN_AGAIN_MS : DRAIN_MS);
      });
    }, ms).unref();
  }

  async #drain(): Promise<void> {
    const { journal, life, onError } = this.#ports;
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#batch();
        await journal.spooled(
          life,
          batch.map(({ spooled }) => spooled),
        );
        this.#waiting.splice(0, batch.length);
        for (const { bytes } of batch) this.#hold(-1, -bytes);
        this.#isStuck = false;
        await this.#removeFiles(batch.at(-1)?.spooled.number ?? 0);
      }
    } catch (error) {
      if (!this.#isStuck) onError(error, "recording what is spooled");
      this.#isStuck = true;
    }
  }

  #batch(): Held[] {
    let bytes = 0;
    const batch: Held[] = [];
    for (const held of this.#waiting) {
      bytes += held.bytes;
      if (batch.length === BATCH || (bytes > BATCH_BYTES && batch.length > 0)) break;
      batch.push(held);
    }
    return batch;
  }

  async #removeFiles(onRecord: number): Promise<void> {
    while (this.#full[0] && this.#full[0].last <= onRecord) await this.#full.shift()?.remove();
  }

  #hold(entries: number, bytes: number): void {
    this.#held = { entries: this.#held.entries + entries, bytes: this.#held.bytes + bytes };
  }

  #say(why: string | undefined): void {
    if ((why === undefined) === (this.#why === undefined)) return;
    this.#why = why;
    this.#ports.onStrict(why);
  }
}
