import { ChatError } from "./errors.ts";
import { composed, folded, isOneWord, normalized, termsOf } from "./search-words.ts";

/** What is asked of a text. */
export interface TextQuery {
  readonly text: string;
  /** One of the words, each of the words, or the text as it stands. */
  readonly match: "any" | "all" | "phrase";
  readonly caseSensitive: boolean;
}

/** Every one of these has a matching text: in each group one of the alternatives, with all of its terms. */
export type TermGroups = readonly (readonly (readonly number[])[])[];

export interface TextMatcher {
  readonly groups: TermGroups;
  /** Decides; the terms only say where to look. */
  matches(text: string): boolean;
}

/** Words in one query. */
export const MAX_SEARCH_WORDS = 16;

/** Punctuation around a word as it is typed: `(pump),` asks for `pump`. */
const AROUND =
  /^[^\p{L}\p{M}\p{N}\p{S}\p{Extended_Pictographic}]+|[^\p{L}\p{M}\p{N}\p{S}\p{Extended_Pictographic}]+$/gu;

/**
 * Words match whole words, without what punctuation stands around them; what punctuation they have inside must be there too.
 * A phrase matches as it stands, blanks of any number and kind counting as one. In scripts without blanks every place is a border.
 * Accents count; case counts when asked. @returns undefined when nothing in it can be found
 * @throws {ChatError} LIMIT_EXCEEDED when it has too many words
 */
export function compileSearch({ text, match, caseSensitive }: TextQuery): TextMatcher | undefined {
  const plain = normalized(text).trim();
  const asked = match === "phrase" ? [plain] : plain.split(" ").map((word) => word.replace(AROUND, ""));
  const needles = [...new Set(asked)].map((needle) => ({
    needle: caseSensitive ? needle : folded(needle),
    terms: [...termsOf(needle)],
  }));
  const found = needles.filter(({ terms }) => terms.length > 0);
  if (found.length === 0) return undefined;
  if (found.length > MAX_SEARCH_WORDS) throw new ChatError("LIMIT_EXCEEDED");
  const hasBlank = found.some(({ needle }) => needle.includes(" "));
  const alternatives = found.map(({ terms }) => terms);
  const isIn = (haystack: string) => {
    const wanted = ({ needle }: { needle: string }) => holds(haystack, needle);
    return match === "any" ? found.some(wanted) : found.every(wanted);
  };
  return {
    groups: match === "any" ? [alternatives] : alternatives.map((one) => [one]),
    matches: (candidate) => {
      const same = hasBlank ? normalized(candidate) : composed(candidate);
      return isIn(caseSensitive ? same : folded(same));
    },
  };
}

/** The needle stands in the text and neither begins nor ends inside of a word. */
function holds(text: string, needle: string): boolean {
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + 1)) {
    const end = at + needle.length;
    if (isBorder(text, at) && isBorder(text, end)) return true;
  }
  return false;
}

function isBorder(text: string, at: number): boolean {
  if (at === 0 || at === text.length) return true;
  return !isOneWord(codePointBefore(text, at), text.codePointAt(at) ?? 0);
}

function codePointBefore(text: string, at: number): number {
  const unit = text.charCodeAt(at - 1);
  const isSecondHalf = unit >= 0xdc00 && unit <= 0xdfff && at > 1;
  return isSecondHalf ? (text.codePointAt(at - 2) ?? unit) : unit;
}
