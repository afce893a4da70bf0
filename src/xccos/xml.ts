import { SaxesParser, type SaxesTagNS } from "saxes";
import { XccosError, type XccosErrorCode } from "./error.ts";

/** One element. Comments are dropped, CDATA is character data, attributes with a prefix are ignored. */
export interface XmlElement {
  /** Local name, without prefix. */
  readonly name: string;
  /** Namespace URI, "" for none. */
  readonly namespace: string;
  /** Attributes without a prefix, by name. Namespace declarations are not in it. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Character data directly inside this element, white space kept; line ends as XML 1.0 §2.11 gives them. */
  readonly text: string;
  readonly hasElementChildren: boolean;
}

export interface XmlLimits {
  readonly maxBodyBytes: number;
  /** The root element has depth 1. */
  readonly maxDepth: number;
  /** Per element, namespace declarations counted. */
  readonly maxAttributes: number;
  readonly maxElements: number;
}

export const defaultXmlLimits: XmlLimits = {
  maxBodyBytes: 98_304,
  maxDepth: 32,
  maxAttributes: 64,
  maxElements: 4096,
};

interface OpenElement {
  name: string;
  namespace: string;
  attributes: Map<string, string>;
  children: OpenElement[];
  text: string;
  hasElementChildren: boolean;
}

// A byte order mark is left to the parser, which takes one and refuses a second.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a whole document into a tree. An encoding named in the XML declaration is ignored: on this wire
 * everything is UTF-8, and some writers declare the one they had in memory.
 *
 * @throws {XccosError} for whatever is not namespace-well-formed XML 1.0, for a doctype, a processing
 *   instruction, an entity beyond the five, and for every limit passed. The parser stops at the first of them.
 */
export function parseXml(body: Uint8Array, limits: XmlLimits = defaultXmlLimits): XmlElement {
  if (body.byteLength > limits.maxBodyBytes) throw new XccosError("body", "too-large");
  const document = decodeUtf8(body);

  const parser = new SaxesParser({
    xmlns: true,
    position: false,
    defaultXMLVersion: "1.0",
    forceXMLVersion: true,
  });
  const refuse = (code: XccosErrorCode): never => {
    throw new XccosError(`line ${parser.line}, column ${parser.column}`, code);
  };

  const open: OpenElement[] = [];
  let root: OpenElement | undefined;
  let elements = 0;
  let attributes = 0;

  // Six handlers and no more: with a seventh V8 gives up the fast layout of the parser object, and reading a
  // long post takes ten times as long. So the error handler is left out too: saxes, which would go on
  // after an error if there were one, throws without it.
  parser.on("processinginstruction", () => refuse("processing-instruction"));
  // Counted one by one: a tag of a million attributes ends at the 65th.
  parser.on("attribute", () => {
    attributes += 1;
    if (attributes > limits.maxAttributes) refuse("too-many-attributes");
  });
  parser.on("opentag", (tag) => {
    attributes = 0;
    elements += 1;
    if (elements > limits.maxElements) refuse("too-many-elements");
    if (open.length >= limits.maxDepth) refuse("too-deep");
    const element = openElement(tag);
    const parent = open.at(-1);
    if (parent) {
      parent.children.push(element);
      parent.hasElementChildren = true;
    } else {
      // A doctype stands before the root or nowhere; saxes skips it without reading its entities.
      if (document.slice(0, parser.position).includes("<!DOCTYPE")) refuse("doctype");
      root = element;
    }
    open.push(element);
  });
  parser.on("closetag", () => {
    open.pop();
  });
  const append = (text: string): void => {
    const element = open.at(-1);
    if (element) element.text += text;
  };
  parser.on("text", append);
  parser.on("cdata", append);

  try {
    parser.write(document).close();
  } catch (error) {
    if (error instanceof XccosError) throw error;
    // The message may quote the body, so only its kind is kept.
    refuse(error instanceof Error && isAboutEntity(error.message) ? "entity" : "not-well-formed");
  }
  return root ?? refuse("not-well-formed");
}

function decodeUtf8(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new XccosError("body", "invalid-utf8");
  }
}

function openElement(tag: SaxesTagNS): OpenElement {
  const attributes = new Map<string, string>();
  for (const key in tag.attributes) {
    const attribute = tag.attributes[key];
    if (attribute?.uri === "") attributes.set(attribute.local, attribute.value);
  }
  return {
    name: tag.local,
    namespace: tag.uri,
    attributes,
    children: [],
    text: "",
    hasElementChildren: false,
  };
}

function isAboutEntity(message: string): boolean {
  return /^(undefined|empty) entity|character entity|entity name/.test(message);
}
