import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { ClientError } from "../../../plugin/client/client-error.ts";
import { Phone, type PhoneOptions } from "../../../plugin/client/phone.ts";
import { type StubOptions, StubServer } from "../../support/stub-server.ts";

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function phoneAt(
  options: StubOptions,
  more: Partial<PhoneOptions> = {},
): Promise<{ stub: StubServer; phone: Phone }> {
  const stub = await StubServer.start(options);
  stops.push(() => stub.stop());
  const phone = new Phone({
    host: "127.0.0.1",
    port: stub.port,
    transport: "tcp",
    address: "sip:bob@example.com",
    password: "builder",
    timeoutMs: 2000,
    ...more,
  });
  stops.push(() => phone.crash());
  await phone.signIn();
  return { stub, phone };
}

/** A request from outside, sent down the phone's own connection. */
function incoming(stub: StubServer, method: string, cseq: number, body = ""): void {
  const socket = stub.lastSocket;
  assert.ok(socket);
  socket.write(
    `${method} sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK${cseq}\r\nRecord-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\nFrom: <sip:al@example.com>;tag=f\r\nTo: <sip:bob@example.com>\r\nCall-ID: call\r\nCSeq: ${cseq} ${method}\r\nContact: <sip:al@192.0.2.9>\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

test("a phone registers with 401 digest, calls, hangs up along the recorded route", async () => {
  const { stub, phone } = await phoneAt({
    passwords: { bob: "builder" },
    challengeStatus: 401,
    inviteLines: ["Record-Route: <sip:p1;lr>, <sip:p2;lr>"],
  });
  const call = await phone.call("sip:carol@example.com");
  assert.equal(await phone.hangUp(call), 200);
  const bye = stub.requestsOf("BYE")[0];
  assert.match(bye?.uri ?? "", /^sip:n1-5\./, "the answer's Contact");
  assert.deepEqual(bye?.text.match(/^Route: .*$/gm), ["Route: <sip:p2;lr>", "Route: <sip:p1;lr>"]);
  assert.equal(bye?.header("CSeq"), "2 BYE");
});

test("a refused call is reported with its status and ACKed", async () => {
  const { stub, phone } = await phoneAt({ inviteStatus: 486 });
  await assert.rejects(phone.call("sip:carol@example.com"), (error) => {
    return error instanceof ClientError && error.status === 486;
  });
  await stub.waitUntil(() => stub.requestsOf("ACK").length === 1);
});

test("a called phone rings, answers after its ring time, and knows when the other side hangs up", async () => {
  const { stub, phone } = await phoneAt({}, { ringMs: 30 });
  incoming(stub, "INVITE", 1);
  await stub.waitUntil(() => stub.responses.length === 1);
  assert.deepEqual(stub.responses, ["SIP/2.0 180 Ringing"]);
  await stub.waitUntil(() => stub.responses.length === 2);
  assert.equal(stub.responses[1], "SIP/2.0 200 OK");
  assert.deepEqual(phone.calls[0]?.dialog.routeSet, ["<sip:p2;lr>", "<sip:p1;lr>"]);
  incoming(stub, "BYE", 2);
  await phone.waitUntil(() => phone.calls[0]?.ended === true);
});

test("a MESSAGE arrives whole, and one is sent", async () => {
  const { stub, phone } = await phoneAt({});
  incoming(stub, "MESSAGE", 1, "h\u00e4llo \u{1F600}");
  await phone.waitUntil(() => phone.messages.length === 1);
  assert.equal(phone.messages[0]?.text, "h\u00e4llo \u{1F600}");
  assert.equal((await phone.message("sip:carol@example.com", "\u{1F600}")).status, 200);
  assert.equal(stub.requestsOf("MESSAGE")[0]?.body, "\u{1F600}");
});
