import { type ArchivedEvent, detailInteger, detailText } from "../archived-event.ts";
import { type Conversation, groupByRoom } from "./conversations.ts";
import { type ArchiveFormat, type RenderedBatch, type RenderedPart, UnfitEvent } from "./format.ts";
import { timeAttributes } from "./lync-time.ts";
import { type AttributeText, attributeText, attributeUri } from "./xml-text.ts";

/**
 * The XML of Lync 2013's built-in compliance adapter: Conversations/Conversation with Channel, FirstMessage, Messages,
 * StartTimeUTC, EndTimeUTC; no namespace. Its six message types are all it knows; what it has no place for goes to
 * `unmapped`.
 */
export const lyncXml: ArchiveFormat = {
  name: "lync-xml",
  version: 1,
  render(events, { filePerRoom }) {
    const notes = new Notes();
    const conversations = groupByRoom(events.filter((event) => isMapped(event, notes)));
    const parts = filePerRoom ? byRoom(conversations, notes) : all(conversations, notes);
    return { parts, ...notes.result() };
  },
};

/** Identifiers of our own that the grammar has no attribute for; events are found again by room, time and message number. */
const neverExpressed = ["eventId", "node", "session", "stream", "streamSeq"] as const;

/** xs:int. A larger id would be refused by the receiver's validator or, worse, wrap. */
const maxInt = 2 ** 31 - 1;

/** What was lost on the way, collected while rendering. */
class Notes {
  readonly #lossy = new Set<string>();
  readonly #lines = new Map<string, string>();

  /** The event as a whole is not in the parts, or its text is not exact. */
  whole(event: ArchivedEvent, field: string): void {
    this.#lossy.add(field);
    this.#lines.set(event.eventId, event.body);
  }

