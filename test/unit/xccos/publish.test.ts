import assert from "node:assert/strict";
import { test } from "node:test";
import { XccosError } from "../../../src/xccos/error.ts";
import { decodePublish, followedRoom, propertiesOf } from "../../../src/xccos/publish.ts";
import { encodeRoamingData, encodeVersionFault } from "../../../src/xccos/roaming-self.ts";

const document = (publications: string, declarations = "") =>
  Buffer.from(
    `<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence"${declarations}><publications uri="sip:a@b.c">${publications}</publications></publish>`,
  );
const HEAD = 'categoryName="roomSetting" instance="391145" container="1" version="2"';

function contentOf(content: string, declarations?: string): string | null | undefined {
  return decodePublish(document(`<publication ${HEAD}>${content}</publication>`, declarations))
    .publications[0]?.content;
}

test("a publication is read with its place, its version and its content", () => {
  const { uri, publications } = decodePublish(
    document(
      `<publication categoryName="state" instance="1" container="2" version="0"/>\n<publication ${HEAD} expireType="user"><a/></publication><publication ${HEAD} expires="0"/>`,
    ),
  );
  assert.equal(uri, "sip:a@b.c");
  const key = { category: "roomSetting", instance: 391145, container: 1, version: 2 };
  assert.deepEqual(publications, [
    {
      ...key,
      index: 2,
      expireType: "user",
      content: '<a xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence"/>',
    },
    { ...key, index: 3, expireType: "static", content: null },
  ]);
});

test("content is complete in itself: what was declared around it is declared in it", () => {
  assert.equal(
    contentOf('<x:a xmlns="urn:d" y:k="1"><b>t</b></x:a>', ' xmlns:x="urn:x" xmlns:y="urn:y"'),
    '<x:a xmlns="urn:d" y:k="1" xmlns:x="urn:x" xmlns:y="urn:y"><b>t</b></x:a>',
  );
});

test("text comes out as it went in, and only elements are kept of what stands beside them", () => {
  assert.equal(
    contentOf(
      '  <a xmlns="u" k="&lt;&quot;&#10;">1 &lt; 2 <!-- no --><![CDATA[<&]]>&#13;</a> beside <b xmlns="v"/>',
    ),
    '<a xmlns="u" k="&lt;&quot;&#xA;">1 &lt; 2 &lt;&amp;&#xD;</a><b xmlns="v"/>',
  );
});

test("properties are read from their text or their value, and nonsense has none", () => {
  const url = "ma-chan://example.com/7c";
  assert.equal(
    followedRoom(
      `<r><propertyList xmlns="urn:p"><property name="url"> ${url} </property></propertyList></r>`,
    ),
    url,
  );
  assert.equal(followedRoom(`<property name="url" type="string"><value>${url}</value></property>`), url);
  assert.equal(followedRoom("<r/>"), "");
  assert.deepEqual([...propertiesOf("<not well-formed")], []);
});

test("what is no publication is refused as a whole", () => {
  for (const publication of [
    '<publication categoryName="roomSetting" container="1" version="0"/>',
    '<publication categoryName="roomSetting" instance="-1" container="1" version="0"/>',
    '<publication categoryName="roomSetting" instance="1" container="1e3" version="0"/>',
    `<publication ${HEAD} expireType="for ever"/>`,
    "<category/>",
  ])
    assert.throws(() => decodePublish(document(publication)), XccosError, publication);
  assert.throws(() => decodePublish(document("<publication/>".repeat(201))), { code: "too-large" });
  assert.throws(() => decodePublish(Buffer.from("<publish/>")), { code: "wrong-namespace" });
});

test("a document tells what stands and what is gone, a fault which version stands", () => {
  const category = {
    category: "roomSetting",
    instance: 1,
    container: 2,
    expireType: "static",
    publishedMs: 0,
  };
  assert.equal(
    encodeRoamingData("sip:a@b.c", [
      { ...category, version: 3, content: "<a/>" },
      { ...category, version: 4, content: null },
    ]),
    '<roamingData xmlns="http://schemas.microsoft.com/2006/09/sip/roaming-self"><categories xmlns="http://schemas.microsoft.com/2006/09/sip/categories" uri="sip:a@b.c">' +
      '<category name="roomSetting" instance="1" publishTime="1970-01-01T00:00:00.000" container="2" version="3" expireType="static"><a/></category>' +
      '<category name="roomSetting" instance="1" publishTime="1970-01-01T00:00:00.000" container="2" version="4" expireType="static" expires="0"/>' +
      "</categories></roamingData>",
  );
  assert.equal(
    encodeVersionFault([{ index: 2, version: 1, current: 5 }]),
    '<Fault><Faultcode>Client.BadCall.WrongDelta</Faultcode><details><operation index="2" version="1" curVersion="5"/></details></Fault>',
  );
});
