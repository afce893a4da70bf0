import { childrenNamed, isTrue, seqidOf } from "./element.ts";
import { attributeNames } from "./names.ts";
import { defaultXmlLimits, parseXml, type XmlElement } from "./xml.ts";
import { element, escapeText } from "./xml-writer.ts";

/** Why a `<grpchat>` cannot be accepted as a post: SIP 400 on its INFO. */
export type PostProblem =
  | "bad-seqid"
  | "no-chan-uri"
  | "no-ts"
  | "no-chat"
  | "more-than-one-chat"
  | "element-in-chat"
  | "empty-chat"
  | "element-in-rtf";

/** A `<grpchat>` as the client sent it. Nothing in it is trusted, `author` and `ts` least of all. */
export interface WirePost {
  readonly seqid: string;
  /** "" when missing (problem "no-chan-uri"). Not checked further: `parseRoomUri` does. */
  readonly chanUri: string;
  readonly author: string | undefined;
  readonly ts: string | undefined;
  readonly alert: boolean;
  /** Exactly the character data of `<chat>`; what CR LF a client wrote arrives as LF (XML 1.0 §2.11). */
  readonly chat: string;
  readonly rtf: string | undefined;
  readonly problem: PostProblem | undefined;
}

/** Never throws: `problem` says what is wrong. Further children and attributes are ignored. */
export function decodeGrpchat(grpchat: XmlElement): WirePost {
  const seqid = seqidOf(grpchat);
  const chats = childrenNamed(grpchat, "chat");
  const rtfs = childrenNamed(grpchat, "rtf");
  const chanUri = grpchat.attributes.get("chanUri") ?? "";
  const ts = grpchat.attributes.get("ts");
  return {
    seqid: seqid ?? "1",
    chanUri,
    author: grpchat.attributes.get("author"),
    ts,
    alert: isTrue(grpchat.attributes.get(attributeNames.alert)),
    chat: chats[0]?.text ?? "",
    rtf: rtfs[0]?.text,
    problem: firstProblem(seqid, chanUri, ts, chats, rtfs),
  };
}

function firstProblem(
  seqid: string | undefined,
  chanUri: string,
  ts: string | undefined,
  chats: readonly XmlElement[],
  rtfs: readonly XmlElement[],
): PostProblem | undefined {
  const chat = chats[0];
  if (seqid === undefined) return "bad-seqid";
  if (chanUri === "") return "no-chan-uri";
  // The value is not used: the server stamps its own. Real servers demand that there is one.
  if (!ts) return "no-ts";
  if (!chat) return "no-chat";
  if (chats.length > 1) return "more-than-one-chat";
  if (chat.hasElementChildren) return "element-in-chat";
  if (chat.text === "") return "empty-chat";
  if (rtfs.length > 1 || rtfs[0]?.hasElementChildren) return "element-in-rtf";
  return undefined;
}

/** A message the server has stored, in the words of the wire. */
export interface WireMessage {
  readonly chanUri: string;
  readonly author: string;
  /** The author's display name. */
  readonly authdisp?: string | undefined;
  readonly alert?: boolean;
  /** Message number in the room, decimal. */
  readonly chatId: string | number | bigint;
  /** When the server received it, milliseconds since 1970. */
  readonly ts: number;
  readonly chat: string;
  readonly rtf?: string | undefined;
}

/**
 * The same element in two roles: `grpchat` as a live copy (only one per envelope, alone), `msg` inside a
 * history reply. The text comes out of a parser as it went in.
 *
 * @throws {RangeError} when `ts` is not a time
 */
export function encodeGrpchat(message: WireMessage, name: "grpchat" | "msg"): string {
  const chat = `<chat>${escapeText(message.chat)}</chat>`;
  const rtf = message.rtf === undefined ? "" : `<rtf>${escapeText(message.rtf)}</rtf>`;
  return element(
    name,
    {
      id: "grpchat", // COMPAT(SIPE, 1.25): it skips a msg without this id.
      seqid: "1",
      chanUri: message.chanUri,
      author: message.author,
      [attributeNames.authorDisplayName]: message.authdisp,
      [attributeNames.alert]: message.alert ?? false,
      [attributeNames.chatId]: String(message.chatId),
      ts: encodeTime(message.ts),
    },
    chat + rtf,
  );
}

/** What a filter looks at in a message that is on its way to participants. */
export interface FeedMessage {
  readonly chanUri: string;
  readonly author: string;
  /** Message number in the room, decimal. */
  readonly chatId: string;
  readonly ts: string;
  readonly text: string;
}

/** @param grpchat as `encodeGrpchat` wrote it, here or on another node */
export function readFeedMessage(grpchat: string): FeedMessage {
  const root = parseXml(Buffer.from(grpchat), { ...defaultXmlLimits, maxBodyBytes: 1_000_000 });
  const read = (name: string): string => root.attributes.get(name) ?? "";
  return {
    chanUri: read("chanUri"),
    author: read("author"),
    chatId: read(attributeNames.chatId),
    ts: read("ts"),
    text: root.children.find(({ name }) => name === "chat")?.text ?? "",
  };
}

/**
 * ISO 8601 in UTC with the seven fraction digits of the original servers.
 *
 * @param timeMs milliseconds since 1970
 * @throws {RangeError} when it is not a time
 */
export function encodeTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace("Z", "0000Z");
}
