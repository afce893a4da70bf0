import { ClientError } from "./client-error.ts";
import type { Reply } from "./pending-commands.ts";
import type { SendCommand } from "./room-commands.ts";
import { readFailedRooms } from "./room-data.ts";
import { type ChatCopy, readChat } from "./xccos-body.ts";
import { attribute, child, children, escapeXml, type XmlElement } from "./xml-reader.ts";

/** What is left out is not asked for. */
export interface SearchOptions {
  /** None: every room the user may read. */
  readonly rooms?: readonly string[];
  readonly text?: string;
  readonly match?: "ANY" | "ALL" | "EXACT";
  readonly caseSensitive?: boolean;
  readonly authors?: readonly string[];
  /** ISO 8601. */
  readonly from?: string;
  readonly to?: string;
  /** The first message to look at: asks with bcbymsgid, which knows no dates. */
  readonly start?: number;
  readonly limit?: number;
  readonly backwards?: boolean;
  readonly newestFirst?: boolean;
}

export interface SearchedRoom {
  readonly uri: string;
  readonly name: string;
  readonly matches: number;
  readonly exceeded: boolean;
  readonly messages: readonly ChatCopy[];
}

export interface SearchReply extends Reply {
  readonly found: readonly SearchedRoom[];
  /** Rooms that could not be searched. */
  readonly failed: readonly string[];
  /** The server stopped before the end; rooms are missing. */
  readonly unfinished: boolean;
}

export async function searchHistory(send: SendCommand, options: SearchOptions): Promise<SearchReply> {
  const { rooms = [], start } = options;
  const chanibs = rooms.map((uri) => `<chanib uri="${escapeXml(uri)}"/>`).join("");
  const name = start === undefined ? "bcbydate" : "bcbymsgid";
  const [reply] = await send(name, `${chanibs}<bcq>${criteria(options)}</bcq>`);
  if (!reply) throw new ClientError("state", "command settled without a reply");
  return {
    ...reply,
    found: children(reply.data, "chanib").map(readSearchedRoom),
    failed: readFailedRooms(reply.data),
    unfinished: child(reply.data, "matchcnt") !== undefined,
  };
}

function criteria(options: SearchOptions): string {
  const { text, match = "ANY", caseSensitive = false, authors = [], from, to, start, limit } = options;
  const date = [from === undefined ? "" : ` from="${from}"`, to === undefined ? "" : ` to="${to}"`].join("");
  return [
    limit === undefined ? "" : `<limit cnt="${limit}"/>`,
    text === undefined ? "" : `<text mt="${match}" cs="${caseSensitive}">${escapeXml(text)}</text>`,
    ...authors.map((author) => `<author uri="${escapeXml(author)}"/>`),
    date === "" ? "" : `<date${date}/>`,
    start === undefined ? "" : `<msgid id="${start}"/>`,
    options.backwards === undefined ? "" : `<searchbkwds>${options.backwards}</searchbkwds>`,
    options.newestFirst === undefined ? "" : `<sortbkwds>${options.newestFirst}</sortbkwds>`,
  ].join("");
}

function readSearchedRoom(block: XmlElement): SearchedRoom {
  const count = child(block, "matchcnt");
  return {
    uri: attribute(block, "uri"),
    name: attribute(block, "name"),
    matches: count ? Number(attribute(count, "cnt")) : Number.NaN,
    exceeded: count !== undefined && attribute(count, "exceeded") === "true",
    messages: children(block, "msg").map(readChat),
  };
}
