import { FilterParser } from "ldapts";

/** Whether the text is a filter as RFC 4515 has it. */
export function isFilter(text: string): boolean {
  try {
    FilterParser.parseString(text);
    return true;
  } catch {
    return false;
  }
}
