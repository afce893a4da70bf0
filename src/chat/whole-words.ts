import { composed, folded as withoutCase } from "./search-words.ts";

/** When a word stands in a text for filters and for moderation; the history search has its own rules, but the same letters are the same. */

/** Runs of what words are made of. */
export const WORD_RUN = /[\p{L}\p{M}\p{N}_]+/gu;
const WORD = /^[\p{L}\p{M}\p{N}_]+$/u;
const WORD_AT_START = /^[\p{L}\p{M}\p{N}_]/u;
const WORD_AT_END = /[\p{L}\p{M}\p{N}_]$/u;
/** Scripts that write words without blanks between them have no whole words to look for. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;

/** Without regard to case and form. */
export function folded(text: string): string {
  return withoutCase(composed(text));
}

/**
 * Where a word can be found: as a run of word characters, at the beginning of one but reaching beyond it (`c++`, `e-mail`), or
 * anywhere, as `@alice`, `:-)` and words of scripts without blanks.
 */
export function placeOf(word: string): "run" | "beginning" | "anywhere" {
  if (UNSPACED.test(word) || !WORD_AT_START.test(word)) return "anywhere";
  return WORD.test(word) ? "run" : "beginning";
}

/** Whether a word that has been found up to here ends here: inside of a longer one it does not. */
export function endsAt(text: string, end: number, word: string): boolean {
  return end === text.length || !WORD_AT_END.test(word) || UNSPACED.test(word) || !isWordAt(text, end);
}

/** Whether the word is in the text, neither beginning nor ending inside of another. */
export function holds(text: string, word: string): boolean {
  const isFree = placeOf(word) === "anywhere";
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1))
    if ((isFree || beginsAt(text, at)) && endsAt(text, at + word.length, word)) return true;
  return false;
}

function beginsAt(text: string, at: number): boolean {
  if (at === 0) return true;
  const isSecondHalf = /[\udc00-\udfff]/.test(text.charAt(at - 1));
  return !isWordAt(text, isSecondHalf ? at - 2 : at - 1);
}

function isWordAt(text: string, at: number): boolean {
  return WORD.test(String.fromCodePoint(text.codePointAt(at) ?? 0));
}
