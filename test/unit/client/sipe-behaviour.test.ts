import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { ClientError } from "../../../plugin/client/client-error.ts";
import { XccosEndpoint } from "../../../plugin/client/endpoint.ts";
import type { EndpointOptions } from "../../../plugin/client/endpoint-options.ts";
import { type StubOptions, StubServer } from "../../support/stub-server.ts";
import { STUB_ROOM } from "../../support/stub-xccos.ts";

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function startStub(options: StubOptions = {}): Promise<StubServer> {
  const stub = await StubServer.start(options);
  stops.push(() => stub.stop());
  return stub;
}

async function signedIn(stub: StubServer, more: Partial<EndpointOptions> = {}): Promise<XccosEndpoint> {
  const endpoint = new XccosEndpoint({
    host: "127.0.0.1",
    port: stub.port,
    address: "sip:alice@example.com",
    password: "wonder",
    timeoutMs: 2000,
    sipe: true,
    ...more,
  });
  stops.push(() => endpoint.crash());
  await endpoint.signIn();
  return endpoint;
}

test("requests of a dialog, its INVITE included, have a Via without branch; others have one", async () => {
  const stub = await startStub();
  await signedIn(stub);
  await stub.waitUntil(() => stub.requests.filter(({ method }) => method === "ACK").length === 2);
  for (const request of stub.requests) {
    const outside = request.method === "REGISTER" || request.method === "SUBSCRIBE";
    assert.equal(/^Via: SIP\/2\.0\/tcp .*;branch=z9hG4bK/m.test(request.text), outside, request.method);
    assert.match(request.header("From"), /^<sip:alice@example\.com>;tag=[^;]+;epid=[^;]+$/);
  }
});

test("the digest is over the literal (null), and the retry keeps CSeq, Call-ID and Via", async () => {
  const stub = await startStub({ passwords: { "alice@example.com": "wonder" } });
  await signedIn(stub);
  const [first, second] = stub.requestsOf("REGISTER");
  assert.match(second?.header("Proxy-Authorization") ?? "", /uri="\(null\)".*qop=auth, nc=00000001/);
  for (const name of ["CSeq", "Call-ID", "Via"]) assert.equal(second?.header(name), first?.header(name));
  assert.equal(first?.header("Expires"), "");
});

test("a 401 is refused as that client refuses it", async () => {
  const stub = await startStub({ passwords: { "alice@example.com": "wonder" }, challengeStatus: 401 });
  await assert.rejects(signedIn(stub), (error) => error instanceof ClientError && error.status === 401);
  assert.equal(stub.requestsOf("REGISTER").length, 1);
});

test("a plain client answers the same 401 and raises its CSeq", async () => {
  const stub = await startStub({ passwords: { "alice@example.com": "wonder" }, challengeStatus: 401 });
  await signedIn(stub, { sipe: false });
  assert.deepEqual(
    stub.requestsOf("REGISTER").map((request) => request.header("CSeq")),
    ["1 REGISTER", "2 REGISTER"],
  );
});

test("Contact of dialogs names the domain and hides the address in maddr", async () => {
  const stub = await startStub();
  await signedIn(stub);
  const contact = stub.requestsOf("INVITE")[0]?.header("Contact") ?? "";
  assert.match(contact, /^<sip:alice@example\.com:\d+;maddr=127\.0\.0\.1;transport=tcp>;proxy=replace$/);
});

test("a refused INVITE is not ACKed by the quirk, and is ACKed without it", async () => {
  const stub = await startStub({ inviteStatus: 403 });
  const refused = (error: unknown) => error instanceof ClientError && error.status === 403;
  await assert.rejects(signedIn(stub), refused);
  await assert.rejects(signedIn(stub, { sipe: false }), refused);
  await stub.waitUntil(() => stub.requestsOf("ACK").length > 0);
  assert.equal(stub.requestsOf("ACK").length, 1, "only the plain client's");
  assert.equal(stub.requestsOf("ACK")[0]?.header("CSeq"), "1 ACK");
});

test("two clients with one seed share Call-IDs, tags, CSeqs and envids", async () => {
  const stub = await startStub();
  await signedIn(stub, { seed: 42, epid: "aa" });
  await signedIn(stub, { seed: 42, epid: "bb" });
  const infos = stub.requestsOf("INFO");
  assert.equal(infos.length, 4);
  const look = (index: number) => {
    const request = infos[index];
    return [
      request?.header("Call-ID"),
      request?.header("CSeq"),
      /envid="\d+"/.exec(request?.body ?? "")?.[0],
    ];
  };
  assert.deepEqual(look(0), look(2));
  assert.deepEqual(look(1), look(3));
  assert.notEqual(infos[0]?.header("From"), infos[2]?.header("From"), "the epid still differs");
});

test("names can be pinned one by one", async () => {
  const stub = await startStub();
  await signedIn(stub, { fixed: { callId: "same", fromTag: "tag1" }, envidStart: 500 });
  const invite = stub.requestsOf("INVITE").at(-1);
  assert.equal(invite?.header("Call-ID"), "same");
  assert.match(invite?.header("From") ?? "", /;tag=tag1;/);
  assert.match(stub.requestsOf("INFO")[0]?.body ?? "", /envid="500"/);
});

test("after a 481 the client says BYE and starts over, but does not join its rooms again", async () => {
  const stub = await startStub();
  const alice = await signedIn(stub);
  await alice.join(STUB_ROOM);
  stub.options.infoStatus = ({ body }) => (body.includes("lost") ? 481 : undefined);
  assert.equal(await alice.post(STUB_ROOM, "lost"), 481);
  assert.equal(await alice.post(STUB_ROOM, "again"), 200);
  assert.equal(alice.session.restarts, 1);
  await alice.waitForMessage(({ text }) => text === "again");
  const afterwards = stub.requests.slice(stub.requests.findIndex(({ body }) => body.includes("lost")));
  assert.deepEqual(
    afterwards.map(({ method }) => method).filter((method) => method !== "ACK"),
    ["INFO", "BYE", "INVITE", "INFO", "BYE", "INVITE", "INFO"],
  );
  assert.equal(afterwards.filter(({ body }) => body.includes("cmd:join")).length, 0);
  assert.deepEqual(alice.violations, []);
});

test("getinv follows the sign-in by itself, and sign-off does not wait for answers", async () => {
  const stub = await startStub();
  const alice = await signedIn(stub);
  assert.match(stub.requestsOf("INFO").at(-1)?.body ?? "", /cmd:getinv/);
  await alice.signOff();
  await stub.waitUntil(() => stub.openConnections === 0);
  assert.deepEqual(
    stub.requests.slice(-2).map(({ method }) => method),
    ["BYE", "REGISTER"],
  );
});
