import { SaxesParser, type SaxesTagNS } from "saxes";
import { XccosError } from "./error.ts";
import { isPublishedCategory, presenceNames } from "./names.ts";
import { parseXml, type XmlElement } from "./xml.ts";
import { escapeAttribute, escapeText } from "./xml-writer.ts";

/** Content-Type of a SERVICE that publishes presence categories ([MS-PRES] §2.2.2.2). */
export const PUBLISH_CONTENT_TYPE = "application/msrtc-category-publish+xml";

const NAMESPACE = "http://schemas.microsoft.com/2006/09/sip/rich-presence";
const MAX_PUBLICATIONS = 200;
/** Depth of a publication in the document: publish, publications, publication. */
const PUBLICATION_DEPTH = 3;
const EXPIRE_TYPES = new Set(["static", "user", "endpoint", "device", "time"]);

/** One instance of a category to be written, or removed. */
export interface WirePublication {
  /** Place in the document, counted from 1: faults name it. */
  readonly index: number;
  readonly category: string;
  readonly instance: number;
  readonly container: number;
  readonly version: number;
  readonly expireType: string;
  /** Null removes it. */
  readonly content: string | null;
}

export interface WirePublish {
  /** Whose presence it is, as the client wrote it. */
  readonly uri: string;
  /** Those of categories that are kept here; the presence of the user himself is somebody else's. */
  readonly publications: readonly WirePublication[];
}

/** @throws {XccosError} when it is no such document */
export function decodePublish(body: Uint8Array): WirePublish {
  const root = parseXml(body);
  if (root.name !== "publish" || root.namespace !== NAMESPACE)
    throw new XccosError("publish", "wrong-namespace");
  const list = root.children.find(({ name }) => name === "publications");
  const uri = list?.attributes.get("uri");
  if (root.children.length !== 1 || !list || uri === undefined)
    throw new XccosError("publications", "bad-publication");
  if (list.children.length > MAX_PUBLICATIONS) throw new XccosError("publications", "too-large");
  const contents = contentsOf(new TextDecoder().decode(body));
  const publications = list.children.flatMap((element, at) => {
    const category = element.attributes.get("categoryName") ?? "";
    if (element.name !== "publication") throw new XccosError("publications", "bad-publication");
    if (!isPublishedCategory(category)) return [];
    const expireType = element.attributes.get("expireType") ?? "static";
    if (!EXPIRE_TYPES.has(expireType)) throw new XccosError("publication@expireType", "bad-publication");
    return [
      {
        index: at + 1,
        category,
        instance: numberOf(element, "instance"),
        container: numberOf(element, "container"),
        version: numberOf(element, "version"),
        expireType,
        content: element.attributes.get("expires") === "0" ? null : (contents[at] ?? ""),
      },
    ];
  });
  return { uri, publications };
}

/**
 * The properties of a room category: `<property name="url">…</property>`, or the text of its `value` child ([MS-PRES] §2.2.2.7.13).
 * Of several with one name the first counts.
 */
export function propertiesOf(content: string): Map<string, string> {
  const properties = new Map<string, string>();
  const walk = (element: XmlElement): void => {
    const name = element.attributes.get("name");
    if (element.name === "property" && name !== undefined && !properties.has(name)) {
      const value = element.children.find((child) => child.name === "value");
      properties.set(name, (value ?? element).text.trim());
    }
    for (const child of element.children) walk(child);
  };
  try {
    walk(parseXml(Buffer.from(`<category>${content}</category>`)));
  } catch (error) {
    if (!(error instanceof XccosError)) throw error; // else: what is kept as it came need not mean anything
  }
  return properties;
}

/** The room a `roomSetting` is about; "" when it names none. */
export function followedRoom(content: string): string {
  return propertiesOf(content).get(presenceNames.roomUrl) ?? "";
}

/** [MS-PRES] versions, instances and containers are unsigned 32-bit numbers. */
function numberOf(element: XmlElement, attribute: string): number {
  const text = element.attributes.get(attribute) ?? "";
  const number = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number < 2 ** 32)) throw new XccosError(`publication@${attribute}`, "bad-publication");
  return number;
}

/**
 * What stands inside each publication, complete in itself: namespaces declared further out are declared again, comments are gone.
 * @param document has been found well-formed and harmless
 */
function contentsOf(document: string): string[] {
  const parser = new SaxesParser({ xmlns: true, defaultXMLVersion: "1.0", forceXMLVersion: true });
  const contents: string[] = [];
  const declared: Record<string, string>[] = [];
  let text = "";
  let isEmpty = false;
  const closeTag = (): void => {
    if (isEmpty) text += ">";
    isEmpty = false;
  };
  parser.on("opentag", (tag) => {
    declared.push(tag.ns);
    if (declared.length === PUBLICATION_DEPTH) text = "";
    if (declared.length <= PUBLICATION_DEPTH) return;
    closeTag();
    const inherited = declared.length === PUBLICATION_DEPTH + 1 ? Object.assign({}, ...declared) : {};
    text += openingTag(tag, inherited);
    isEmpty = true;
  });
  parser.on("closetag", (tag) => {
    if (declared.length === PUBLICATION_DEPTH) contents.push(text);
    declared.pop();
    if (declared.length < PUBLICATION_DEPTH) return;
    text += isEmpty ? "/>" : `</${tag.name}>`;
    isEmpty = false;
  });
  const append = (more: string): void => {
    if (declared.length <= PUBLICATION_DEPTH) return;
    closeTag();
    text += escapeText(more);
  };
  parser.on("text", append);
  parser.on("cdata", append);
  parser.write(document).close();
  return contents;
}

/** Without its end, so that an empty element can be closed at once. */
function openingTag(tag: SaxesTagNS, inherited: Readonly<Record<string, string>>): string {
  const attributes = new Map(Object.values(tag.attributes).map(({ name, value }) => [name, value]));
  for (const [prefix, uri] of Object.entries(inherited)) {
    const name = prefix === "" ? "xmlns" : `xmlns:${prefix}`;
    if (!attributes.has(name)) attributes.set(name, uri);
  }
  const written = [...attributes].map(([name, value]) => ` ${name}="${escapeAttribute(value)}"`);
  return `<${tag.name}${written.join("")}`;
}
