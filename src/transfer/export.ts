import { resolve } from "node:path";
import { z } from "zod";
import type { Actor } from "../management/actor.ts";
import type { Counted, Counts, PartKind, Selection } from "./format.ts";
import { historyHash, NO_HISTORY } from "./history-hash.ts";
import { PartWriter } from "./part-writer.ts";
import type { ExportSource, RoomHistory, RoomKey } from "./ports.ts";
import { roomKey } from "./room-key.ts";
import { TransferError } from "./transfer-error.ts";

export interface ExportOptions {
  /** Folder, empty or of an export that was interrupted. */
  readonly folder: string;
  readonly domain: string;
  /** Who answers for it. */
  readonly actor: Actor;
  readonly selection: Selection;
  readonly partBytes?: number;
  readonly onProgress?: (messages: number, all: number) => void;
  /** Told when all messages of a room are written. */
  readonly onRoom?: (uri: string, messages: number, sha256: string) => void;
}

export interface Exported {
  readonly counts: Counts;
  readonly sha256: string;
  /** It carried on with one that was interrupted. */
  readonly carriedOn: boolean;
}

/** Behind every key: addresses begin with letters and digits. */
const LAST = "~";

/** A room in the middle of its messages. */
const underWaySchema = z.strictObject({
  id: z.int(),
  uri: z.string(),
  lastNumber: z.int(),
  clearedTo: z.int(),
  after: z.int(),
  messages: z.int(),
  sha256: z.string(),
});
type UnderWay = z.infer<typeof underWaySchema>;

/** Behind the last line of a part. */
const placeSchema = z
  .strictObject({
    step: z.enum(["settings", "users", "groups", "memberships", "categories", "rooms", "messages"]),
    /** The last key that is done with, in the step's own words. */
    after: z.array(z.string()),
    room: underWaySchema.nullable(),
  })
  .nullable();
type Place = NonNullable<z.infer<typeof placeSchema>>;
type Step = Place["step"];

const STEPS: readonly (readonly [step: Step, kind: PartKind, levels: readonly Selection["level"][]])[] = [
  ["settings", "people", ["all", "users"]],
  ["users", "people", ["all", "users"]],
  ["groups", "people", ["all", "users"]],
  ["memberships", "people", ["all", "users"]],
  ["categories", "categories", ["all", "categories"]],
  ["rooms", "rooms", ["all", "rooms", "content"]],
  ["messages", "messages", ["all", "content"]],
];

/**
 * Writes everything that is asked for into a folder, portion by portion: what is in memory does not grow with what there is, and
 * nobody waits for it. Each room is given with the messages it had when its turn came. Who takes it, what and to where is on record
 * before the first of it is read, each time it is carried on too; that it is complete at the end.
 * @throws {TransferError} when the folder is not for this
 */
export async function exportDomain(source: ExportSource, options: ExportOptions): Promise<Exported> {
  const { folder, actor, domain: subject, selection } = options;
  const { writer, place } = await PartWriter.open(folder, options);
  try {
    const found = placeSchema.safeParse(place ?? null);
    if (!found.success) throw new TransferError(`${folder} holds the progress of something else`);
    const carriedOn = found.data !== null;
    const begun = { carriedOn, folder: resolve(folder), selection: { ...selection } };
    await source.record(actor, { kind: "DOMAIN_EXPORT", subject, before: null, after: begun });
    await new Export(source, options, writer, found.data).run();
    const { counts, sha256 } = writer;
    const done = { counts: { ...counts }, selection: { ...selection }, sha256 };
    await source.record(actor, { kind: "DOMAIN_EXPORTED", subject, before: null, after: done });
    await writer.finish(); // last: what has a manifest is on record as complete
    return { counts, sha256, carriedOn };
  } catch (error) {
    await writer.close();
    throw error;
  }
}

class Export {
  readonly #source: ExportSource;
  readonly #options: ExportOptions;
  readonly #writer: PartWriter;
  readonly #from: Place | null;
  /** Behind the last line written. */
  #done: Place | null;
  #messageCount = 0;

  constructor(source: ExportSource, options: ExportOptions, writer: PartWriter, from: Place | null) {
    this.#source = source;
    this.#options = options;
    this.#writer = writer;
    this.#from = from;
    this.#done = from;
  }

