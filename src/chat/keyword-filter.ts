/** Filters of one user, and words of one filter; more are left out. */
export const MAX_FILTERS = 50;
const MAX_KEYWORDS = 20;
/** Characters. */
const MAX_KEYWORD_LENGTH = 64;

/** What a user waits for: a message fits when any of the words is in it. */
export interface KeywordFilter {
  readonly instance: number;
  readonly name: string;
  /** URI of the only room it is for; undefined: every room the user follows. */
  readonly room: string | undefined;
  readonly patterns: readonly RegExp[];
}

/** @param keywords separated by blanks */
export function keywordFilter(
  instance: number,
  name: string,
  keywords: string,
  room: string | undefined,
): KeywordFilter {
  const words = folded(keywords)
    .split(/\s+/)
    .filter((word) => word !== "" && word.length <= MAX_KEYWORD_LENGTH);
  return { instance, name, room, patterns: words.slice(0, MAX_KEYWORDS).map(patternOf) };
}

/** Whether any word of the filter is in the text, as a whole word, without regard to case and form. */
export function fits(filter: KeywordFilter, text: string): boolean {
  const readable = folded(text);
  return filter.patterns.some((pattern) => pattern.test(readable));
}

/** Whether a text says all or any of these words, or the phrase they make; whole words, as for filters. */
export function textMatcher(
  words: string,
  match: "all" | "any" | "exact",
  caseSensitive: boolean,
): (text: string) => boolean {
  const form = caseSensitive ? (text: string) => text.normalize("NFKC") : folded;
  const list = form(words).trim().split(/\s+/);
  const patterns = match === "exact" ? [patternOf(list.join(" "))] : list.map(patternOf);
  return (text) => {
    const readable = form(text).replace(/\s+/g, " ");
    return match === "any"
      ? patterns.some((pattern) => pattern.test(readable))
      : patterns.every((pattern) => pattern.test(readable));
  };
}

function folded(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

/** Scripts that write words without blanks between them have no whole words to look for. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;

function patternOf(word: string): RegExp {
  const literal = word.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
  if (UNSPACED.test(word)) return new RegExp(literal, "u");
  const before = /^[\p{L}\p{M}\p{N}_]/u.test(word) ? "(?<![\\p{L}\\p{M}\\p{N}_])" : "";
  const after = /[\p{L}\p{M}\p{N}_]$/u.test(word) ? "(?![\\p{L}\\p{M}\\p{N}_])" : "";
  return new RegExp(before + literal + after, "u");
}
