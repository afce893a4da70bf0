import type { OldMessage } from "../chat/compliance-event.ts";
import { ChatError } from "../chat/errors.ts";
import { filterProblem, type MessageFilter, messageMatcher } from "../chat/message-filter.ts";
import type { Room } from "../chat/room.ts";
import type { Actor } from "./actor.ts";
import { userUri } from "./addresses.ts";
import { MAX_MESSAGES_AT_ONCE, type ManagementUnit, type RoomName } from "./ports.ts";
import type { Rights } from "./rights.ts";
import { foundRoom, lockedRoom } from "./room-changes.ts";

/** Why it is done, for the archive; and whether it is done at all or only counted. */
interface Motive {
  readonly reason: string;
  readonly dryRun?: boolean;
  /**
   * Called after each step, which stays done whatever happens after it: how many numbers of messages were looked at, and how many
   * there are, where it is not found out on the way.
   */
  readonly onProgress?: (looked: number, all?: number) => void;
}

export interface MessageModeration extends Motive {
  readonly filter: MessageFilter;
  /** In place of each text; null: the messages are removed. */
  readonly replacement: string | null;
}

export interface RoomClearing extends Motive {
  /** Milliseconds since 1970: the first message of this moment or later stays, and all after it. Undefined: none stays. */
  readonly beforeMs?: number;
}

export interface Moderated {
  /** Removed or replaced, or for a dry run those that would be. */
  readonly messages: number;
}

/** Numbers in one look. */
const LOOK = 1_000;
/** Decisions that somebody else's change made void, one after the other. */
const MAX_ATTEMPTS = 5;
/** Characters. */
const MAX_REASON = 1_000;
/** UTF-8 bytes, as for what is posted. */
const MAX_REPLACEMENT_BYTES = 8_000;

/**
 * Messages taken out of a room, or given another text. They keep their numbers. A step is one transaction, which records the old
 * texts and holds the room for a moment only; a long piece of work is many steps, and what was done of it stays done.
 */
