import { ChatError } from "../chat/errors.ts";
import type { Room } from "../chat/room.ts";
import type { HistoryLine, MessageLine, StoredLine } from "./format.ts";
import { historyHash, NO_HISTORY } from "./history-hash.ts";
import { principalIds } from "./import-people.ts";
import type { FillingRoom, ImportedMessage, ImportItem, ImportUnit } from "./ports.ts";

export interface MessageLineAt {
  readonly value: MessageLine;
  readonly text: string;
}

/** What goes wrong in this line is said with its place. */
export type AtLine = (index: number) => void;

interface Doing {
  readonly unit: ImportUnit;
  readonly run: number;
  readonly note: (text: string) => void;
  /** Ids of authors, by address; what is found joins it when everything is committed. */
  readonly authors: ReadonlyMap<string, number>;
  /** Of the manifest, as recorded. */
  readonly source: string;
}

export interface Filled {
  readonly room: FillingRoom | null;
  readonly authors: ReadonlyMap<string, number>;
}

/**
 * Puts messages into their rooms, in one transaction with how far it has come. A room takes them only while it is as the import
 * made it: disabled, and with the messages that the import gave it.
 * @throws {ChatError} BAD_REQUEST when the lines do not go together, COLLISION when the room was changed meanwhile
 */
export async function importMessages(
  doing: Doing,
  lines: readonly MessageLineAt[],
  from: FillingRoom | null,
  at: AtLine,
): Promise<Filled> {
  const { unit, run, note } = doing;
  const named = lines.flatMap(({ value }) => (value.type === "message" ? [value.author] : []));
  const unknown = [...new Set(named)].filter((uri) => uri !== "" && !doing.authors.has(uri));
  const fresh = await principalIds(unit, unknown, note);
  const authorOf = (uri: string) => doing.authors.get(uri) ?? fresh.get(uri) ?? 0;
  const uris = [...new Set(lines.flatMap(({ value }) => (value.type === "history" ? [value.room] : [])))];
  const items = await unit.items(run, "room", uris);

  let filling = from;
  let locked = from && from.id !== 0 ? await lockUntouched(unit, from) : undefined;
  let waiting: ImportedMessage[] = [];
  const store = async () => {
    if (!filling || !locked || waiting.length === 0) return;
    await unit.insertMessages(locked.id, waiting);
    await unit.setNumbers(locked.id, {
      lastNumber: filling.number,
      clearedTo: Math.min(filling.clearedTo, filling.number),
    });
    waiting = [];
  };
  for (const [index, { value, text }] of lines.entries()) {
    at(index);
    if (value.type === "history") {
      const next = begin(value, filling, items.get(value.room));
      if (next !== filling) {
        filling = next;
        locked = next.id === 0 ? undefined : await lockUntouched(unit, next);
      }
    } else if (!filling) throw wrong("messages stand before the room they are of");
    else if (value.type === "message") {
      checkOrder(value, filling);
      if (locked) waiting.push(stored(value, authorOf(value.author)));
      filling = {
        ...filling,
        number: value.number,
        messages: filling.messages + 1,
        sha256: historyHash(filling.sha256, text),
      };
    } else {
      if (
        value.room !== filling.uri ||
        value.messages !== filling.messages ||
        value.sha256 !== filling.sha256
      )
        throw wrong("count or hash of the room's messages are not what they should be");
      await store();
      if (locked) await finish(doing, locked, filling, items.get(filling.uri));
      filling = null;
      locked = undefined;
    }
  }
  await store();
  return { room: filling, authors: fresh };
}

/** @throws {ChatError} */
function begin(value: HistoryLine, filling: FillingRoom | null, item: ImportItem | undefined): FillingRoom {
  if (filling) {
    const carriesOn =
      value.room === filling.uri && value.after === filling.number && value.lastNumber === filling.lastNumber;
    if (!carriesOn) throw wrong("the messages of the room before have no end");
    return filling;
  }
  if (!item) throw wrong("no line before describes this room");
  if (value.after !== 0) throw wrong("the room's first messages are missing");
  if (value.clearedTo > value.lastNumber) throw wrong('"clearedTo" is above "lastNumber"');
  const { room: uri, lastNumber, clearedTo } = value;
  return { uri, id: item.id, lastNumber, clearedTo, number: 0, messages: 0, sha256: NO_HISTORY };
}

/** @throws {ChatError} */
function checkOrder({ number }: StoredLine, filling: FillingRoom): void {
  if (number <= filling.number || number <= filling.clearedTo || number > filling.lastNumber)
    throw wrong(
      `number ${number} has no place behind ${Math.max(filling.number, filling.clearedTo)} and up to ${filling.lastNumber}`,
    );
}

function stored({ type: _, author: __, ...message }: StoredLine, authorId: number): ImportedMessage {
  return { ...message, authorId };
}

/** Locks the room as the flush of posts does. @throws {ChatError} COLLISION */
async function lockUntouched(unit: ImportUnit, { id, number }: FillingRoom): Promise<Room> {
  const room = await unit.room({ id });
  if (!room || room === "several")
    throw new ChatError("COLLISION", { detail: "The room was removed since the import began it." });
  if (!room.disabled || (await unit.lastNumber(id)) !== number)
    throw new ChatError("COLLISION", {
      detail: `The room "${room.name}" was enabled, or its messages changed, since the import began it: nothing more is put into it.`,
    });
  return room;
}

/** All its messages are there: it is recorded who brought how many, and it opens. */
async function finish(
  { unit, run, source }: Doing,
  room: Room,
  { uri, lastNumber, clearedTo, messages, sha256 }: FillingRoom,
  known: ImportItem | undefined,
): Promise<void> {
  await unit.setNumbers(room.id, { lastNumber, clearedTo });
  const item = known ?? (await unit.items(run, "room", [uri])).get(uri);
  const after = { clearedTo, lastNumber, messages, sha256, source, uri };
  unit.record({ kind: "ROOM_IMPORTED", subject: "", before: null, after }, room);
  if (item?.opens) {
    await unit.updateRoom(room.id, { disabled: false });
    unit.record(
      { kind: "ROOM_CHANGED", subject: "", before: { disabled: true }, after: { disabled: false } },
      room,
    );
  }
  await unit.dropItem(run, "room", uri);
  unit.changed({ kind: "room", id: room.id });
}

const wrong = (detail: string) => new ChatError("BAD_REQUEST", { detail });