  /** Only these fields are missing. */
  fields(event: ArchivedEvent, fields: Readonly<Record<string, unknown>>): void {
    for (const name of Object.keys(fields)) this.#lossy.add(`${event.kind}.${name}`);
    if (this.#lines.has(event.eventId)) return;
    this.#lines.set(event.eventId, JSON.stringify({ eventId: event.eventId, kind: event.kind, fields }));
  }

  result(): Omit<RenderedBatch, "parts"> {
    const unmapped = [...this.#lines]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([, line]) => line);
    return { unmapped, lossyFields: [...neverExpressed, ...this.#lossy].sort() };
  }
}

function isMapped(event: ArchivedEvent, notes: Notes): boolean {
  if (["JOIN", "PART", "CHAT", "STORY", "BACKCHAT", "SEARCH"].includes(event.kind)) return true;
  notes.whole(event, `kind:${event.kind}`);
  return false;
}

function all(conversations: readonly Conversation[], notes: Notes): RenderedPart[] {
  return conversations.length === 0 ? [] : [part(conversations, notes)];
}

function byRoom(conversations: readonly Conversation[], notes: Notes): RenderedPart[] {
  const rooms = new Map<number, Conversation[]>();
  for (const conversation of conversations) {
    rooms.set(conversation.room.id, [...(rooms.get(conversation.room.id) ?? []), conversation]);
  }
  return [...rooms.values()].map((list) => part(list, notes));
}

function part(conversations: readonly Conversation[], notes: Notes): RenderedPart {
  const lines = ['<?xml version="1.0" encoding="utf-8"?>', "<Conversations>"];
  for (const conversation of conversations) writeConversation(lines, conversation, notes);
  lines.push("</Conversations>", "");
  return {
    extension: "xml",
    bytes: Buffer.from(lines.join("\n"), "utf8"),
    events: conversations.reduce((sum, { events }) => sum + events.length, 0),
    roomIds: [...new Set(conversations.map(({ room }) => room.id))],
  };
}

function writeConversation(lines: string[], { room, events }: Conversation, notes: Notes): void {
  const first = events[0];
  const last = events.at(-1);
  if (first === undefined || last === undefined) return;
  const uri = exact(attributeUri(room.uri), first, "room.uri", notes);
  const name = exact(attributeText(room.name), first, "room.name", notes);
  lines.push(" <Conversation>", `  <Channel uri="${uri}" name="${name}"/>`);
  const messages = events.map((event) => messageBody(event, notes));
  const indent = "  ";
  lines.push(`${indent}<FirstMessage ${messages[0]}`, `${indent}</FirstMessage>`, `${indent}<Messages>`);
  for (const message of messages) lines.push(`${indent}<Message ${message}`, `${indent}</Message>`);
  lines.push(`${indent}</Messages>`);
  const times = events.map(({ atMs }) => atMs);
  lines.push(`${indent}<StartTimeUTC ${timeAttributes(times.reduce((a, b) => Math.min(a, b)))}/>`);
  lines.push(`${indent}<EndTimeUTC ${timeAttributes(times.reduce((a, b) => Math.max(a, b)))}/>`);
  lines.push(" </Conversation>");
}

/** Attributes and children of Message and of FirstMessage, which repeats the first one. */
function messageBody(event: ArchivedEvent, notes: Notes): string {
  const { type, content, id } = mapped(event, notes);
  const text = exact(attributeText(content), event, "content", notes);
  const { actor } = event;
  const userName = exact(attributeText(actor.name), event, "actor.name", notes);
  const email =
    actor.email === null ? "" : ` email="${exact(attributeText(actor.email), event, "actor.email", notes)}"`;
  const uri = exact(attributeUri(actor.uri), event, "actor.uri", notes);
  return [
    `type="${type}" content="${text}" id="${int(id, "detail.number")}">`,
    `   <Sender UserName="${userName}" id="${int(actor.id, "actor.id")}"${email} internal="true" uri="${uri}"/>`,
    `   <DateTimeUTC ${timeAttributes(event.atMs)}/>`,
  ].join("\n");
}

function mapped(event: ArchivedEvent, notes: Notes): { type: string; content: string; id: number } {
  switch (event.kind) {
    case "JOIN":
      return { type: "JOIN", content: "", id: 0 };
    case "PART":
      notes.fields(event, { reason: detailText(event, "reason") });
      return { type: "PART", content: "", id: 0 };
    case "CHAT":
    case "STORY": {
      const { alert, rtf } = event.detail;
      const extra = {
        ...(event.kind === "STORY" ? { kind: "STORY" } : {}),
        ...(alert === true ? { alert } : {}),
        ...(rtf === null || rtf === undefined ? {} : { rtf }),
      };
      if (Object.keys(extra).length > 0) notes.fields(event, extra);
      return { type: "CHAT", content: detailText(event, "text"), id: detailInteger(event, "number") };
    }
    case "BACKCHAT": {
      const [from, to] = [detailInteger(event, "from"), detailInteger(event, "to")];
      const returned = `${from}-${to}/${detailInteger(event, "count")}`;
      return {
        type: "BACKCHAT",
        content: `since=${from};limit=${detailInteger(event, "limit")};returned=${returned}`,
        id: 0,
      };
    }
    case "SEARCH": {
      // The grammar has no type for searches: Lync's came as BACKCHAT.
      const { criteria, shown, matches, exceeded } = event.detail;
      const { text, limit, ...others } = searchCriteria(criteria);
      notes.fields(event, { criteria: others, exceeded, matches, shown });
      const numbers = Array.isArray(shown) ? shown : [];
      const returned = `${numbers[0] ?? 0}-${numbers.at(-1) ?? 0}/${numbers.length}`;
      return { type: "BACKCHAT", content: `search:${text};limit=${limit};returned=${returned}`, id: 0 };
    }
    default:
      throw new UnfitEvent("kind");
  }
}

/** @throws UnfitEvent */
function searchCriteria(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new UnfitEvent("detail.criteria");
  return { ...value };
}

function exact({ xml, lossy }: AttributeText, event: ArchivedEvent, field: string, notes: Notes): string {
  if (lossy) notes.whole(event, field);
  return xml;
}

/** @throws UnfitEvent */
function int(value: number, field: string): number {
  if (value > maxInt || value < -maxInt - 1) throw new UnfitEvent(field);
  return value;
}
