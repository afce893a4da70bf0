import { seededRandom } from "./statistics.ts";

/** Words of the vocabulary, by rank: the n-th is said about 1/n as often as the first. */
export const VOCABULARY = 50_000;
const SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu".split(" ");
/** The ranks drawn from, by their share. */
const DRAWS = 1 << 20;
const MOST_WORDS = 26;
/** One message in so many names something that nobody else does. */
const NAMING = 20;

const words = Array.from({ length: VOCABULARY }, (_, rank) => wordOf(rank));
const draws = drawsByRank();

function wordOf(rank: number): string {
  let text = "";
  for (let rest = rank + 1; rest > 0; rest = Math.floor(rest / SYLLABLES.length))
    text += SYLLABLES[rest % SYLLABLES.length];
  return text;
}

/** Zipf's law, as words of a language follow it. */
function drawsByRank(): Uint16Array {
  const table = new Uint16Array(DRAWS);
  let total = 0;
  for (let rank = 0; rank < VOCABULARY; rank++) total += 1 / (rank + 1);
  let sum = 0;
  let at = 0;
  for (let rank = 0; rank < VOCABULARY; rank++) {
    sum += 1 / (rank + 1);
    const end = Math.round((sum / total) * DRAWS);
    for (; at < end; at++) table[at] = rank;
  }
  return table;
}

export interface BenchMessage {
  /** Ranks of its words in their order, `count` of them; the same array for every message. */
  readonly ranks: Uint16Array;
  readonly count: number;
  /** A word that no other message has; "" for most messages. */
  readonly name: string;
  /** Place of the author among the people. */
  readonly author: number;
}

const ranks = new Uint16Array(MOST_WORDS);

/** The same in every run, and for a room and number the same in every place. About 85 characters. */
export function benchMessage(roomId: number, number: number, people: number): BenchMessage {
  const random = seededRandom(Math.imul(roomId, 0x9e3779b1) ^ number);
  const count = 4 + Math.floor(random() * (MOST_WORDS - 4));
  for (let at = 0; at < count; at++) ranks[at] = draws[Math.floor(random() * DRAWS)] ?? 0;
  const name = random() * NAMING < 1 ? `id${roomId}x${number}` : "";
  return { ranks, count, name, author: Math.floor(random() * people) };
}

export function textOf({ ranks: of, count, name }: BenchMessage): string {
  let text = words[of[0] ?? 0] ?? "";
  for (let at = 1; at < count; at++) text += ` ${words[of[at] ?? 0]}`;
  return name === "" ? text : `${text} ${name}`;
}

export function word(rank: number): string {
  return words[rank] ?? "";
}

export function messageMs(number: number): number {
  return 1_700_000_000_000 + number * 60_000;
}
