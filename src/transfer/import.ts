import { createHash } from "node:crypto";
import { join } from "node:path";
import { canonicalJson } from "../chat/compliance-event.ts";
import { CHAT_ERRORS, ChatError } from "../chat/errors.ts";
import type { Actor } from "../management/actor.ts";
import { type Counts, type Manifest, type MembershipLine, PART_KINDS, type PartKind } from "./format.ts";
import { type Entry, entryOf, isPeople, namedIn } from "./import-entries.ts";
import { importMessages, type MessageLineAt } from "./import-messages.ts";
import { importPeople, principalIds, type SettledLine } from "./import-people.ts";
import { type Plan, planImport } from "./import-plan.ts";
import { importAddIn, importCategory, importRoom } from "./import-rooms.ts";
import { readManifest } from "./manifest.ts";
import { linesOf, verifyParts } from "./part-reader.ts";
import type { ConflictRule, FillingRoom, ImportPlace, ImportStore, ImportUnit } from "./ports.ts";
import { TransferError } from "./transfer-error.ts";

export interface ImportOptions {
  readonly folder: string;
  readonly actor: Actor;
  readonly onConflict: ConflictRule;
  /** Everything is looked at, nothing is written. */
  readonly dryRun?: boolean;
  /** Forgets how far an earlier import of the same files had come. */
  readonly fromStart?: boolean;
  /** Lines of one transaction at most. */
  readonly portion?: number;
  readonly onProgress?: (what: string, done: number, all: number) => void;
  /** What is not taken over as it stands in the files. */
  readonly note?: (text: string) => void;
}

export interface Imported {
  readonly counts: Counts;
  readonly sha256: string;
  /** Where the files were made. */
  readonly domain: string;
  /** It carried on with one that was interrupted. */
  readonly carriedOn: boolean;
  /** Undefined when it carried on. */
  readonly plan: Plan | undefined;
}

/** Lines and characters of one transaction: some ten milliseconds of work. */
const PORTIONS: Record<PartKind, { readonly lines: number; readonly characters: number }> = {
  people: { lines: 500, characters: 500_000 },
  categories: { lines: 5, characters: 500_000 },
  rooms: { lines: 20, characters: 500_000 },
  messages: { lines: 1_000, characters: 1_000_000 },
};
const MEMBERSHIPS = 10_000;
/** Rooms that may be finished in one transaction. */
const ENDS = 20;
/** Authors whose ids are remembered. */
const MOST_AUTHORS = 200_000;

/**
 * Takes the files of an export in: everything is verified and looked at first, then taken over portion by portion, each in one
 * transaction with how far it has come. An import that was interrupted, however it was, carries on there.
 * @throws {TransferError} naming file and line; what was taken over before it stays, and the same import carries on behind it
 */
export async function importDomain(store: ImportStore, options: ImportOptions): Promise<Imported> {
  const { folder, onConflict, onProgress = () => {} } = options;
  const manifest = await readManifest(folder);
  checkKinds(folder, manifest);
  await verifyParts(folder, manifest, (done, all) => onProgress("bytes checked", done, all));
  const source = createHash("sha256").update(canonicalJson({ manifest, onConflict })).digest("hex");
  if (options.fromStart && !options.dryRun) await store.forgetRun(source);
  const found = options.fromStart ? undefined : await store.findRun(source);
  const plan = found ? undefined : await planImport(store, folder, manifest, onConflict);
  const { counts, sha256, domain } = manifest;
  if (options.dryRun) return { counts, sha256, domain, carriedOn: found !== undefined, plan };
  const place = found?.place ?? { part: 0, line: 0, room: null, intoEmpty: await store.isEmpty() };
  const run = found?.id ?? (await store.beginRun(source, place));
  await new Import(store, options, manifest, run, place).run();
  return { counts, sha256, domain, carriedOn: found !== undefined, plan };
}

/** Rooms need their categories, and messages their rooms. */
function checkKinds(folder: string, { parts }: Manifest): void {
  const kinds = parts.map(({ file }) => PART_KINDS.findIndex((kind) => file.endsWith(`-${kind}.jsonl`)));
  const names = new Set(parts.map(({ file }) => file));
  if (kinds.some((kind, at) => kind < (kinds[at - 1] ?? 0)) || names.size < parts.length)
    throw new TransferError(
      `${join(folder, "manifest.json")} names its parts in an order that no export has`,
    );
}

class Import {
  readonly #store: ImportStore;
  readonly #options: ImportOptions;
  readonly #manifest: Manifest;
  readonly #run: number;
  readonly #note: (text: string) => void;
  readonly #authors = new Map<string, number>();
  #place: ImportPlace;
  /** As the database has it. */
  #saved: ImportPlace;
  #done = 0;

  constructor(
    store: ImportStore,
    options: ImportOptions,
    manifest: Manifest,
    run: number,
    place: ImportPlace,
  ) {
    this.#store = store;
    this.#options = options;
    this.#manifest = manifest;
    this.#run = run;
    this.#place = place;
    this.#saved = place;
    this.#note = options.note ?? (() => {});
  }

