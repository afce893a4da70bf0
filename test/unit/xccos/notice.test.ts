import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeJoinNotice, encodePartNotice } from "../../../src/xccos/notice.ts";

test("a join nests rooms in users, a part nests users in rooms", () => {
  const bob = { uri: "sip:bob@example.com" };
  const joined = { ...bob, rooms: [{ domain: "example.com", value: "300", mask: 3984 }] };
  assert.equal(
    encodeJoinNotice([joined]),
    '<ntc id="ntc:join" seqid="1"><data><uib uri="sip:bob@example.com"><aib key="3984" domain="example.com" value="300"/></uib></data></ntc>',
  );
  assert.equal(
    encodePartNotice([{ roomUri: "ma-chan://example.com/300", users: [bob] }]),
    '<ntc id="ntc:part" seqid="1"><data><chanib uri="ma-chan://example.com/300"><uib uri="sip:bob@example.com"/></chanib></data></ntc>',
  );
});

test("several users may enter in one notice, and a batch join says so", () => {
  const users = ["bob", "carol"].map((name) => ({
    uri: `sip:${name}@example.com`,
    displayName: `${name} & co`,
    rooms: [{ domain: "example.com", value: "300", mask: 3984 }],
  }));
  const xml = encodeJoinNotice(users, "bjoin");
  assert.match(xml, /^<ntc id="ntc:bjoin" /);
  assert.equal(xml.match(/<uib /g)?.length, 2);
  assert.match(xml, /disname="bob &amp; co"/);
});
