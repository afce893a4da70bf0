import { countOf, type InvalidCommand, invalid, MAX_CRITERIA_LENGTH, roomOfChanib } from "./arguments.ts";
import { childNamed, childrenNamed, isTrue } from "./element.ts";
import { type HistorySearchCommand, historySearch } from "./history-search.ts";
import { decodeManagement, type ManagementCommand } from "./management-arguments.ts";
import { searchAttributes } from "./names.ts";
import { type RoomRef, roomRef } from "./uri.ts";
import type { XmlElement } from "./xml.ts";

/** A command without its seqid. */
export type CommandBody =
  | { readonly kind: "requri" }
  | { readonly kind: "getserverinfo" }
  | {
      readonly kind: "getassociations";
      readonly domain: string | undefined;
      readonly type: "MEMBER" | "MANAGER";
      readonly maxResults: number | undefined;
    }
  | RoomSearch
  /** Distinct rooms, at least one, in the order given. */
  | { readonly kind: "join"; readonly rooms: readonly RoomRef[] }
  | { readonly kind: "bjoin"; readonly rooms: readonly RoomRef[] }
  | { readonly kind: "part"; readonly rooms: readonly RoomRef[] }
  /** `last`: messages wanted, undefined when the client leaves it to the server. Not capped here. */
  | { readonly kind: "bccontext"; readonly room: RoomRef; readonly last: number | undefined }
  | HistorySearchCommand
  /** Invitations with a greater id than `after`. */
  | { readonly kind: "getinv"; readonly after: number; readonly domain: string | undefined }
  | {
      readonly kind: "getpref";
      readonly label: string;
      readonly version: number;
      readonly createDefault: boolean;
    }
  /** `content` is Base64 as received. */
  | { readonly kind: "setpref"; readonly label: string; readonly version: number; readonly content: string }
  | ManagementCommand
  /** Every id this codec does not know; answered 501. `name` is in lower case and safe to echo. */
  | { readonly kind: "unsupported"; readonly name: string }
  | InvalidCommand;

/** `cmd:chansrch`. What is undefined was not asked for. */
export interface RoomSearch {
  readonly kind: "chansrch";
  /** Upper case; "BYNAME" in everything seen. */
  readonly qtype: string;
  /** "" asks for every visible room. */
  readonly criteria: string;
  /** Search the description as well. */
  readonly extended: boolean;
  readonly maxResults: number | undefined;
  readonly category: string | undefined;
  readonly member: string | undefined;
  readonly manager: string | undefined;
  readonly participant: string | undefined;
  readonly disabled: boolean | undefined;
  readonly visibility: string | undefined;
  readonly behavior: string | undefined;
  readonly addIn: string | undefined;
  readonly invite: boolean | undefined;
  /** Upper case. */
  readonly match: string | undefined;
}

/** More in one command is refused with 413. */
export const MAX_ROOMS_PER_COMMAND = 500;
/** Characters of Base64, 64 KiB of content. */
const MAX_PREFERENCE_LENGTH = 87_384;
const MAX_LABEL_LENGTH = 255;
/** Reads `data` of the command of that name (lower case, without "cmd:"). Never throws. */
export function decodeArguments(name: string, cmd: XmlElement): CommandBody {
  const data = childNamed(cmd, "data");
  switch (name) {
    case "requri":
    case "getserverinfo":
      // infoType of getserverinfo is ignored: everything is told.
      return { kind: name };
    case "getassociations":
      return associations(name, data);
    case "chansrch":
      return roomSearch(name, data);
    case "join":
    case "bjoin":
      return roomCommand(name, childrenNamed(data, "chanid"), roomOfChanid);
    case "part":
      return roomCommand(name, childrenNamed(data, "chanib"), roomOfChanib);
    case "bccontext":
      return context(name, data);
    case "bcbydate":
    case "bcbymsgid": {
      const search = historySearch(name, data);
      return "problem" in search ? invalid(name, search.problem, search.code) : search;
    }
    case "getinv":
      return invitations(name, data);
    case "getpref":
    case "setpref":
      return preference(name, data);
    default:
      return decodeManagement(name, data) ?? { kind: "unsupported", name };
  }
}

function roomOfChanid(chanid: XmlElement): RoomRef | undefined {
  return roomRef(chanid.attributes.get("domain") ?? "", chanid.attributes.get("value") ?? "");
}

