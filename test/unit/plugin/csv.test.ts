import assert from "node:assert/strict";
import { test } from "node:test";
import { CsvError, parseCsv } from "../../../plugin/csv.ts";

const records = (text: string) => parseCsv(text).map(({ fields }) => Object.values(fields));

test("fields are taken apart as spreadsheets write them", () => {
  const text = '\uFEFFGroup,Member\r\na, b \r\n"x, y","say ""hi"""\r\n\r\n,\r\n"two\nlines",z';
  assert.deepEqual(parseCsv(text)[0], { line: 2, fields: { group: "a", member: "b" } });
  assert.deepEqual(records(text), [
    ["a", "b"],
    ["x, y", 'say "hi"'],
    ["two\nlines", "z"],
  ]);
  assert.deepEqual(
    parseCsv(text).map(({ line }) => line),
    [2, 3, 6],
  );
  assert.deepEqual(
    parseCsv('a,b\r\n"1\r\n\r\n2",x\r\ny,z\r\n').map(({ line }) => line),
    [2, 5],
  );
  assert.deepEqual(records("a,b\nonly"), [["only", ""]]);
  assert.deepEqual(records("a,b"), []);
});

test("what is no such list is refused with its line", () => {
  const wrong = (text: string, words: RegExp) =>
    assert.throws(
      () => parseCsv(text),
      (error) => error instanceof CsvError && words.test(error.message),
    );
  wrong("", /line 1: there is nothing/);
  wrong("a,b\nc,d,e", /line 2: 3 fields/);
  wrong('a,b\n"open', /line 2: a quote/);
  wrong('a,b\nx"y,z', /line 2: a quote/);
  wrong('a,b\n"x"y,z', /line 2: a quote/);
  wrong(`a,b\n"${"x".repeat(5_000_000)}`, /line 2: a quote/);
});
