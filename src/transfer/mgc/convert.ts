import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Counted, MAX_TEXT, type PartKind, type PeopleLine, type StoredLine } from "../format.ts";
import { historyHash, NO_HISTORY } from "../history-hash.ts";
import { PartWriter } from "../part-writer.ts";
import { TransferError } from "../transfer-error.ts";
import { Collected } from "./collected.ts";
import { csvRows } from "./csv-rows.ts";
import { type Mapping, peopleOf } from "./people.ts";
import { roomsOf } from "./rooms.ts";
import { bigOf, flagOf, neededNumber, type Row, textOf, ticksOf } from "./row.ts";
import { FILE_LINK, NEEDED, TABLES, type Table } from "./schema.ts";
import { SortedEntries } from "./sorted.ts";
import { sqlRows } from "./sql-rows.ts";

export interface ConvertOptions extends Mapping {
  /** A folder of CSV files, or a script of INSERTs. */
  readonly source: string;
  /** Empty: becomes an export. */
  readonly target: string;
  /** For what is sorted; removed in the end. */
  readonly scratch: string;
  readonly onProgress?: (what: string, done: number, all: number) => void;
  readonly partBytes?: number;
  /** Characters of messages that are sorted in memory. */
  readonly runCharacters?: number;
}

const MOST_NUMBER = 4_294_967_295n;
const EVERYTHING = {
  level: "all",
  categories: null,
  fromMs: null,
  untilMs: null,
  withoutDisabled: false,
} as const;

/** A message whose author is still a number. */
type Waiting = Omit<StoredLine, "type" | "number" | "author" | "replaced"> & {
  readonly user: number;
  readonly where: string;
};

interface Span {
  first: number;
  last: number;
}

/**
 * Makes an export of the tables of Lync's database `mgc`. Messages are sorted on the disk: what is in memory grows with rooms, people
 * and their roles only.
 * @throws {TransferError} with file and line for what cannot be read; what can be read and has no place here is noted
 */
export async function convertMgc(options: ConvertOptions): Promise<void> {
  const collected = new Collected();
  const messages = new SortedEntries(options.scratch, options.runCharacters);
  const spans = new Map<number, Span>();
  try {
    for await (const row of rowsOf(options)) {
      collected.add(row);
      if (row.table === "tblChat") await addMessage(row, messages, spans, options);
    }
    for (const table of NEEDED)
      if (!collected.seen.has(table))
        throw new TransferError(`${options.source}: there is nothing of ${table}`);
    for (const name of Object.keys(TABLES) as Table[]) // its own keys
      if (!collected.seen.has(name)) options.note(`${name}: there is nothing of it`);
    if (collected.invites > 0)
      options.note(
        `tblPrincipalInvites: ${collected.invites} invitations are not taken over: members of rooms that invite are invited here`,
      );
    await write(collected, messages, spans, options);
  } finally {
    await messages.remove();
  }
}

async function* rowsOf({ source, onProgress }: ConvertOptions): AsyncGenerator<Row> {
  let rows = 0;
  const counted = (row: Row) => {
    rows += 1;
    if (rows % 1_000 === 0) onProgress?.("rows read", rows, 0);
    return row;
  };
  const about = await stat(source).catch(() => undefined);
  if (!about) throw new TransferError(`${source} does not exist`);
  if (!about.isDirectory()) {
    for await (const row of sqlRows(source)) yield counted(row);
    return;
  }
  for (const [table, path] of await filesOf(source))
    for await (const row of csvRows(path, table)) yield counted(row);
}

/** One file a table: `tblNode.csv`, `dbo.tblNode.txt`. */
async function filesOf(folder: string): Promise<[Table, string][]> {
  const names = await readdir(folder);
  const files: [Table, string][] = [];
  for (const table of Object.keys(TABLES) as Table[]) {
    const pattern = new RegExp(`^(.*\\.)?${table}\\.(csv|txt|tsv|dat)$`, "i");
    const [name, second] = names.filter((one) => pattern.test(basename(one)));
    if (second !== undefined)
      throw new TransferError(`${folder}: ${name} and ${second} are both of ${table}`);
    if (name !== undefined) files.push([table, join(folder, name)]);
  }
  return files;
}

async function addMessage(
  row: Row,
  messages: SortedEntries,
  spans: Map<number, Span>,
  { note }: ConvertOptions,
): Promise<void> {
  const room = neededNumber(row, "channelId");
  const big = bigOf(row, "chatId");
  const atMs = ticksOf(row, "chatDate");
  const text = textOf(row, "content");
  if (big === null || atMs === null || text === null)
    throw new TransferError(`${row.where}: chatId, chatDate or content is missing`);
  if (big < 1n || big > MOST_NUMBER || room < 0) {
    note(`${row.where}: the message is left out: its number ${big} has no place here`);
    return;
  }
  const number = Number(big);
  const rtf = textOf(row, "rtf", true);
  const isLong = text.length > MAX_TEXT || (rtf?.length ?? 0) > MAX_TEXT;
  if (isLong)
    note(`${row.where}: the message has more than ${MAX_TEXT} characters: it is cut there, without its RTF`);
  const waiting: Waiting = {
    atMs,
    alert: flagOf(row, "isAlert") ?? false,
    text: text.slice(0, MAX_TEXT),
    rtf: isLong || rtf === "" || rtf === "NULL" ? null : rtf,
    user: neededNumber(row, "userId"),
    where: row.where,
  };
  const span = spans.get(room);
  if (span) [span.first, span.last] = [Math.min(span.first, number), Math.max(span.last, number)];
  else spans.set(room, { first: number, last: number });
  const full = messages.add({ major: room, minor: number, text: JSON.stringify(waiting) });
  if (full) await full;
}

