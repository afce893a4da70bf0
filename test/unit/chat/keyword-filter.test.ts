import assert from "node:assert/strict";
import { test } from "node:test";
import { keywordFilter, textMatcher } from "../../../src/chat/keyword-filter.ts";
import { KeywordIndex } from "../../../src/chat/keyword-index.ts";
import { filterProblem } from "../../../src/chat/message-filter.ts";
import { seeded } from "../../support/compliance-events.ts";

const wordsOf = (keywords: string) => keywordFilter(1, "x", keywords, undefined).words;

/** Owners of the words in a text. */
function ownersIn<Owner>(index: KeywordIndex<Owner>, text: string): Set<Owner> {
  return new Set([...index.find(text)].flat().flatMap((owners) => [...owners]));
}

function found(keywords: string, text: string): boolean {
  const index = new KeywordIndex<true>();
  for (const word of wordsOf(keywords)) index.add(word, true);
  return ownersIn(index, text).has(true);
}

test("any of the words fits, as a whole word, without regard to case and form", () => {
  for (const [keywords, text] of [
    ["pump", "the PUMP is back"],
    ["valve pump", "pump!"],
    ["straße", "Die STRASSE? Nein, die Straße"],
    ["é", "caf e\u0301 x"],
    ["strasse", "STRAẞE"],
    ["5", "заказ №5"],
    ["parlance", "Parlance™ 2"],
    ["3", "pump 3"],
    ["c++", "we write C++, they do not"],
    ["@alice", "ask @Alice about it"],
    ["e-mail", "no E-Mail today"],
    ["x-y", "x-x-y"],
  ] as const)
    assert.ok(found(keywords, text), `${keywords} in ${text}`);
});

test("a part of a word does not fit", () => {
  for (const [keywords, text] of [
    ["pump", "pumpkin"],
    ["3", "pump 33"],
    ["all", "small"],
    ["pump", "pump_3"],
    ["pump", "pump停电"],
    ["e-mail", "e-mails"],
    ["e-mail", "the-mail"],
    [".", "no dot here"],
    ["a.c", "abc"],
    ["", "anything"],
  ] as const)
    assert.ok(!found(keywords, text), `${keywords} in ${text}`);
});

test("scripts without blanks are looked through as they are", () => {
  assert.ok(found("停电", "昨天停电了"));
  assert.ok(!found("停电", "停了电"));
});

test("a filter has twenty words, and none that is longer than any word", () => {
  const many = Array.from({ length: 30 }, (_, index) => `word${index}`).join(" ");
  assert.ok(found(many, "word19"));
  assert.ok(!found(many, "word20"));
  assert.ok(!found("x".repeat(65), "x".repeat(65)));
});

/** What a match is: kept here as it was first written, one expression for each word. */
function means(word: string): RegExp {
  const literal = word.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  const unspaced =
    /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;
  if (unspaced.test(word)) return new RegExp(literal, "u");
  const before = /^[\p{L}\p{M}\p{N}_]/u.test(word) ? "(?<![\\p{L}\\p{M}\\p{N}_])" : "";
  const after = /[\p{L}\p{M}\p{N}_]$/u.test(word) ? "(?![\\p{L}\\p{M}\\p{N}_])" : "";
  return new RegExp(before + literal + after, "u");
}

/** Without what nobody sees; letters are the same when their capitals are. */
function sameLetters(text: string): string {
  const capitals = text
    .replace(/\u00ad|\ufe0e|\ufe0f/g, "")
    .normalize("NFKC")
    .toLowerCase()
    .toUpperCase();
  return capitals.normalize("NFC").toLowerCase().replaceAll("ς", "σ");
}

/** Letters of one word and of several, of scripts with and without blanks, of one and of two halves; forms, marks, case. */
const CHARACTERS = [
  ..."aaabbAsS_3٣+-.@#*^$\\/([{|&",
  ..."éßςσΣİıＡｱー々停电กខລかカ한𝕏𐐀𐐨😀👍🏽𠮷",
  ..."\u0301\u00ad\u200d\ufe0f\u00a0",
  "e\u0301",
  "ﬁ",
];

function textOf(chance: (below: number) => number, atMost: number, characters: readonly string[]): string {
  return Array.from({ length: chance(atMost) + 1 }, () => characters[chance(characters.length)] ?? "").join(
    "",
  );
}