function roomCommand(
  name: "join" | "bjoin" | "part",
  elements: readonly XmlElement[],
  roomOf: (element: XmlElement) => RoomRef | undefined,
): CommandBody {
  if (elements.length === 0) return invalid(name, "No room is named");
  if (elements.length > MAX_ROOMS_PER_COMMAND) {
    return invalid(name, `More than ${MAX_ROOMS_PER_COMMAND} rooms in one command`, 413);
  }
  const rooms = new Map<string, RoomRef>();
  for (const element of elements) {
    const room = roomOf(element);
    if (!room) return invalid(name, "A room is not named properly");
    rooms.set(room.uri, room);
  }
  return { kind: name, rooms: [...rooms.values()] };
}

function associations(name: string, data: XmlElement | undefined): CommandBody {
  const association = childNamed(data, "association");
  const type = association?.attributes.get("type")?.toUpperCase();
  if (type !== "MEMBER" && type !== "MANAGER") return invalid(name, "The type of association is not known");
  const maxResults = countOf(association, "maxResults");
  if (maxResults === "bad") return invalid(name, "maxResults is not a sensible number");
  return { kind: "getassociations", domain: association?.attributes.get("domain"), type, maxResults };
}

function roomSearch(name: string, data: XmlElement | undefined): CommandBody {
  const qib = childNamed(data, "qib");
  const asked = (attribute: string): string | undefined => qib?.attributes.get(attribute);
  const criteria = asked("criteria") ?? "";
  if (criteria.length > MAX_CRITERIA_LENGTH) return invalid(name, "The search text is too long", 413);
  const maxResults = countOf(qib, searchAttributes.maxResults);
  if (maxResults === "bad") return invalid(name, "maxResults is not a sensible number");
  const isAsked = (attribute: string): boolean | undefined =>
    asked(attribute) === undefined ? undefined : isTrue(asked(attribute));
  return {
    kind: "chansrch",
    qtype: (asked("qtype") ?? "BYNAME").toUpperCase(),
    criteria,
    extended: isTrue(asked("extended")),
    maxResults,
    category: asked(searchAttributes.category),
    member: asked(searchAttributes.member),
    manager: asked(searchAttributes.manager),
    participant: asked(searchAttributes.participant),
    disabled: isAsked(searchAttributes.disabled),
    visibility: asked(searchAttributes.visibility),
    behavior: asked(searchAttributes.behavior),
    addIn: asked(searchAttributes.addIn),
    invite: isAsked(searchAttributes.invite),
    match: asked(searchAttributes.match)?.toUpperCase(),
  };
}

function context(name: string, data: XmlElement | undefined): CommandBody {
  const chanib = childNamed(data, "chanib");
  const room = chanib && roomOfChanib(chanib);
  if (!room) return invalid(name, "No room is named");
  const last = countOf(childNamed(childNamed(data, "bcq"), "last"), "cnt");
  if (last === "bad") return invalid(name, "The number of messages is not a sensible number");
  return { kind: "bccontext", room, last };
}

function invitations(name: string, data: XmlElement | undefined): CommandBody {
  const inv = childNamed(data, "inv");
  const after = countOf(inv, "inviteId", Number.MAX_SAFE_INTEGER) ?? 0;
  if (after === "bad") return invalid(name, "inviteId is not a sensible number");
  return { kind: "getinv", after, domain: inv?.attributes.get("domain") };
}

function preference(name: "getpref" | "setpref", data: XmlElement | undefined): CommandBody {
  const pref = childNamed(data, "pref");
  const label = pref?.attributes.get("label") ?? "";
  if (label === "" || label.length > MAX_LABEL_LENGTH)
    return invalid(name, "The label is missing or too long");
  const version = countOf(pref, "seqid") ?? 0;
  if (version === "bad") return invalid(name, "The version is not a sensible number");
  if (name === "getpref") {
    return { kind: name, label, version, createDefault: isTrue(pref?.attributes.get("createdefault")) };
  }
  const content = pref?.attributes.get("content") ?? "";
  if (content.length > MAX_PREFERENCE_LENGTH) return invalid(name, "The content is larger than 64 KiB", 413);
  // Length first: the pattern then runs over a bounded text.
  if (content.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(content)) {
    return invalid(name, "The content is not Base64");
  }
  return { kind: name, label, version, content };
}
