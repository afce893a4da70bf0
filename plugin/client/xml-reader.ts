import { SaxesParser } from "saxes";
import { ClientError } from "./client-error.ts";

/** One element of a document. Names are local names: a prefix is taken off, its namespace is kept. */
export interface XmlElement {
  readonly name: string;
  readonly namespace: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** Character data directly inside this element, unescaped, in one piece. */
  readonly text: string;
}

const MAX_DEPTH = 64;

interface Growing {
  name: string;
  namespace: string;
  attributes: Record<string, string>;
  children: Growing[];
  text: string;
}

/**
 * Reads one XML document and returns its root. Strict: anything not well-formed and any DTD is an error.
 * @throws ClientError kind "syntax" (without the document's text)
 */
export function readXml(document: string): XmlElement {
  const parser = new SaxesParser({ xmlns: true });
  const open: Growing[] = [];
  let root: Growing | undefined;
  const fail = (why: string): never => {
    throw new ClientError("syntax", `XML: ${why}`);
  };
  parser.on("error", (error) => fail(error.message.slice(0, 80)));
  parser.on("doctype", () => fail("document type declaration"));
  parser.on("opentag", (tag) => {
    const attributes: Record<string, string> = {};
    for (const attribute of Object.values(tag.attributes)) {
      if (attribute.prefix !== "xmlns" && attribute.name !== "xmlns")
        attributes[attribute.local] = attribute.value;
    }
    const element: Growing = { name: tag.local, namespace: tag.uri, attributes, children: [], text: "" };
    if (open.length >= MAX_DEPTH) fail("too deep");
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  parser.on("closetag", () => void open.pop());
  const text = (piece: string): void => {
    const element = open.at(-1);
    if (element) element.text += piece;
  };
  parser.on("text", text);
  parser.on("cdata", text);
  parser.write(document).close();
  return root ?? fail("no root element");
}

/** First child of that name. */
export function child(element: XmlElement, name: string): XmlElement | undefined {
  return element.children.find((candidate) => candidate.name === name);
}

/** All children of that name, in document order. */
export function children(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((candidate) => candidate.name === name);
}

/** The attribute's value, or "" when it is absent. */
export function attribute(element: XmlElement, name: string): string {
  return element.attributes[name] ?? "";
}

/** Escapes character data and attribute values. Line breaks stay as they are: stock clients send them raw. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => ENTITIES[char] ?? char);
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
