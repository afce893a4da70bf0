import { textMatcher } from "./keyword-filter.ts";
import { composed } from "./search-words.ts";

export const TEXT_MATCHES = ["all", "any", "exact"] as const;
export type TextMatch = (typeof TEXT_MATCHES)[number];

/** What Lync puts in the place of a message unless told otherwise. */
export const DEFAULT_REPLACEMENT = "This message was replaced by the Persistent Chat administrator.";

/** Which messages of one room are meant; each thing said narrows it. */
export interface MessageFilter {
  readonly numbers?: readonly number[];
  /** Address of the user who posted. */
  readonly author?: string;
  /** Milliseconds since 1970, both included. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  /** Whole words, separated by blanks; in scripts without blanks wherever they stand. */
  readonly words?: string;
  /** All words unless given; `exact`: the words as a phrase. */
  readonly match?: TextMatch;
  readonly caseSensitive?: boolean;
}

/** What is looked at of a message. */
export interface FilteredMessage {
  readonly number: number;
  readonly author: string;
  readonly atMs: number;
  readonly text: string;
}

export const MAX_NUMBERS = 1_000;
/** Characters. */
const MAX_WORDS = 1_000;

/** Why nothing can be looked for with this; undefined when it can. */
export function filterProblem(filter: MessageFilter): string | undefined {
  const { numbers, author, fromMs, untilMs, words, match, caseSensitive } = filter;
  if ([numbers, author, fromMs, untilMs, words].every((said) => said === undefined))
    return "Say which messages: by number, author, date or words.";
  if (numbers && (numbers.length === 0 || numbers.length > MAX_NUMBERS))
    return `Give 1 to ${MAX_NUMBERS} numbers.`;
  if (numbers?.some((number) => !Number.isSafeInteger(number) || number < 1))
    return "A message's number is a whole number from 1 on.";
  if (fromMs !== undefined && untilMs !== undefined && fromMs > untilMs)
    return "The first moment is after the last one.";
  if (words === undefined && (match !== undefined || caseSensitive !== undefined))
    return "How words match is said, but not which words.";
  // What nobody sees is in every text.
  if (words !== undefined && (composed(words).trim() === "" || words.length > MAX_WORDS))
    return `Give words of 1 to ${MAX_WORDS} characters.`;
  return undefined;
}

/** The filter as a question about one message. */
export function messageMatcher(filter: MessageFilter): (message: FilteredMessage) => boolean {
  const { author, fromMs, untilMs, words, match = "all", caseSensitive = false } = filter;
  const numbers = filter.numbers && new Set(filter.numbers);
  const saysIt = words === undefined ? () => true : textMatcher(words, match, caseSensitive);
  return (message) =>
    (numbers?.has(message.number) ?? true) &&
    (author === undefined || message.author === author) &&
    (fromMs === undefined || message.atMs >= fromMs) &&
    (untilMs === undefined || message.atMs <= untilMs) &&
    saysIt(message.text);
}
