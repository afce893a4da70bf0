import assert from "node:assert/strict";
import { test } from "node:test";
import { XccosError, type XccosErrorCode } from "../../../src/xccos/error.ts";
import { parseXml } from "../../../src/xccos/xml.ts";

function refuses(xml: string, code: XccosErrorCode): void {
  const body = Buffer.from(xml);
  const startedMs = performance.now();
  assert.throws(() => parseXml(body), { name: "XccosError", code });
  // Two orders of magnitude above what is measured: catches only work that grows with more than the size.
  assert.ok(performance.now() - startedMs < 2000, "ends quickly");
}

test("an element tells its local name, namespace, attributes, text and children", () => {
  const root = parseXml(Buffer.from('<p:a xmlns:p="urn:x" b="1" p:c="2">x<d>y</d>z</p:a>'));
  assert.equal(root.name, "a");
  assert.equal(root.namespace, "urn:x");
  assert.deepEqual([...root.attributes], [["b", "1"]]);
  assert.equal(root.text, "xz");
  assert.equal(root.hasElementChildren, true);
  assert.deepEqual(
    root.children.map(({ name, namespace, text }) => ({ name, namespace, text })),
    [{ name: "d", namespace: "", text: "y" }],
  );
  assert.equal(root.children[0]?.hasElementChildren, false);
});

test("an attribute named like an object's prototype is an attribute and nothing else", () => {
  const root = parseXml(Buffer.from('<a __proto__="1" constructor="2"/>'));
  assert.equal(root.attributes.get("__proto__"), "1");
  assert.equal(root.attributes.get("constructor"), "2");
  assert.equal(root.attributes.get("toString"), undefined);
});

test("line ends become LF, references to CR do not", () => {
  assert.equal(parseXml(Buffer.from("<a>\r\n1\r2\n3&#13;\n </a>")).text, "\n1\n2\n3\r\n ");
});

test("XML 1.1 in the declaration does not switch its line ends and control characters on", () => {
  assert.equal(parseXml(Buffer.from('<?xml version="1.1"?><a>\u0085\u2028</a>')).text, "\u0085\u2028");
  refuses('<?xml version="1.1"?><a>&#1;</a>', "entity");
});

test("32 levels are read, 33 are not, and 10000 end at once", () => {
  const levels = (n: number): string => "<a>".repeat(n) + "</a>".repeat(n);
  assert.doesNotThrow(() => parseXml(Buffer.from(levels(32))));
  refuses(levels(33), "too-deep");
  refuses(levels(10_000), "too-deep");
  refuses("<a>".repeat(10_000), "too-deep");
});

test("64 attributes are read, 65 are not, and 10000 end at once", () => {
  const attributes = (n: number): string =>
    `<a ${Array.from({ length: n }, (_, i) => `a${i}=""`).join(" ")}/>`;
  assert.doesNotThrow(() => parseXml(Buffer.from(attributes(64))));
  refuses(attributes(65), "too-many-attributes");
  refuses(attributes(10_000), "too-many-attributes");
  const declarations = Array.from({ length: 65 }, (_, i) => `xmlns:n${i}="u"`).join(" ");
  refuses(`<a ${declarations}/>`, "too-many-attributes");
});

test("the limit of attributes is one element's, not the document's", () => {
  const element = `<b ${Array.from({ length: 40 }, (_, i) => `a${i}=""`).join(" ")}/>`;
  assert.equal(parseXml(Buffer.from(`<a>${element}${element}</a>`)).children.length, 2);
});

test("4096 elements are read, one more is not", () => {
  assert.doesNotThrow(() => parseXml(Buffer.from(`<a>${"<b/>".repeat(4095)}</a>`)));
  refuses(`<a>${"<b/>".repeat(4096)}</a>`, "too-many-elements");
});

test("98304 bytes are read, one more is too large before anything is parsed", () => {
  const text = (bytes: number): Buffer => Buffer.from(`<a>${"x".repeat(bytes - 7)}</a>`);
  assert.equal(parseXml(text(98_304)).text.length, 98_297);
  assert.throws(() => parseXml(text(98_305)), { code: "too-large", reason: "too-large" });
  assert.throws(() => parseXml(Buffer.alloc(98_305, 0xff)), { code: "too-large" });
});

test("entity bombs, long names and endless constructs end quickly", () => {
  const declarations = Array.from(
    { length: 2000 },
    (_, i) => `<!ENTITY e${i} "&e${i - 1};&e${i - 1};">`,
  ).join("");
  refuses(`<!DOCTYPE a [<!ENTITY e0 "x">${declarations}]><a>&e1999;</a>`, "doctype");
  refuses(`<a>&${"a".repeat(98_000)}`, "not-well-formed");
  refuses(`<${"a".repeat(98_000)}`, "not-well-formed");
  refuses(`<a b="${"\n".repeat(98_000)}`, "not-well-formed");
  refuses(`<a><!--${"-".repeat(98_000)}`, "not-well-formed");
  refuses(`<a><![CDATA[${"]".repeat(98_000)}`, "not-well-formed");
  refuses(`<!DOCTYPE a [${"'".repeat(98_000)}`, "not-well-formed");
});

test("whatever is cut off is refused, at every length", () => {
  const whole = '<?xml version="1.0"?><a b="1 &amp; 2"><!-- c --><![CDATA[d]]>e &lt; f<g/></a>';
  assert.doesNotThrow(() => parseXml(Buffer.from(whole)));
  for (let length = 0; length < whole.length; length += 1) {
    assert.throws(() => parseXml(Buffer.from(whole.slice(0, length))), XccosError, whole.slice(0, length));
  }
});

test("bytes that are not UTF-8 are refused wherever they stand, and the next body is read as usual", () => {
  for (const bytes of ["ff", "c328", "c0af", "eda080", "f5808080", "e282"]) {
    const body = Buffer.concat([Buffer.from("<a>"), Buffer.from(bytes, "hex"), Buffer.from("</a>")]);
    assert.throws(() => parseXml(body), { code: "invalid-utf8", reason: "not-parsable" }, bytes);
    assert.throws(() => parseXml(body.subarray(0, -4)), XccosError, bytes);
    assert.equal(parseXml(Buffer.from("<a>é</a>")).text, "é");
  }
});

test("an error never quotes the body", () => {
  for (const xml of [
    "<a>secret",
    "<secret></b>",
    "<a>&secret;</a>",
    '<a b="secret" b="secret"/>',
    "<secret:a/>",
  ]) {
    try {
      parseXml(Buffer.from(xml));
      assert.fail("must be refused");
    } catch (error) {
      assert.ok(error instanceof XccosError);
      assert.doesNotMatch(`${error.message} ${error.where} ${error.stack} ${error.cause}`, /secret/);
    }
  }
});

test("ten thousand bodies damaged at random are read or refused, never anything else", () => {
  const body = Buffer.from('<x xmlns="urn:x" a="1"><b c=\'2\'>t&amp;<![CDATA[u]]></b><!-- v --><d/></x>');
  let seed = 20261123;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  let refused = 0;
  for (let round = 0; round < 10_000; round += 1) {
    const damaged = Buffer.from(body);
    for (let hits = random(3); hits >= 0; hits -= 1) damaged[random(damaged.length)] = random(256);
    try {
      parseXml(damaged);
    } catch (error) {
      assert.ok(error instanceof XccosError, String(error));
      refused += 1;
    }
  }
  assert.ok(refused > 1000 && refused < 10_000);
});