test("whatever is waited for, texts fit as if each word were looked for by itself, while filters come and go", () => {
  const random = seeded(1);
  const chance = (below: number) => Math.floor(random() * below);
  const index = new KeywordIndex<string>();
  const standing = new Map<string, { words: readonly string[]; meanings: RegExp[] }>();
  let hits = 0;
  for (let round = 0; round < 3_000; round++) {
    const filter = `filter ${chance(60)}`;
    for (const word of standing.get(filter)?.words ?? []) index.remove(word, filter);
    standing.delete(filter);
    if (chance(4) > 0) {
      // A text of few different characters has many of the words.
      const some = Array.from({ length: 6 }, () => CHARACTERS[chance(CHARACTERS.length)] ?? "");
      const keywords = Array.from({ length: 4 }, () => textOf(chance, 4, chance(2) ? some : CHARACTERS));
      const words = wordsOf(keywords.join(" "));
      for (const word of words) index.add(word, filter);
      standing.set(filter, { words, meanings: words.map(means) });
    }
    const [anyone] = [...standing.values()].slice(chance(standing.size || 1));
    const parts = Array.from({ length: 8 }, () =>
      chance(2) ? textOf(chance, 3, CHARACTERS) : (anyone?.words[chance(anyone.words.length)] ?? ""),
    );
    const text = parts.join(["", " ", "-"][chance(3)]);
    const readable = sameLetters(text);
    const expected = [...standing].filter(([, { meanings }]) => meanings.some((one) => one.test(readable)));
    const fitting = [...ownersIn(index, text)].sort();
    assert.deepEqual(fitting, expected.map(([name]) => name).sort(), JSON.stringify(text));
    hits += fitting.length;
  }
  assert.ok(hits > 3_000, `${hits} filters fitted`);
  for (const [filter, { words }] of standing) for (const word of words) index.remove(word, filter);
  assert.deepEqual([index.size, ownersIn(index, CHARACTERS.join("")).size], [0, 0]);
});

test("a word that is waited for no longer takes none with it that begins alike, nor another's", () => {
  const index = new KeywordIndex<string>();
  for (const word of ["c++", "c+-", "@bob", "@boa", "pump"])
    for (const owner of ["alice", "bob"]) index.add(word, owner);
  for (const word of ["c+-", "@boa", "pump"]) index.remove(word, "alice");
  assert.deepEqual([...ownersIn(index, "c++")].sort(), ["alice", "bob"]);
  assert.deepEqual([...ownersIn(index, "@bob")].sort(), ["alice", "bob"]);
  assert.deepEqual([...ownersIn(index, "c+- @boa pump")], ["bob"]);
  for (const word of ["c+-", "@boa"]) index.remove(word, "bob");
  assert.deepEqual([...ownersIn(index, "c++")].sort(), ["alice", "bob"]);
  assert.deepEqual([...ownersIn(index, "@bob")].sort(), ["alice", "bob"]);
  assert.deepEqual([...ownersIn(index, "c+- @boa")], []);
});

test("moderation looks for words as filters do, also for words with a hyphen and for phrases", () => {
  const random = seeded(2);
  const chance = (below: number) => Math.floor(random() * below);
  for (let round = 0; round < 3_000; round++) {
    const some = [..." ", ...Array.from({ length: 4 }, () => CHARACTERS[chance(CHARACTERS.length)] ?? "")];
    const words = textOf(chance, 4, some).trim() || "a";
    const text = textOf(chance, 12, some);
    const list = sameLetters(words).trim().split(/\s+/);
    if (list[0] === "") {
      assert.ok(!textMatcher(words, "all", false)(text), "what nobody sees is in no text");
      continue;
    }
    const readable = sameLetters(text).replace(/\s+/g, " ");
    const said = list.map((word) => means(word).test(readable));
    const why = JSON.stringify([words, text]);
    assert.equal(textMatcher(words, "all", false)(text), said.every(Boolean), why);
    assert.equal(textMatcher(words, "any", false)(text), said.some(Boolean), why);
    assert.equal(textMatcher(words, "exact", false)(text), means(list.join(" ")).test(readable), why);
  }
  assert.equal(filterProblem({ words: " \u00ad\ufe0f" }), "Give words of 1 to 1000 characters.");
  assert.ok(textMatcher("e-mail", "all", true)("an e-mail"));
  assert.ok(!textMatcher("e-mail", "all", true)("an E-mail"));
});

test("a message costs what is in it, however many words are waited for", () => {
  const text = "the pump stands still again: e-mail @alice about it, 停电 ".repeat(100);
  const portionsWith = (users: number) => {
    const index = new KeywordIndex<number>();
    for (let user = 0; user < users; user++)
      for (let word = 0; word < 250; word++)
        for (const waited of [
          `w${user}x${word}`,
          `e-${user}x${word}`,
          `@a${user}x${word}`,
          `停${user}x${word}`,
        ])
          index.add(waited, user);
    return [...index.find(text)].length;
  };
  // Words that begin alike are told apart by their lengths, of which there are no more than a word may have characters.
  assert.ok(portionsWith(100) < 3 * portionsWith(1), `${portionsWith(1)}, ${portionsWith(100)}`);
});
