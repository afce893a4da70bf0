import { ClientError } from "./client-error.ts";
import { attribute, child, escapeXml, readXml, type XmlElement } from "./xml-reader.ts";

/** Namespace of every XCCOS document. */
export const XCCOS_NAMESPACE = "urn:parlano:xml:ns:xccos";

/** A received `<xccos>` document. */
export interface Envelope {
  /** As written: real servers use 64 bit numbers. */
  readonly envid: string;
  readonly version: string;
  /** `rpl`, `ntc`, `grpchat`, … in document order. */
  readonly items: readonly XmlElement[];
}

/** One chat message as a client sees it, live or from history. */
export interface ChatCopy {
  /** Number within the room; 0 when the server gave none. */
  readonly chatId: number;
  /** "ma-chan://…" */
  readonly room: string;
  readonly author: string;
  readonly authorName: string;
  readonly text: string;
  readonly rtf: string | undefined;
  readonly alert: boolean;
  /** ISO 8601, as written. */
  readonly ts: string;
  /** Milliseconds on the process' monotonic clock (performance.now). */
  readonly receivedAt: number;
}

/** `<xccos>` around `inner`, with the attribute order of stock clients. */
export function envelopeXml(envid: number | string, inner: string): string {
  return `<xccos ver="1" envid="${envid}" xmlns="${XCCOS_NAMESPACE}">${inner}</xccos>`;
}

/** `<cmd>` with data given as XML ("" for none). */
export function commandXml(name: string, dataXml: string, seqid = 1): string {
  const data = dataXml === "" ? "<data/>" : `<data>${dataXml}</data>`;
  return `<cmd id="cmd:${escapeXml(name)}" seqid="${seqid}">${data}</cmd>`;
}

export interface GrpchatFields {
  readonly room: string;
  /** null leaves the attribute out. */
  readonly author: string | null;
  /** null leaves the attribute out. */
  readonly ts: string | null;
  readonly seqid: number | string;
  readonly alert?: boolean | undefined;
  /** XML between the tags of grpchat. */
  readonly inner: string;
}

/** `<grpchat>` as a client posts it. */
export function grpchatXml(fields: GrpchatFields): string {
  const author = fields.author === null ? "" : ` author="${escapeXml(fields.author)}"`;
  const ts = fields.ts === null ? "" : ` ts="${escapeXml(fields.ts)}"`;
  const alert = fields.alert === undefined ? "" : ` alert="${fields.alert}"`;
  const room = escapeXml(fields.room);
  return `<grpchat id="grpchat" seqid="${fields.seqid}" chanUri="${room}"${author}${alert}${ts}>${fields.inner}</grpchat>`;
}

/**
 * Reads the body of an INFO.
 * @throws ClientError kind "syntax": not XML, another root or another namespace
 */
export function readEnvelope(body: Buffer): Envelope {
  const root = readXml(body.toString("utf8"));
  if (root.name !== "xccos" || root.namespace !== XCCOS_NAMESPACE) {
    throw new ClientError("syntax", "root element is not xccos of the XCCOS namespace");
  }
  return { envid: attribute(root, "envid"), version: attribute(root, "ver"), items: root.children };
}

/** Reads a `grpchat` or the `msg` of a history reply. */
export function readChat(element: XmlElement): ChatCopy {
  return {
    chatId: Number(attribute(element, "chatId")),
    room: attribute(element, "chanUri"),
    author: attribute(element, "author"),
    authorName: attribute(element, "authdisp"),
    text: child(element, "chat")?.text ?? "",
    rtf: child(element, "rtf")?.text,
    alert: attribute(element, "alert") === "true",
    ts: attribute(element, "ts"),
    receivedAt: performance.now(),
  };
}

/**
 * The same for load generators: finds the fields of a live copy by search instead of parsing. Only for bodies
 * written by our own server (double quotes, no comments); undefined when it is not a lone grpchat.
 */
export function scanChat(body: Buffer): ChatCopy | undefined {
  const text = body.toString("utf8");
  const start = text.indexOf("<grpchat ");
  if (start < 0) return undefined;
  const end = text.indexOf(">", start);
  const chat = text.indexOf("<chat>", end);
  const tag = text.slice(start, end);
  return {
    chatId: Number(scanAttribute(tag, ' chatId="')),
    room: scanAttribute(tag, ' chanUri="'),
    author: scanAttribute(tag, ' author="'),
    authorName: scanAttribute(tag, ' authdisp="'),
    text: chat < 0 ? "" : unescapeXml(text.slice(chat + 6, text.indexOf("</chat>", chat))),
    rtf: undefined,
    alert: tag.includes(' alert="true"'),
    ts: scanAttribute(tag, ' ts="'),
    receivedAt: performance.now(),
  };
}

function scanAttribute(tag: string, opening: string): string {
  const at = tag.indexOf(opening);
  if (at < 0) return "";
  return unescapeXml(tag.slice(at + opening.length, tag.indexOf('"', at + opening.length)));
}

function unescapeXml(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:(lt|gt|amp|quot|apos)|#(\d+)|#x([0-9a-fA-F]+));/g, (_, name, decimal, hex) => {
    if (name !== undefined) return NAMED[String(name)] ?? "";
    return String.fromCodePoint(decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal));
  });
}

const NAMED: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
