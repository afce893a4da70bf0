import { hash } from "node:crypto";
import { AcceptedMessages } from "../acceptance.ts";
import { readArchived } from "./archived-body.ts";
import type { ArchivedFact, Books, ChatMessage, Compared, Difference, DifferenceKind } from "./ports.ts";

/** What the archive says of a message: as it must be now, or that it was taken away. */
type Seen = Awaited<ReturnType<Books["messages"]>>;

type Expected = (ChatMessage & { readonly onlyText?: true }) | "gone";

export const NOTHING_COMPARED: Compared = {
  eventSeq: 0,
  number: 0,
  messages: 0,
  digest: Buffer.alloc(32),
};

const maxRanges = 20;

/**
 * A room's events, read in their order, and what they say of its messages. What a message must be now follows from what was
 * posted and what moderation made of it since.
 */
export class RoomFold {
  readonly #stream: string;
  #eventSeq: number;
  #number: number;
  #messages: number;
  #digest: Buffer;
  /** Messages of which the last pages spoke, not yet found in the chat as they must be. */
  readonly #open = new Map<number, Expected>();
  readonly #unrecorded: number[] = [];
  /** Numbers of events that are none of ours. */
  readonly #unreadable: number[] = [];
  readonly #accepted: AcceptedMessages;

  constructor(
    stream: string,
    { eventSeq, number, messages, digest }: Compared,
    accepted = new AcceptedMessages(),
  ) {
    this.#accepted = accepted;
    this.#stream = stream;
    this.#eventSeq = eventSeq;
    this.#number = number;
    this.#messages = messages;
    this.#digest = digest;
  }

  get compared(): Compared {
    const [eventSeq, number, messages, digest] = [this.#eventSeq, this.#number, this.#messages, this.#digest];
    return { eventSeq, number, messages, digest };
  }

  /** Numbers whose messages in the chat have to be looked at. */
  get open(): number[] {
    return [...this.#open.keys()];
  }

  add({ streamSeq, body }: ArchivedFact): void {
    this.#eventSeq = streamSeq;
    if (!body) return; // purged: the leaf alone says nothing of it
    const event = readArchived(body);
    if (!event) {
      this.#unreadable.push(streamSeq);
      return;
    }
    const { kind, detail } = event;
    switch (kind) {
      case "CHAT":
      case "STORY":
        return this.#posted({ ...detail, authorId: event.actor.id, atMs: event.at });
      case "MESSAGE_REMOVED":
        this.#open.set(detail.old.number, "gone");
        return;
      case "MESSAGE_REPLACED":
        this.#replaced(detail);
        return;
      case "ROOM_CLEARED":
        for (const number of this.#open.keys()) if (number <= detail.to) this.#open.set(number, "gone");
        for (const { number } of detail.old) this.#open.set(number, "gone");
        return;
      case "ROOM_IMPORTED":
        // Said elsewhere, and taken over with one event for all of it.
        this.#number = Math.max(this.#number, detail.after.lastNumber);
        return;
      default:
    }
  }

  /** The chat's messages under all numbers that are open: those that are as they must be are settled. */
  see({ kept, unkept }: Seen): void {
    const found = new Map(kept.map((message) => [message.number, message]));
    for (const [number, expected] of this.#open) {
      const message = found.get(number);
      const settled = message
        ? expected !== "gone" && sameMessage(message, expected)
        : expected === "gone" || unkept.has(number);
      if (settled) this.#open.delete(number);
    }
  }

  /** @param messages the chat's under the open numbers; `lastNumber` is given when everything up to it must be on record */
  differences(seen: Seen, lastNumber: number | undefined): Difference[] {
    this.see(seen);
    const found = new Map(seen.kept.map((message) => [message.number, message]));
    const accepted = this.#accepted;
    const wrong: Record<DifferenceKind, number[]> = {
      ...{ missing: [], surplus: [], altered: [], vanished: [] },
      unrecorded: [...this.#unrecorded],
      unreadable: this.#unreadable.filter((number) => !accepted.isUnreadable(number)),
    };
    for (const [number] of this.#open) {
      const message = found.get(number);
      if (!message) wrong.vanished.push(number);
      else if (!accepted.isAltered(number, () => messageDigest(message))) wrong.altered.push(number);
    }
    if (lastNumber !== undefined)
      for (let number = this.#number + 1; number <= lastNumber; number++) wrong.unrecorded.push(number);
    wrong.unrecorded = wrong.unrecorded.filter((number) => !accepted.isUnrecorded(number));
    wrong.vanished = wrong.vanished.filter((number) => !accepted.isVanished(number));
    return Object.entries(wrong).flatMap(([what, numbers]) =>
      ranges(numbers)
        .slice(0, maxRanges)
        .map(([first, last]) => ({ what: what as DifferenceKind, stream: this.#stream, first, last })),
    );
  }

  #posted({ number, authorId, atMs, alert, text, rtf }: ChatMessage): void {
    for (let left = this.#number + 1; left < number; left++) this.#unrecorded.push(left);
    this.#number = Math.max(this.#number, number);
    this.#messages += 1;
    const said = Buffer.from(messageDigest({ number, authorId, atMs, alert, text, rtf }), "base64");
    this.#digest = hash("sha256", Buffer.concat([this.#digest, said]), "buffer");
    this.#open.set(number, { number, authorId, atMs, alert, text, rtf });
  }

  #replaced({ old, text }: { old: { number: number; atMs: number }; text: string }): void {
    const before = this.#open.get(old.number);
    if (before === "gone") return;
    const { number, atMs } = old;
    // Posted before these pages: who posted it is not said again.
    const known = before ?? { number, authorId: 0, atMs, alert: false, onlyText: true };
    this.#open.set(number, { ...known, text, rtf: null });
  }
}

/** SHA-256 over all of a message, base64. */
export function messageDigest({ number, authorId, atMs, alert, text, rtf }: ChatMessage): string {
  return hash("sha256", JSON.stringify([number, authorId, atMs, alert, text, rtf]), "base64");
}

/** Halves of surrogate pairs cannot be stored: the chat has U+FFFD where the event has the half. */
function sameText(chat: string | null, archive: string | null): boolean {
  if (chat === archive) return true;
  return chat !== null && archive !== null && chat === wellFormed(archive);
}

function wellFormed(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}

function sameMessage(chat: ChatMessage, archive: Exclude<Expected, "gone">): boolean {
  return (
    chat.atMs === archive.atMs &&
    sameText(chat.text, archive.text) &&
    sameText(chat.rtf, archive.rtf) &&
    (archive.onlyText === true || (chat.authorId === archive.authorId && chat.alert === archive.alert))
  );
}

/** Consecutive numbers together. */
function ranges(numbers: readonly number[]): [first: number, last: number][] {
  const found: [number, number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = found.at(-1);
    if (last && number <= last[1] + 1) last[1] = number;
    else found.push([number, number]);
  }
  return found;
}
