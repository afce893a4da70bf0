import assert from "node:assert/strict";
import { test } from "node:test";
import { parseXml } from "../../../src/xccos/xml.ts";
import { element, escapeAttribute, escapeText } from "../../../src/xccos/xml-writer.ts";

test("text is escaped once, CR by reference, LF and tab as they are", () => {
  assert.equal(escapeText("<b>&amp;\r\n\t\"'"), "&lt;b&gt;&amp;amp;&#xD;\n\t\"'");
});

test("attributes keep tab, LF and CR by reference", () => {
  assert.equal(escapeAttribute("a\t\r\n\"'<>&"), "a&#x9;&#xD;&#xA;&quot;&apos;&lt;&gt;&amp;");
});

test("what XML 1.0 cannot hold becomes U+FFFD, in text and in attributes", () => {
  for (const bad of ["\0", "\u0001", "\u000b", "\u001f", "\ufffe", "\uffff", "\ud83d", "\ude00"]) {
    assert.equal(escapeText(`a${bad}b`), "a\ufffdb");
    assert.equal(escapeAttribute(`a${bad}b`), "a\ufffdb");
  }
  assert.equal(escapeText("\u007f\u0085\u2028\ufffd\u{10ffff}"), "\u007f\u0085\u2028\ufffd\u{10ffff}");
});

test("an element leaves undefined attributes out and closes itself when empty", () => {
  assert.equal(element("a", { b: 1, c: undefined, d: "", e: false }), '<a b="1" d="" e="false"/>');
  assert.equal(element("a", {}, "<b/>"), "<a><b/></a>");
});

const PIECES = [
  ..."<>&\"'/=;#x ]![",
  "]]>",
  "<![CDATA[",
  "-->",
  "<?",
  "&amp;",
  "&#10;",
  "\r\n",
  "\r",
  "\n",
  "\t",
  "  ",
  "é",
  "שלום",
  "مرحبا",
  "\u202e",
  "\u200d",
  "👩🏽‍🚒",
  "😀",
  "𝔘",
  "\u0085",
  "\u2028",
  "\ufeff",
  "\ufffd",
  "\u{10ffff}",
  "word",
];

test("ten thousand random texts come back from the parser as they were, in text and in attributes", () => {
  let seed = 4711;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let round = 0; round < 10_000; round += 1) {
    let text = "";
    for (let pieces = random(20); pieces >= 0; pieces -= 1) text += PIECES[random(PIECES.length)];
    const root = parseXml(Buffer.from(element("a", { b: text }, `<c>${escapeText(text)}</c>`)));
    assert.equal(root.children[0]?.text, text);
    assert.equal(root.attributes.get("b"), text);
    assert.equal(root.children[0]?.hasElementChildren, false);
  }
});

test("every code point that XML can hold survives, every other one is replaced", () => {
  const legal = (code: number): boolean =>
    code === 9 ||
    code === 10 ||
    code === 13 ||
    (code >= 0x20 && code < 0xd800) ||
    (code >= 0xe000 && code < 0xfffe) ||
    code > 0xffff;
  for (let first = 0; first < 0x20000; first += 0x1000) {
    let text = "";
    let expected = "";
    for (let code = first; code < first + 0x1000; code += 1) {
      text += `${String.fromCodePoint(code)} `;
      expected += `${legal(code) ? String.fromCodePoint(code) : "\ufffd"} `;
    }
    assert.equal(parseXml(Buffer.from(`<a>${escapeText(text)}</a>`)).text, expected);
  }
});
