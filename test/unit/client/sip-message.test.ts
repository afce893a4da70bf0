import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientError } from "../../../plugin/client/client-error.ts";
import { parseAddress, splitOutsideQuotes, tagOf } from "../../../plugin/client/sip-address.ts";
import { parseDatagram, SipFramer } from "../../../plugin/client/sip-framer.ts";
import {
  encodeSipMessage,
  headerValue,
  headerValues,
  parseSipMessage,
  readCseq,
  type SipMessage,
} from "../../../plugin/client/sip-message.ts";

const BODY = Buffer.from('<chat>\u{1F600} "x"\r\n\r\n</chat>', "utf8");
const INFO = Buffer.concat([
  Buffer.from(
    `INFO sip:alice@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKa\r\nvia: SIP/2.0/TCP 192.0.2.2\r\nFROM: <sip:p@example.com>;tag=a\r\nt: <sip:alice@example.com>;tag=b\r\nCall-ID: x@y\r\nCSeq: 7 INFO\r\nSubject: one\r\n  two\r\nl: ${BODY.length}\r\n\r\n`,
    "latin1",
  ),
  BODY,
]);
const OK = Buffer.from("SIP/2.0 200 OK\r\nCSeq: 7 INFO\r\nContent-Length: 0\r\n\r\n");

function syntaxError(error: unknown): boolean {
  return error instanceof ClientError && error.kind === "syntax";
}

function frame(chunks: readonly Buffer[]): SipMessage[] {
  const messages: SipMessage[] = [];
  const framer = new SipFramer((message) => messages.push(message));
  for (const chunk of chunks) framer.push(chunk);
  assert.equal(framer.waitingBytes, 0);
  return messages;
}

test("header names are found in any case and in their compact form, folded lines are joined", () => {
  const [message] = frame([INFO]);
  assert.ok(message);
  assert.deepEqual(headerValues(message, "Via"), [
    "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKa",
    "SIP/2.0/TCP 192.0.2.2",
  ]);
  assert.equal(headerValue(message, "From"), "<sip:p@example.com>;tag=a");
  assert.equal(headerValue(message, "To"), "<sip:alice@example.com>;tag=b");
  assert.equal(headerValue(message, "Subject"), "one two");
  assert.equal(headerValue(message, "Route"), undefined);
  assert.deepEqual(readCseq(message), { number: 7, method: "INFO" });
});

test("a stream cut at every byte gives the same messages as in one piece", () => {
  const stream = Buffer.concat([Buffer.from("\r\n\r\n"), INFO, Buffer.from("\r\n"), OK, INFO]);
  const whole = frame([stream]);
  assert.equal(whole.length, 3);
  assert.deepEqual(
    whole.map((message) => message.body.toString("utf8")),
    [BODY.toString("utf8"), "", BODY.toString("utf8")],
  );
  assert.deepEqual(frame([...stream].map((byte) => Buffer.from([byte]))), whole);
  for (let at = 1; at < stream.length; at += 1) {
    assert.deepEqual(frame([stream.subarray(0, at), stream.subarray(at)]), whole, `cut at ${at}`);
  }
});

test("a stream message without a usable Content-Length is a syntax error, not a guess", () => {
  for (const line of [
    "",
    "Content-Length: many\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 99999999\r\n",
  ]) {
    const bytes = Buffer.from(`SIP/2.0 200 OK\r\nCSeq: 1 INFO\r\n${line}\r\n`);
    assert.throws(() => frame([bytes]), syntaxError, line);
  }
});

test("garbage where a message should start is a syntax error", () => {
  for (const head of ["hello", "INFO sip:a SIP/3.0", "SIP/2.0 abc", "INFO sip:a SIP/2.0\r\nno colon"]) {
    assert.throws(() => parseSipMessage(head), syntaxError, head);
  }
});

test("a datagram may do without Content-Length and may not be cut short", () => {
  const message = parseDatagram(Buffer.from("SIP/2.0 200 OK\r\nCSeq: 1 MESSAGE\r\n\r\nhi"));
  assert.equal(message?.body.toString(), "hi");
  assert.equal(parseDatagram(Buffer.from("\r\n\r\n".slice(0, 2))), undefined);
  assert.throws(
    () => parseDatagram(Buffer.from("SIP/2.0 200 OK\r\nContent-Length: 9\r\n\r\nhi")),
    syntaxError,
  );
});

test("what is encoded reads back the same, and a given Content-Length is not corrected", () => {
  const [message] = frame([INFO]);
  assert.ok(message);
  const [again] = frame([encodeSipMessage(message)]);
  assert.deepEqual(again, message);
  const wrong = { ...message, headers: [["Content-Length", "3"]] as const };
  assert.match(encodeSipMessage(wrong).toString("latin1"), /Content-Length: 3\r\n\r\n/);
  assert.doesNotMatch(
    encodeSipMessage(wrong).toString("latin1"),
    new RegExp(`Content-Length: ${BODY.length}`),
  );
});

test("addresses are taken apart with display names, quotes and parameters on either side", () => {
  const address = parseAddress('"A <b> \\" ;" <sip:a@example.com;transport=tcp>;tag=x;epid=y');
  assert.equal(address.uri, "sip:a@example.com;transport=tcp");
  assert.equal(address.params.get("epid"), "y");
  assert.equal(parseAddress("sip:a@example.com;tag=q").params.get("tag"), "q");
  assert.equal(tagOf("<sip:a@example.com;tag=no>;epid=1;tag=yes"), "yes");
  assert.deepEqual(splitOutsideQuotes('<sip:a;x=1,2>,"b,c" <sip:d>', ","), [
    "<sip:a;x=1,2>",
    '"b,c" <sip:d>',
  ]);
});
