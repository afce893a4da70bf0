import { composed } from "./search-words.ts";
import { folded, holds } from "./whole-words.ts";

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
  /** Folded, each once. */
  readonly words: readonly string[];
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
  return { instance, name, room, words: [...new Set(words.slice(0, MAX_KEYWORDS))] };
}

/** Whether a text says all or any of these words, or the phrase they make; whole words, as for filters. */
export function textMatcher(
  words: string,
  match: "all" | "any" | "exact",
  caseSensitive: boolean,
): (text: string) => boolean {
  const form = caseSensitive ? composed : folded;
  const list = form(words)
    .split(/\s+/)
    .filter((word) => word !== "");
  if (list.length === 0) return () => false;
  const wanted = match === "exact" ? [list.join(" ")] : list;
  return (text) => {
    const readable = form(text).replace(/\s+/g, " ");
    const isSaid = (word: string) => holds(readable, word);
    return match === "any" ? wanted.some(isSaid) : wanted.every(isSaid);
  };
}