  async run(): Promise<void> {
    const { parts } = this.#manifest;
    for (const { lines } of parts.slice(0, this.#place.part)) this.#done += lines;
    this.#done += this.#place.line;
    for (let at = this.#place.part; at < parts.length; at++) {
      await this.#part(at);
      this.#place = { ...this.#place, part: at + 1, line: 0 };
    }
    if (this.#place.room)
      throw new TransferError(`${this.#options.folder}: the last room's messages have no end`);
    const { actor } = this.#options;
    await this.#store.change(actor, async (unit) => {
      await unit.endRun(this.#run);
      const { counts, sha256 } = this.#manifest;
      unit.record({
        kind: "DOMAIN_IMPORTED",
        subject: this.#manifest.domain,
        before: null,
        after: { counts, sha256 },
      });
    });
  }

  async #part(at: number): Promise<void> {
    const part = this.#manifest.parts[at];
    const kind = PART_KINDS.find((one) => part?.file.endsWith(`-${one}.jsonl`));
    if (!part || !kind) return;
    const path = join(this.#options.folder, part.file);
    let waiting: Entry[] = [];
    let [characters, ends] = [0, 0];
    const flush = async () => {
      const entries = waiting;
      [waiting, characters, ends] = [[], 0, 0];
      if (entries.length > 0) await this.#portion(path, kind, entries);
    };
    for await (const lines of linesOf(this.#options.folder, part, this.#place.line))
      for (const line of lines) {
        const entry = entryOf(kind, path, line);
        const isMembership = entry.value.type === "membership";
        if (waiting.length > 0 && isMembership !== (waiting[0]?.value.type === "membership")) await flush();
        waiting.push(entry);
        characters += line.text.length;
        if (entry.value.type === "end") ends += 1;
        const most = isMembership ? { lines: MEMBERSHIPS, characters: 5_000_000 } : PORTIONS[kind];
        const atMost = Math.min(most.lines, this.#options.portion ?? most.lines);
        if (waiting.length >= atMost || characters >= most.characters || ends >= ENDS) await flush();
      }
    await flush();
  }

  async #portion(path: string, kind: PartKind, entries: readonly Entry[]): Promise<void> {
    const next = (room: FillingRoom | null): ImportPlace => ({
      ...this.#place,
      line: entries.at(-1)?.line ?? 0,
      room,
    });
    let line = entries[0]?.line ?? 0;
    const at = (index: number) => {
      line = entries[index]?.line ?? line;
    };
    try {
      const [first] = entries;
      this.#place =
        first?.value.type === "membership"
          ? await this.#memberships(entries, next(null))
          : kind === "messages"
            ? await this.#messages(entries, at, next)
            : await this.#settings(entries, at, next(null));
    } catch (error) {
      if (!(error instanceof ChatError) || CHAT_ERRORS[error.code].status >= 500) throw error;
      throw new TransferError(`${path}, line ${line}: ${error.message}`);
    }
    this.#saved = this.#place;
    this.#done += entries.length;
    const all = this.#manifest.parts.reduce((sum, { lines }) => sum + lines, 0);
    this.#options.onProgress?.("lines", this.#done, all);
  }

  /** Nobody else may have carried on with this import. @throws {ChatError} COLLISION */
  async #mayGoOn(unit: ImportUnit): Promise<void> {
    const place = await unit.place(this.#run);
    if (place?.part !== this.#saved.part || place.line !== this.#saved.line)
      throw new ChatError("COLLISION", { detail: "Another process carries on with this import." });
  }

  async #memberships(entries: readonly Entry[], place: ImportPlace): Promise<ImportPlace> {
    const lines = entries.map(({ value }) => value as MembershipLine); // they are gathered apart
    await this.#store.addMemberships(
      this.#options.actor,
      lines,
      (unit) => this.#mayGoOn(unit),
      (unit) => unit.savePlace(this.#run, place),
    );
    return place;
  }

  async #settings(
    entries: readonly Entry[],
    at: (index: number) => void,
    place: ImportPlace,
  ): Promise<ImportPlace> {
    const { actor, onConflict: rule } = this.#options;
    const { intoEmpty } = this.#place;
    const notes = await this.#store.change(actor, async (unit) => {
      await this.#mayGoOn(unit);
      const said: string[] = [];
      const note = (text: string) => void said.push(text);
      const ids = await principalIds(unit, entries.flatMap(namedIn), note);
      const doing = { unit, rule, note, intoEmpty, run: this.#run, ids };
      const people: SettledLine[] = [];
      for (const [index, { value }] of entries.entries()) {
        at(index);
        if (value.type === "room") await importRoom(doing, value);
        else if (value.type === "category") await importCategory(doing, value);
        else if (value.type === "addIn") await importAddIn(doing, value);
        else if (isPeople(value)) people.push(value);
      }
      await importPeople(doing, people, at);
      await unit.savePlace(this.#run, place);
      return said;
    });
    for (const text of notes) this.#note(text);
    return place;
  }

  async #messages(
    entries: readonly Entry[],
    at: (index: number) => void,
    next: (room: FillingRoom | null) => ImportPlace,
  ): Promise<ImportPlace> {
    const { actor } = this.#options;
    const { place, authors, notes } = await this.#store.change(actor, async (unit) => {
      await this.#mayGoOn(unit);
      const said: string[] = [];
      const doing = {
        unit,
        run: this.#run,
        note: (text: string) => void said.push(text),
        authors: this.#authors,
        source: this.#manifest.sha256,
      };
      const lines = entries as readonly MessageLineAt[]; // of a part of messages
      const filled = await importMessages(doing, lines, this.#place.room, at);
      const reached = next(filled.room);
      await unit.savePlace(this.#run, reached);
      return { place: reached, authors: filled.authors, notes: said };
    });
    if (this.#authors.size > MOST_AUTHORS) this.#authors.clear();
    for (const [uri, id] of authors) this.#authors.set(uri, id);
    for (const text of notes) this.#note(text);
    return place;
  }
}
