import assert from "node:assert/strict";
import { test } from "node:test";
import { childNamed, childrenNamed, isTrue, parseCount, seqidOf } from "../../../src/xccos/element.ts";
import { parseXml } from "../../../src/xccos/xml.ts";

test("children are found in the XCCOS namespace only", () => {
  const root = parseXml(
    Buffer.from(
      '<a xmlns="urn:parlano:xml:ns:xccos"><b xmlns="urn:x">0</b><b>1</b><b>2</b><c><b>3</b></c></a>',
    ),
  );
  assert.equal(childNamed(root, "b")?.text, "1");
  assert.deepEqual(
    childrenNamed(root, "b").map(({ text }) => text),
    ["1", "2"],
  );
  assert.equal(childNamed(root, "d"), undefined);
  assert.deepEqual(childrenNamed(undefined, "b"), []);
});

test("a count is decimal digits within what a number holds exactly", () => {
  assert.equal(parseCount("0"), 0);
  assert.equal(parseCount("9007199254740991"), 9007199254740991);
  for (const bad of ["", "-1", "+1", "1.0", "1e3", "0x1", " 1", "9007199254740992", "١", "Infinity"]) {
    assert.equal(parseCount(bad), undefined, bad);
  }
});

test("true is told in any case and as 1", () => {
  for (const yes of ["true", "True", "TRUE", "1"]) assert.equal(isTrue(yes), true);
  for (const no of [undefined, "", "false", "0", "yes"]) assert.equal(isTrue(no), false);
});

test("a seqid is 1 by default and undefined when it is no number", () => {
  const seqid = (attributes: string): string | undefined =>
    seqidOf(parseXml(Buffer.from(`<cmd ${attributes}/>`)));
  assert.equal(seqid(""), "1");
  assert.equal(seqid('seqid="12"'), "12");
  assert.equal(seqid('seqid=""'), undefined);
  assert.equal(seqid('seqid="123456789012345678901"'), undefined);
});
