/** What keeps the record of readings. */
import type { SpooledReading } from "./chat/reading.ts";
import type { Journal } from "./ports.ts";
import type { Incarnation } from "./sip/dialog.ts";

/** Where a reading is recorded; awaited before the answer leaves. */
export type ReadingRecords = Pick<Journal, "read" | "searched">;

/** What a spool needs of the store. */
export interface SpoolJournal extends ReadingRecords {
  /**
   * Records what the spool of a life holds, in the stream of this one: whatever is on record already is passed over, so that it may be
   * handed in again after any failure, and by several processes at once. Numbers rise; lower ones must have been handed in before.
   */
  spooled(life: Incarnation, spooled: readonly SpooledReading[]): Promise<void>;
}

/** Lives of nodes. */
export interface Lives {
  /** Whether it can record nothing any more; undefined when there was no such life. */
  hasEnded(life: Incarnation): Promise<boolean | undefined>;
}
