import type { PartReason } from "../../chat/compliance-event.ts";
import type { StoredMessage } from "../../chat/message.ts";
import type { Reading, SpooledReading } from "../../chat/reading.ts";
import type { Room } from "../../chat/room.ts";
import type { DialogRecord, PostEntry, Recorder, STALE } from "../../ports.ts";
import type { DialogToken, Incarnation } from "../../sip/dialog.ts";

/** What can be asked of the journal, and what each is answered. */
export interface Work {
  post: { readonly post: PostEntry };
  join: { readonly by: Recorder; readonly rooms: readonly { room: Room; mask: number }[] };
  part: { readonly by: Recorder; readonly rooms: readonly Room[]; readonly reason: PartReason };
  read: { readonly by: Recorder; readonly readings: readonly Reading[] };
  /** What the spool of this life, or of one that has ended, holds; in the order of its numbers. */
  spooled: { readonly life: Incarnation; readonly spooled: readonly SpooledReading[] };
  /** The node lives: how many dialogs it holds, and the database's clock. */
  alive: { readonly dialogs: number; readonly databaseMs: number };
  open: { readonly dialog: DialogRecord };
  end: {
    readonly by: Recorder;
    readonly home: Incarnation;
    readonly reason: PartReason;
    readonly remember: boolean;
  };
  flow: { readonly token: DialogToken; readonly now: Pick<DialogRecord, "flow" | "awaySinceMs" | "epoch"> };
  adopt: { readonly by: Recorder; readonly from: DialogToken };
}

export interface Outcomes {
  post: (StoredMessage & { readonly repeated: boolean }) | typeof STALE;
  join: (number | typeof STALE)[];
  part: undefined;
  read: undefined;
  spooled: undefined;
  alive: undefined;
  open: undefined;
  end: boolean;
  flow: undefined;
  adopt: undefined;
}

export type Kind = keyof Work;

/** One piece of work that waits for its transaction, with the promise it answers. */
export type Entry<K extends Kind = Kind> = {
  [Each in K]: Work[Each] & {
    readonly kind: Each;
    /** Monotonic, milliseconds. */
    readonly queuedAtMs: number;
    readonly resolve: (outcome: Outcomes[Each]) => void;
    readonly reject: (error: Error) => void;
  };
}[K];

/** Rows an entry may write, roughly: a flush takes only so much. */
export function weightOf(entry: Entry): number {
  switch (entry.kind) {
    case "join":
    case "part":
      return 1 + entry.rooms.length;
    case "end":
    case "adopt":
      return 20; // rooms of a usual endpoint; how many there are is known under the lock only
    case "read":
      return entry.readings.length;
    case "spooled":
      return entry.spooled.reduce((sum, { readings }) => sum + readings.length, 0);
    case "post":
      return 1 + (entry.post.text.length + (entry.post.rtf?.length ?? 0)) / 500;
    default:
      return 1;
  }
}

/** Tokens of the dialogs whose rows the entry reads or writes; none for a post, which needs its room only. */
export function tokensOf(entry: Entry): DialogToken[] {
  switch (entry.kind) {
    case "post":
    case "read":
    case "spooled":
    case "alive":
      return [];
    case "open":
      return [entry.dialog.state.token];
    case "flow":
      return [entry.token];
    case "adopt":
      return [entry.by.token, entry.from];
    default:
      return [entry.by.token];
  }
}

/** Rooms the entry names. An `end` or `adopt` names none: they are read from the dialog's rows. */
export function roomsOf(entry: Entry): number[] {
  if (entry.kind === "post") return [entry.post.room.id];
  if (entry.kind === "join") return entry.rooms.map(({ room }) => room.id);
  if (entry.kind === "part") return entry.rooms.map(({ id }) => id);
  return [];
}

/** Digits without leading zeros. @returns undefined when it is no number below `bound` */
export function decimal(value: string, bound: bigint): string | undefined {
  if (!/^\d{1,40}$/.test(value)) return undefined;
  if (value.length < 10 && (value.length === 1 || value[0] !== "0")) return value;
  const number = BigInt(value);
  return number < bound ? number.toString() : undefined;
}
