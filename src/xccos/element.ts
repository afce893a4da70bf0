import { XCCOS_NAMESPACE } from "./names.ts";
import type { XmlElement } from "./xml.ts";

/** Children of that name in the XCCOS namespace. Others are not ours to read. */
export function childrenNamed(element: XmlElement | undefined, name: string): XmlElement[] {
  if (!element) return [];
  return element.children.filter((child) => child.name === name && child.namespace === XCCOS_NAMESPACE);
}

/** The first child of that name in the XCCOS namespace. */
export function childNamed(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((child) => child.name === name && child.namespace === XCCOS_NAMESPACE);
}

/** true, True, TRUE and 1 are true; everything else, absence included, is false. */
export function isTrue(value: string | undefined): boolean {
  return value === "1" || value?.toLowerCase() === "true";
}

/** A whole number from 0 to 2^53-1 in decimal digits; undefined for anything else. */
export function parseCount(text: string): number | undefined {
  if (!/^[0-9]{1,16}$/.test(text)) return undefined;
  const count = Number(text);
  return Number.isSafeInteger(count) ? count : undefined;
}

/** The `seqid` of a primitive, "1" when it has none; undefined when it is not a number of at most 20 digits. */
export function seqidOf(primitive: XmlElement): string | undefined {
  const seqid = primitive.attributes.get("seqid") ?? "1";
  return /^[0-9]{1,20}$/.test(seqid) ? seqid : undefined;
}
