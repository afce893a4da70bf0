import type { PartKind, StoredLine } from "../format.ts";
import { historyHash, NO_HISTORY } from "../history-hash.ts";
import type { PartWriter } from "../part-writer.ts";
import type { Collected } from "./collected.ts";
import { FILE_LINK } from "./schema.ts";
import type { SortedEntries } from "./sorted.ts";

/** What a number can be here. */
export const MOST_NUMBER = 4_294_967_295n;

/** A message whose author is still a number. */
export type Waiting = Omit<StoredLine, "type" | "number" | "author" | "replaced"> & {
  readonly user: number;
  readonly where: string;
};

/** Lowest and highest number of a room. */
export interface Span {
  first: number;
  last: number;
}

/** Writes the messages room by room. */
export class Histories {
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
    const { uri } = this.#room;
    await this.writer.write(
      JSON.stringify({ type: "end", room: uri, messages: this.#messages, sha256: this.#sha256 }),
    );
    this.#room = undefined;
  }
}