async function write(
  collected: Collected,
  messages: SortedEntries,
  spans: ReadonlyMap<number, Span>,
  options: ConvertOptions,
): Promise<void> {
  const { served, target, note, partBytes } = options;
  const people = peopleOf(collected, options);
  const rooms = roomsOf(collected, people, options);
  const { writer } = await PartWriter.open(target, {
    domain: served,
    selection: EVERYTHING,
    ...(partBytes === undefined ? {} : { partBytes }),
  });
  try {
    const begin = async (kind: PartKind) => {
      if (writer.kind === kind && !writer.isFull) return false;
      await writer.endPart(null);
      await writer.beginPart(kind);
      return true;
    };
    const domain: PeopleLine = { type: "domain", uri: served };
    const lists: readonly (readonly [PartKind, readonly { readonly type: Counted }[]])[] = [
      ["people", [domain, ...people.lines]],
      ["categories", rooms.categories],
      ["rooms", rooms.rooms],
    ];
    for (const [kind, lines] of lists)
      for (const line of lines) {
        await begin(kind);
        await writer.write(JSON.stringify(line), line.type);
      }
    await new Histories(writer, begin, collected, spans, people.uris, rooms.uris, note).write(messages);
    await writer.endPart(null);
    await writer.finish();
  } catch (error) {
    await writer.close();
    throw error;
  }
}

class Histories {
  #room: { readonly id: number; readonly head: (after: number) => string; readonly uri: string } | undefined;
  #after = 0;
  #messages = 0;
  #sha256 = NO_HISTORY;
  readonly #withoutRoom = new Map<number, number>();
  readonly #withoutAuthor = new Map<number, number>();
  readonly writer: PartWriter;
  readonly begin: (kind: PartKind) => Promise<boolean>;
  readonly collected: Collected;
  readonly spans: ReadonlyMap<number, Span>;
  readonly people: ReadonlyMap<number, string>;
  readonly rooms: ReadonlyMap<number, string>;
  readonly note: (text: string) => void;

  constructor(
    writer: PartWriter,
    begin: (kind: PartKind) => Promise<boolean>,
    collected: Collected,
    spans: ReadonlyMap<number, Span>,
    people: ReadonlyMap<number, string>,
    rooms: ReadonlyMap<number, string>,
    note: (text: string) => void,
  ) {
    this.writer = writer;
    this.begin = begin;
    this.collected = collected;
    this.spans = spans;
    this.people = people;
    this.rooms = rooms;
    this.note = note;
  }

  async write(messages: SortedEntries): Promise<void> {
    const silent = new Set(this.rooms.keys());
    for await (const { major: id, minor: number, text } of messages.entries()) {
      const uri = this.rooms.get(id);
      if (uri === undefined) {
        this.#withoutRoom.set(id, (this.#withoutRoom.get(id) ?? 0) + 1);
        continue;
      }
      if (this.#room?.id !== id) {
        await this.#end();
        silent.delete(id);
        await this.#start(id, uri);
      }
      const waiting = JSON.parse(text) as Waiting; // as addMessage wrote it
      if (number === this.#after) {
        this.note(
          `${waiting.where}: the room has two messages with the number ${number}: the second is left out`,
        );
        continue;
      }
      await this.#message(number, waiting);
    }
    await this.#end();
    for (const id of silent) {
      await this.#start(id, this.rooms.get(id) ?? "");
      await this.#end();
    }
    for (const [id, count] of this.#withoutRoom)
      this.note(`tblChat: ${count} messages of channelId ${id} are left out: there is no such room`);
    for (const [id, count] of this.#withoutAuthor)
      this.note(`tblChat: ${count} messages of userId ${id} have no author here: there is no such user`);
  }

  async #start(id: number, uri: string): Promise<void> {
    const span = this.spans.get(id);
    const known = Math.min(this.collected.lastIds.get(id) ?? 0, Number(MOST_NUMBER));
    const lastNumber = Math.max(known, span?.last ?? 0);
    // What is missing at the beginning was purged there.
    const clearedTo = span ? span.first - 1 : lastNumber;
    const head = (after: number) =>
      JSON.stringify({ type: "history", room: uri, lastNumber, clearedTo, after });
    this.#room = { id, uri, head };
    [this.#after, this.#messages, this.#sha256] = [0, 0, NO_HISTORY];
    await this.begin("messages");
    await this.writer.write(head(0));
  }

  async #message(number: number, { user, where, ...message }: Waiting): Promise<void> {
    const author = this.people.get(user);
    const isUser = author?.startsWith("sip:") === true;
    if (!isUser) this.#withoutAuthor.set(user, (this.#withoutAuthor.get(user) ?? 0) + 1);
    if (FILE_LINK.test(message.text))
      this.note(`${where}: a link to a file, which is not here; its text is taken over`);
    const { atMs, alert, text, rtf } = message;
    const line: StoredLine = {
      type: "message",
      number,
      atMs,
      author: isUser ? author : "",
      alert,
      replaced: false,
      text,
      rtf,
    };
    const written = JSON.stringify(line);
    if (await this.begin("messages")) await this.writer.write(this.#room?.head(this.#after) ?? "");
    const full = this.writer.write(written, "message");
    if (full) await full;
    this.#sha256 = historyHash(this.#sha256, written);
    this.#messages += 1;
    this.#after = number;
  }

  async #end(): Promise<void> {
    if (!this.#room) return;
    await this.writer.write(
      JSON.stringify({ type: "end", room: this.#room.uri, messages: this.#messages, sha256: this.#sha256 }),
    );
    this.#room = undefined;
  }
}
