import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeGrpchat, encodeGrpchat, encodeTime, type WireMessage } from "../../../src/xccos/grpchat.ts";
import { parseXml } from "../../../src/xccos/xml.ts";

const message: WireMessage = {
  chanUri: "ma-chan://example.com/300",
  author: "sip:alice@example.com",
  authdisp: 'Alice "Al" Adams',
  alert: true,
  chatId: 9007199254740993n,
  ts: Date.UTC(2026, 10, 23, 8, 15, 30, 123),
  chat: " <b>\r\n& ]]> 😀 שלום\n ",
  rtf: "{\\rtf1\r\n}",
};

function reread(xml: string): ReturnType<typeof decodeGrpchat> {
  return decodeGrpchat(parseXml(Buffer.from(xml.replace(/^<\w+/, '$& xmlns="urn:parlano:xml:ns:xccos"'))));
}

test("what the server writes a client reads back, text byte for byte", () => {
  for (const name of ["grpchat", "msg"] as const) {
    const xml = encodeGrpchat(message, name);
    assert.ok(xml.startsWith(`<${name} id="grpchat" seqid="1" `));
    assert.match(xml, / chatId="9007199254740993" /);
    assert.deepEqual(reread(xml), {
      seqid: "1",
      chanUri: message.chanUri,
      author: message.author,
      ts: "2026-11-23T08:15:30.1230000Z",
      alert: true,
      chat: message.chat,
      rtf: message.rtf,
      problem: undefined,
    });
  }
});

test("without a display name and a rich version neither is written, and alert is false", () => {
  const { authdisp: _, rtf: __, alert: ___, ...plain } = message;
  const xml = encodeGrpchat(plain, "grpchat");
  assert.doesNotMatch(xml, /authdisp|rtf/);
  assert.match(xml, / alert="false" /);
});

test("the first problem is told and the rest of the post is there all the same", () => {
  const post = reread('<grpchat author="sip:alice@example.com"><chat>x</chat></grpchat>');
  assert.equal(post.problem, "no-chan-uri");
  assert.equal(post.chat, "x");
  assert.equal(post.ts, undefined);
});

test("a blank is text, an empty chat is none", () => {
  const post = (chat: string): unknown =>
    reread(`<grpchat chanUri="u" ts="t"><chat>${chat}</chat></grpchat>`).problem;
  assert.equal(post(" "), undefined);
  assert.equal(post("<!-- nothing -->"), "empty-chat");
  assert.equal(post(""), "empty-chat");
});

test("markup in the rich version is refused as in the plain one", () => {
  const post = (rtf: string): unknown =>
    reread(`<grpchat chanUri="u" ts="t"><chat>x</chat>${rtf}</grpchat>`).problem;
  assert.equal(post("<rtf>a<b/></rtf>"), "element-in-rtf");
  assert.equal(post("<rtf>a</rtf><rtf>b</rtf>"), "element-in-rtf");
  assert.equal(post("<rtf/>"), undefined);
});

test("times are UTC with seven fraction digits", () => {
  assert.equal(encodeTime(0), "1970-01-01T00:00:00.0000000Z");
  assert.equal(encodeTime(Date.UTC(2026, 1, 3, 4, 5, 6, 7)), "2026-02-03T04:05:06.0070000Z");
  assert.throws(() => encodeTime(Number.NaN), RangeError);
});
