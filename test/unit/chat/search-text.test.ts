import assert from "node:assert/strict";
import { test } from "node:test";
import { compileSearch, MAX_SEARCH_WORDS, type TextQuery } from "../../../src/chat/search-text.ts";
import { termsOf } from "../../../src/chat/search-words.ts";
import { seededRandom } from "../../bench/statistics.ts";
import { asksForNothing, isFoundIn } from "../../support/search-oracle.ts";

function matches(asked: string, text: string, more: Partial<TextQuery> = {}): boolean | undefined {
  return compileSearch({ text: asked, match: "all", caseSensitive: false, ...more })?.matches(text);
}

const CASES: readonly (readonly [asked: string, text: string, found: boolean, more?: Partial<TextQuery>])[] =
  [
    ["pump", "The Pump, again", true],
    ["pump", "pumps", false],
    ["pump", "sump-pump", true],
    ["pump", "the pump_house", true],
    ["(pump),", "pump", true],
    ["a", "a b", true],
    ["a", "ab", false],
    ["I", "i", true],
    ["I", "i", false, { caseSensitive: true }],
    ["7", "7 bar", true],
    ["7", "17 bar", false],
    ["3.5", "13.5", false],
    ["3.5", "at 3.5.", true],
    ["3.5", "3,5", false],
    ["don't", "I DON'T", true],
    ["don't", "don t", false],
    ["C++", "c++ and c", true],
    ["c", "c++", true],
    ["C++", "c", false],
    ["€", "5€", true],
    ["Straße", "STRASSE", true],
    ["Straße", "STRASSE", false, { caseSensitive: true }],
    ["οδος", "ΟΔΟΣ", true],
    ["nai\u0308ve", "naïve", true],
    ["naive", "naïve", false],
    ["ﬁle １２", "file 12", true],
    ["京", "東京都庁", true],
    ["京都", "東京都庁", true],
    ["東都", "東京都庁", false],
    ["サーバ", "サーバー", true],
    ["서울", "서울에서", true],
    ["pump", "東pump京", true],
    ["👍", "ok👍🏽", true],
    ["👍", "👎", false],
    ["❤", "I ❤️ it", true],
    ["𠮷", "𠮷野家", true],
    ["one two", "two, three and one", true],
    ["one two", "one", false],
    ["one two", "one", true, { match: "any" }],
    ["one two", "three", false, { match: "any" }],
    ["one ?!", "one", true],
    ["one two", "One \n\t two", true, { match: "phrase" }],
    ["one two", "one, two", false, { match: "phrase" }],
    ["one two", "none two", false, { match: "phrase" }],
    ["one, two!", "ONE, TWO!", true, { match: "phrase" }],
    ["5", "заказ №5", true],
    ["№5", "заказ №5", true],
    ["№ 5", "заказ №5", false, { match: "phrase" }],
    ["50", "50㎡", true],
    ["Parlance", "Parlance™", true],
    ["5", "5½ bar", true],
    ["51", "5½ bar", false],
    ["wort", "´Wort´", true],
    ["25°C", "25℃", true],
    ["straße", "STRAẞE", true],
    ["ΐ", "\u03aa\u0301", true],
  ];

for (const [asked, text, found, more] of CASES)
  test(`${JSON.stringify(asked)} ${found ? "finds" : "does not find"} ${JSON.stringify(text)}${more ? ` (${Object.values(more)})` : ""}`, () => {
    assert.equal(matches(asked, text, more), found);
  });

test("what holds nothing that can be found is no search, and too many words are refused", () => {
  for (const asked of ["", "  ", "?!", "... --"]) assert.equal(matches(asked, "?! ... --"), undefined, asked);
  const words = Array.from({ length: MAX_SEARCH_WORDS + 1 }, (_, n) => `w${n}`);
  assert.throws(() => matches(words.join(" "), "w0"), { code: "LIMIT_EXCEEDED" });
  assert.equal(matches(words.slice(1).join(" "), "w0"), false);
});