export function moderation(rights: Rights) {
  const { store } = rights;

  /** One step, under rights that hold while it is made. */
  async function step<Result>(
    actor: Actor,
    name: RoomName,
    work: (unit: ManagementUnit, room: Room) => Promise<Result>,
  ): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      const seen = await rights.inRoom(actor, name, ["moderate"]);
      try {
        return await store.change(actor, async (unit) => {
          const room = await lockedRoom(unit, seen ? { id: seen.id } : name);
          if (seen && seen.accessVersion !== room.accessVersion) throw new ChatError("COLLISION");
          return work(unit, room);
        });
      } catch (error) {
        const collided = error instanceof ChatError && error.code === "COLLISION";
        if (!collided || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /** The room as it is now, and a name that no renaming takes from it. */
  async function begin(actor: Actor, name: RoomName): Promise<{ id: number; name: RoomName }> {
    const seen = await rights.inRoom(actor, name, ["moderate"]);
    if (seen) return { id: seen.id, name };
    const { id } = foundRoom(await store.findRoom(name), name);
    return { id, name: { id } };
  }

  return {
    /**
     * Removes or replaces the messages that the filter lets through, of those that are there at the beginning.
     * @throws {ChatError} BAD_REQUEST, ROOM_NOT_FOUND, NOT_PERMITTED, ROOM_DISABLED
     */
    async moderateMessages(actor: Actor, name: RoomName, wanted: MessageModeration): Promise<Moderated> {
      checkReason(wanted);
      checkReplacement(wanted.replacement);
      const filter = checkedFilter(wanted.filter);
      const matches = messageMatcher(filter);
      const room = await begin(actor, name);
      const { first, last } = await store.numbers(room.id);
      const all = [...spans(filter, first, last)].reduce((sum, { from, to }) => sum + to - from + 1, 0);
      let messages = 0;
      let looked = 0;
      for (const { from, to } of spans(filter, first, last)) {
        const span = { from, to, author: filter.author, withText: filter.words !== undefined };
        const found = (await store.lookThrough(room.id, span)).filter(matches).map(({ number }) => number);
        for (let at = 0; at < found.length; at += MAX_MESSAGES_AT_ONCE) {
          const some = found.slice(at, at + MAX_MESSAGES_AT_ONCE);
          messages += wanted.dryRun
            ? some.length
            : await step(actor, room.name, (unit, { id, uri, name: called }) =>
                moderate(unit, { id, uri, name: called }, some, matches, wanted),
              );
          wanted.onProgress?.(looked, all);
        }
        looked += to - from + 1;
        wanted.onProgress?.(looked, all);
      }
      return { messages };
    },

    /**
     * Removes the messages of a room from the first one on.
     * @throws {ChatError} BAD_REQUEST, ROOM_NOT_FOUND, NOT_PERMITTED, ROOM_DISABLED
     */
    async clearRoom(actor: Actor, name: RoomName, wanted: RoomClearing): Promise<Moderated> {
      checkReason(wanted);
      const { reason, beforeMs = null } = wanted;
      const goes = ({ atMs }: { readonly atMs: number }) => beforeMs === null || atMs < beforeMs;
      const room = await begin(actor, name);
      const { first, last } = await store.numbers(room.id);
      // Where it ends is known from the beginning only when all of them go.
      const told = (to: number) =>
        wanted.onProgress?.(to - first + 1, beforeMs === null ? last - first + 1 : undefined);
      let messages = 0;
      if (wanted.dryRun) {
        for (const { from, to } of spans({}, first, last)) {
          const found = await store.lookThrough(room.id, { from, to, author: undefined, withText: false });
          const staying = found.findIndex((message) => !goes(message));
          messages += staying < 0 ? found.length : staying;
          told(to);
          if (staying >= 0) break;
        }
        return { messages };
      }
      for (let finished = false; !finished; ) {
        const done = await step(actor, room.name, async (unit, now) => {
          const portion = await unit.firstMessages(now.id);
          const staying = portion.findIndex((message) => message.number > last || !goes(message));
          const old = staying < 0 ? portion : portion.slice(0, staying);
          const to = old.at(-1)?.number ?? 0;
          // The end is found when something stays, or nothing was left to look at.
          const isLast = staying >= 0 || portion.length === 0;
          if (old.length > 0) {
            await unit.clearMessages(now.id, to);
            unit.record({ kind: "ROOM_CLEARED", reason, beforeMs, to, old }, now);
          }
          // Participants are told once, at the end.
          if (isLast && messages + old.length > 0) unit.changed({ kind: "messages", id: now.id });
          return { isLast, messages: old.length, to };
        });
        finished = done.isLast;
        messages += done.messages;
        if (done.to > 0) told(done.to);
      }
      return { messages };
    },
  };
}

async function moderate(
  unit: ManagementUnit,
  room: Pick<Room, "id" | "uri" | "name">,
  numbers: readonly number[],
  matches: (message: OldMessage) => boolean,
  { replacement, reason }: MessageModeration,
): Promise<number> {
  // As they are now: somebody else may have been quicker.
  const old = (await unit.messages(room.id, numbers)).filter(
    (message) => matches(message) && (message.text !== replacement || message.rtf !== null),
  );
  if (old.length === 0) return 0;
  const gone = old.map(({ number }) => number);
  if (replacement === null) await unit.removeMessages(room.id, gone);
  else await unit.replaceMessages(room.id, gone, replacement);
  for (const message of old)
    unit.record(
      replacement === null
        ? { kind: "MESSAGE_REMOVED", reason, old: message }
        : { kind: "MESSAGE_REPLACED", reason, old: message, text: replacement },
      room,
    );
  unit.changed({ kind: "messages", id: room.id });
  return old.length;
}

/** Where to look: at the numbers that are named, or at all there are. */
function* spans(
  { numbers }: MessageFilter,
  first: number,
  last: number,
): Generator<{ readonly from: number; readonly to: number }> {
  if (numbers) {
    for (const number of new Set(numbers))
      if (number >= first && number <= last) yield { from: number, to: number };
    return;
  }
  for (let from = first; from <= last; from += LOOK) yield { from, to: Math.min(last, from + LOOK - 1) };
}

/** @throws {ChatError} BAD_REQUEST */
function checkedFilter(filter: MessageFilter): MessageFilter {
  const problem = filterProblem(filter);
  if (problem) throw new ChatError("BAD_REQUEST", { detail: problem });
  return filter.author === undefined ? filter : { ...filter, author: userUri(filter.author) };
}

/** @throws {ChatError} BAD_REQUEST */
function checkReason({ reason }: Motive): void {
  if (reason.trim() === "" || reason.length > MAX_REASON)
    throw new ChatError("BAD_REQUEST", {
      detail: `Give a reason of 1 to ${MAX_REASON} characters: the archive keeps it.`,
    });
}

/** @throws {ChatError} BAD_REQUEST */
function checkReplacement(text: string | null): void {
  if (text !== null && (text.trim() === "" || Buffer.byteLength(text) > MAX_REPLACEMENT_BYTES))
    throw new ChatError("BAD_REQUEST", {
      detail: `A text in place of another has 1 to ${MAX_REPLACEMENT_BYTES} bytes.`,
    });
}
