import { endsAt, folded, placeOf, WORD_RUN } from "./whole-words.ts";

/** Look-ups between two chances for others to go on, about a tenth of a millisecond. */
const PORTION = 1_000;

/**
 * Who waits for which words. A text is gone through once and its words are looked up: what that costs depends on the text and on
 * who is found, not on how many wait for how much.
 */
export class KeywordIndex<Owner> {
  /** Words with those who wait for them: so many pairs. */
  size = 0;
  private readonly runs = new Map<string, Set<Owner>>();
  private readonly beginning = new LooseWords<Owner>();
  private readonly anywhere = new LooseWords<Owner>();

  /** @param word folded, no blanks in it; each once for an owner */
  add(word: string, owner: Owner): void {
    this.size += 1;
    const owners = this.ownersOf(word);
    if (owners) owners.add(owner);
    else this.tableOf(word).set(word, new Set([owner]));
  }

  /** What was added. */
  remove(word: string, owner: Owner): void {
    this.size -= 1;
    const owners = this.ownersOf(word);
    owners?.delete(owner);
    if (owners?.size === 0) this.tableOf(word).delete(word);
  }

  /**
   * For each word of the text that somebody waits for all who do, in portions of bounded work, found in them or not; somebody who
   * waits for several words is there more than once.
   */
  *find(text: string): Generator<readonly ReadonlySet<Owner>[], void, void> {
    const readable = folded(text);
    const seen = new Set<string>();
    let found: ReadonlySet<Owner>[] = [];
    let steps = 0;
    const hit = (word: string, owners: ReadonlySet<Owner>) => {
      if (seen.has(word)) return;
      seen.add(word);
      found.push(owners);
    };
    for (const { 0: run, index } of readable.matchAll(WORD_RUN)) {
      const owners = this.runs.get(run);
      if (owners) hit(run, owners);
      steps += 1 + this.beginning.findAt(readable, index, hit);
      if (steps < PORTION) continue;
      yield found;
      found = [];
      steps = 0;
    }
    for (let at = 0; !this.anywhere.isEmpty && at < readable.length; at++) {
      steps += 1 + this.anywhere.findAt(readable, at, hit);
      if (steps < PORTION) continue;
      yield found;
      found = [];
      steps = 0;
    }
    yield found;
  }

  private ownersOf(word: string): Set<Owner> | undefined {
    return this.tableOf(word).get(word);
  }

  private tableOf(word: string): Map<string, Set<Owner>> | LooseWords<Owner> {
    const place = placeOf(word);
    return place === "run" ? this.runs : this[place];
  }
}

/** Words that do not end where a run does. All that begin with the same two characters are tried by the lengths they have. */
class LooseWords<Owner> {
  private readonly words = new Map<string, Set<Owner>>();
  /** For each beginning the lengths, and how many words have it. */
  private readonly lengths = new Map<number, Map<number, number>>();

  get isEmpty(): boolean {
    return this.words.size === 0;
  }

  get(word: string): Set<Owner> | undefined {
    return this.words.get(word);
  }

  set(word: string, owners: Set<Owner>): void {
    this.words.set(word, owners);
    this.count(word, 1);
  }

  delete(word: string): void {
    this.words.delete(word);
    this.count(word, -1);
  }

  /** @returns how many look-ups it took: two for each length of a word, which has a limit */
  findAt(text: string, at: number, hit: (word: string, owners: ReadonlySet<Owner>) => void): number {
    let steps = 0;
    const first = text.charCodeAt(at);
    for (const beginning of [beginningOf(first, 0), beginningOf(first, text.charCodeAt(at + 1))]) {
      for (const length of this.lengths.get(beginning)?.keys() ?? []) {
        steps += 1;
        const word = text.slice(at, at + length);
        const owners = this.words.get(word);
        if (owners && endsAt(text, at + length, word)) hit(word, owners);
      }
    }
    return steps;
  }

  private count(word: string, more: 1 | -1): void {
    const beginning = beginningOf(word.charCodeAt(0), word.length > 1 ? word.charCodeAt(1) : 0);
    const lengths = this.lengths.get(beginning) ?? new Map<number, number>();
    const count = (lengths.get(word.length) ?? 0) + more;
    if (count > 0) lengths.set(word.length, count);
    else lengths.delete(word.length);
    if (lengths.size > 0) this.lengths.set(beginning, lengths);
    else this.lengths.delete(beginning);
  }
}

/** @param second 0 for words of one character */
function beginningOf(first: number, second: number): number {
  return first * 0x1_0000 + second;
}