test("words of Latin letters match as a pattern between word borders does", () => {
  const random = seededRandom(7);
  const letters = "abAB12 .,-";
  const make = (most: number) =>
    Array.from({ length: 1 + random() * most }, () => letters[Math.floor(random() * letters.length)]).join(
      "",
    );
  let found = 0;
  for (let round = 0; round < 20_000; round++) {
    const [word = ""] = make(4).match(/\w+/) ?? [];
    const text = make(14);
    if (word === "") continue;
    const expected = new RegExp(`\\b${word}\\b`, "i").test(text);
    assert.equal(matches(word, text), expected, `${word} in ${text}`);
    if (expected) found += 1;
  }
  assert.ok(found > 1_000);
});

test("any text is found by the pieces it is made of, and by nothing else", () => {
  const random = seededRandom(10);
  const pieces = [
    ..."aAbBßẞςΣσΐΪ\u0301iİıéÉе\u0308ё７7½²№™℃㎏´_-.,'@/:=+#1京都東さーガがｶ한글ไทย \u3000\n👍🏽❤\ufe0f€\u00ad\u200dשﷺǰŉﬁ①Ⓐ㈱☎…",
    ...["a@b.c", "a-b", "b_a", "ab 1", "B.A/7", "か\u3099", "1\ufe0f\u20e3", "🇩🇪"],
  ];
  const make = (most: number) =>
    Array.from({ length: 1 + random() * most }, () => pieces[Math.floor(random() * pieces.length)]).join("");
  const some = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
  let found = 0;
  for (let round = 0; round < 60_000; round++) {
    const text = make(14);
    const characters = [...text];
    const from = Math.floor(random() * characters.length);
    const part = characters.slice(from, from + 1 + Math.floor(random() * 6)).join("");
    const query = {
      text: some([make(3), part, part.toUpperCase(), part.toLowerCase(), part.normalize("NFD")]),
      match: some(["any", "all", "phrase"] as const),
      caseSensitive: random() < 0.3,
    };
    const expected = asksForNothing(query) ? undefined : isFoundIn(query, text);
    assert.equal(
      compileSearch(query)?.matches(text),
      expected,
      `${JSON.stringify(query)} in ${JSON.stringify(text)}`,
    );
    if (expected) found += 1;
  }
  assert.ok(found > 20_000, `${found}`);
});

test("whatever matches has the terms that the index is asked for, so that nothing is missed", () => {
  const random = seededRandom(8);
  const characters = [
    ..."ab ıC1.+-€ßςΣİıéе\u0301\u0345ﬁ½Ⅷ①京都サーバｶ한글ไทย👍🏽❤\ufe0f☎𝔘𠮷\u00ad\u200d \u3000\n ŉǰ",
  ];
  const make = (most: number) =>
    Array.from(
      { length: 1 + random() * most },
      () => characters[Math.floor(random() * characters.length)],
    ).join("");
  let found = 0;
  for (let round = 0; round < 60_000; round++) {
    const text = make(24);
    const from = Math.floor(random() * text.length);
    // Half of the time something that stands in the text, in another case now and then.
    const part = text.slice(from, from + 1 + Math.floor(random() * 6));
    const asked = random() < 0.5 ? make(3) : random() < 0.5 ? part : part.toUpperCase();
    const match = (["any", "all", "phrase"] as const)[Math.floor(random() * 3)] ?? "all";
    const matcher = compileSearch({ text: asked, match, caseSensitive: random() < 0.3 });
    if (!matcher?.matches(text)) continue;
    found += 1;
    const terms = termsOf(text);
    const isCandidate = matcher.groups.every((group) =>
      group.some((all) => all.every((term) => terms.has(term))),
    );
    assert.ok(isCandidate, `${JSON.stringify(asked)} (${match}) in ${JSON.stringify(text)}`);
  }
  assert.ok(found > 5_000, `${found}`);
});

test("plain text has the same terms whether or not something else stands beside it", () => {
  const random = seededRandom(9);
  for (let round = 0; round < 5_000; round++) {
    const text = Array.from({ length: random() * 30 }, () => String.fromCharCode(random() * 128)).join("");
    const both = termsOf(`${text} é`);
    for (const term of termsOf("é")) both.delete(term);
    assert.deepEqual([...both].sort(), [...termsOf(text)].sort(), JSON.stringify(text));
  }
});
