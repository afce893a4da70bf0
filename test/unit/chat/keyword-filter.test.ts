import assert from "node:assert/strict";
import { test } from "node:test";
import { fits, keywordFilter } from "../../../src/chat/keyword-filter.ts";

const found = (keywords: string, text: string) => fits(keywordFilter(1, "x", keywords, undefined), text);

test("any of the words fits, as a whole word, without regard to case and form", () => {
  for (const [keywords, text] of [
    ["pump", "the PUMP is back"],
    ["valve pump", "pump!"],
    ["straße", "Die STRASSE? Nein, die Straße"],
    ["é", "caf e\u0301 x"],
    ["3", "pump 3"],
    ["c++", "we write C++, they do not"],
    ["@alice", "ask @Alice about it"],
  ] as const)
    assert.ok(found(keywords, text), `${keywords} in ${text}`);
});

test("a part of a word does not fit", () => {
  for (const [keywords, text] of [
    ["pump", "pumpkin"],
    ["3", "pump 33"],
    ["all", "small"],
    ["pump", "pump_3"],
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
