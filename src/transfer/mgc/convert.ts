import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Counted, MAX_TEXT, type PartKind, type PeopleLine } from "../format.ts";
import { PartWriter } from "../part-writer.ts";
import { TransferError } from "../transfer-error.ts";
import { Collected } from "./collected.ts";
import { csvRows } from "./csv-rows.ts";
import { Histories, MOST_NUMBER, type Span, type Waiting } from "./histories.ts";
import { type Mapping, peopleOf } from "./people.ts";
import { roomsOf } from "./rooms.ts";
import { bigOf, flagOf, neededNumber, type Row, textOf, ticksOf } from "./row.ts";
import { NEEDED, TABLES, type Table } from "./schema.ts";
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

const EVERYTHING = {
  level: "all",
  categories: null,
  fromMs: null,
  untilMs: null,
  withoutDisabled: false,
} as const;

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
