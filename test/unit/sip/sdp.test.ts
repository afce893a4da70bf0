import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeSdpAnswer, parseSdpOffer, type SdpOffer } from "../../../src/sip/sdp.ts";

function sdp(...media: string[]): string {
  return ["v=0", "o=- 0 0 IN IP4 192.0.2.10", "s=session", "c=IN IP4 192.0.2.10", "t=0 0", ...media, ""].join(
    "\r\n",
  );
}

function parse(body: string): SdpOffer {
  const offer = parseSdpOffer(body);
  assert.ok(offer);
  return offer;
}

test("a chat offer is answered with our address and port and nothing but text", () => {
  const offer = parse(sdp("m=message 5060 sip null", "a=accept-types:text/plain text/html image/gif"));
  assert.equal(
    encodeSdpAnswer(offer, "192.0.2.20", 5070),
    "v=0\r\no=- 0 0 IN IP4 192.0.2.20\r\ns=session\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n" +
      "m=message 5070 sip null\r\na=accept-types:text/plain\r\n",
  );
});

test("the oldest clients' media name is mirrored, and bare LF is read", () => {
  const offer = parse(sdp("m=x-ms-message 5060 sip null").replaceAll("\r\n", "\n"));
  assert.match(encodeSdpAnswer(offer, "::1", 5070), /IN IP6 ::1\r\n.*m=x-ms-message 5070 sip null\r\n/s);
});

test("other lines of the offer are refused with port 0, in their order", () => {
  const offer = parse(
    sdp("m=audio 4000/2 RTP/AVP 0 8", "m=message 5060 sip null", "m=message 5060 sip null"),
  );
  assert.deepEqual(encodeSdpAnswer(offer, "192.0.2.20", 5070).match(/^m=.*$/gm), [
    "m=audio 0 RTP/AVP 0 8",
    "m=message 5070 sip null",
    "m=message 0 sip null",
  ]);
});

test("what offers no chat session is undefined", () => {
  for (const body of [
    "",
    "hello",
    sdp(),
    sdp("m=audio 4000 RTP/AVP 0"),
    sdp("m=message 5060 TCP/MSRP *"),
    sdp("m=message sip null"),
    sdp("m=message 5060 sip null").replace("v=0", "v=1"),
    sdp(...Array.from({ length: 17 }, () => "m=message 5060 sip null")),
    sdp("m=message 5060 sip null", `a=${"x".repeat(20_000)}`),
  ]) {
    assert.equal(parseSdpOffer(body), undefined, body.slice(0, 60));
  }
});