  async run(): Promise<void> {
    const { selection, onProgress } = this.#options;
    if (onProgress) this.#messageCount = await this.#source.messageCount(selection);
    const first = STEPS.findIndex(([step]) => step === this.#from?.step);
    for (const [index, [step, kind, levels]] of STEPS.entries()) {
      if (index < first || !levels.includes(selection.level)) continue;
      await this.#take(step, kind, index === first ? this.#from : null);
      this.#done = { step, after: [LAST, LAST], room: null };
    }
    await this.#writer.endPart(this.#done);
  }

  async #take(step: Step, kind: PartKind, from: Place | null): Promise<void> {
    const [first = "", second = ""] = from?.after ?? [];
    const source = this.#source;
    const { selection } = this.#options;
    switch (step) {
      case "settings":
        return this.#lines(kind, from ? [] : [...(await source.policies()), ...(await source.domains())]);
      case "users":
        return this.#pages(step, kind, first, (after) => source.users(after));
      case "groups":
        return this.#pages(step, kind, first, (after) => source.groups(after));
      case "memberships":
        return this.#memberships(kind, first, second);
      case "categories":
        return this.#lines(
          kind,
          from ? [] : [...(await source.addIns()), ...(await source.categories(selection))],
        );
      case "rooms":
        return this.#rooms(kind, { guid: first, domain: second });
      case "messages":
        return this.#histories({ guid: first, domain: second }, from?.room ?? undefined);
      default:
        return step satisfies never;
    }
  }

  /** Parts begin with their first line: there are no empty ones. */
  async #begin(kind: PartKind): Promise<boolean> {
    if (this.#writer.kind === kind) return false;
    await this.#writer.endPart(this.#done);
    await this.#writer.beginPart(kind);
    return true;
  }

  async #line(kind: PartKind, line: { readonly type: Counted }, done?: Place): Promise<void> {
    await this.#begin(kind);
    await this.#writer.write(JSON.stringify(line), line.type);
    if (!done) return;
    this.#done = done;
    if (this.#writer.isFull) await this.#writer.endPart(done);
  }

  /** What is short is in one part whole: after an interruption all of it is written again. */
  async #lines(kind: PartKind, lines: readonly { readonly type: Counted }[]): Promise<void> {
    for (const line of lines) await this.#line(kind, line);
  }

  async #pages<Line extends { readonly type: Counted; readonly uri: string }>(
    step: Step,
    kind: PartKind,
    first: string,
    page: (after: string) => Promise<Line[]>,
  ): Promise<void> {
    for (let after = first, lines = await page(after); lines.length > 0; lines = await page(after))
      for (const line of lines) {
        after = line.uri;
        await this.#line(kind, line, { step, after: [after], room: null });
      }
  }

  async #memberships(kind: PartKind, firstGroup: string, firstMember: string): Promise<void> {
    const members = async (group: string, first: string) => {
      const page = (after: string) => this.#source.memberships(group, after);
      for (let after = first, lines = await page(after); lines.length > 0; lines = await page(after))
        for (const line of lines) {
          after = line.member;
          await this.#line(kind, line, { step: "memberships", after: [group, after], room: null });
        }
    };
    if (firstMember !== "") await members(firstGroup, firstMember);
    const page = (after: string) => this.#source.groups(after);
    for (let after = firstGroup, groups = await page(after); groups.length > 0; groups = await page(after))
      for (const { uri } of groups) {
        await members(uri, "");
        after = uri;
      }
  }

  async #rooms(kind: PartKind, first: RoomKey): Promise<void> {
    const page = (after: RoomKey) => this.#source.rooms(this.#options.selection, after);
    for (let after = first, rooms = await page(after); rooms.length > 0; rooms = await page(after))
      for (const room of rooms) {
        after = roomKey(room.uri);
        await this.#line(kind, room, { step: "rooms", after: [after.guid, after.domain], room: null });
      }
  }

  async #histories(first: RoomKey, underWay: UnderWay | undefined): Promise<void> {
    if (underWay) await this.#history(underWay, underWay);
    const page = (after: RoomKey) => this.#source.histories(this.#options.selection, after);
    let after = underWay ? roomKey(underWay.uri) : first;
    for (let rooms = await page(after); rooms.length > 0; rooms = await page(after))
      for (const room of rooms) {
        await this.#history(room);
        after = roomKey(room.uri);
      }
  }

  async #history(room: RoomHistory, from?: UnderWay): Promise<void> {
    const { id, uri, lastNumber, clearedTo } = room;
    const { guid, domain } = roomKey(uri);
    let [after, messages, sha256] = from ? [from.after, from.messages, from.sha256] : [0, 0, NO_HISTORY];
    const place = (underWay: UnderWay | null): Place => ({
      step: "messages",
      after: [guid, domain],
      room: underWay,
    });
    const head = () =>
      this.#writer.write(JSON.stringify({ type: "history", room: uri, lastNumber, clearedTo, after }));
    await this.#begin("messages");
    await head();
    for (;;) {
      const stored = await this.#source.messages(room, this.#options.selection, after);
      for (const message of stored) {
        if (this.#writer.isFull) {
          await this.#writer.endPart(place({ id, uri, lastNumber, clearedTo, after, messages, sha256 }));
          await this.#begin("messages");
          await head();
        }
        const line = JSON.stringify(message);
        const full = this.#writer.write(line, "message");
        if (full) await full;
        sha256 = historyHash(sha256, line);
        messages += 1;
        after = message.number;
      }
      this.#options.onProgress?.(this.#writer.counts.message, this.#messageCount);
      if (stored.length === 0) break;
    }
    await this.#writer.write(JSON.stringify({ type: "end", room: uri, messages, sha256 }));
    this.#options.onRoom?.(uri, messages, sha256);
    this.#done = place(null);
    if (this.#writer.isFull) await this.#writer.endPart(this.#done);
  }
}
