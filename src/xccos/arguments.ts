import { parseCount } from "./element.ts";
import { parseRoomUri, type RoomRef } from "./uri.ts";
import type { XmlElement } from "./xml.ts";

/** A command whose arguments make no sense: it is answered, with `code` and `problem` as the text for the user. */
export interface InvalidCommand {
  readonly kind: "invalid";
  readonly name: string;
  readonly code: 400 | 413;
  readonly problem: string;
}

/** Characters. A longer search text is refused with 413. */
export const MAX_CRITERIA_LENGTH = 256;
/** A count beyond 32 bits is nonsense rather than a wish to be capped. */
const MAX_COUNT = 2 ** 31 - 1;

export function invalid(name: string, problem: string, code: 400 | 413 = 400): InvalidCommand {
  return { kind: "invalid", name, code, problem };
}

export function roomOfChanib(chanib: XmlElement): RoomRef | undefined {
  return parseRoomUri(chanib.attributes.get("uri") ?? "");
}

/** The attribute as a count; undefined when absent, "bad" when it is no sensible one. */
export function countOf(
  element: XmlElement | undefined,
  attribute: string,
  max = MAX_COUNT,
): number | undefined | "bad" {
  const text = element?.attributes.get(attribute);
  if (text === undefined) return undefined;
  const count = parseCount(text);
  return count === undefined || count > max ? "bad" : count;
}
