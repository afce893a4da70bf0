import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { ClientError } from "../../../plugin/client/client-error.ts";
import { XccosEndpoint } from "../../../plugin/client/endpoint.ts";
import type { EndpointOptions } from "../../../plugin/client/endpoint-options.ts";
import { STUB_POOL, type StubOptions, StubServer } from "../../support/stub-server.ts";
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

function client(stub: StubServer, more: Partial<EndpointOptions> = {}): XccosEndpoint {
  const endpoint = new XccosEndpoint({
    host: "127.0.0.1",
    port: stub.port,
    address: "sip:alice@example.com",
    password: "wonder",
    timeoutMs: 2000,
    ...more,
  });
  stops.push(() => endpoint.crash());
  return endpoint;
}

test("sign-in proves the user, asks the lookup for the pool and leaves one dialog standing", async () => {
  const stub = await startStub({ passwords: { "alice@example.com": "wonder" } });
  const alice = client(stub);
  await alice.signIn();
  await stub.waitUntil(() => stub.requestsOf("ACK").length === 2);
  assert.deepEqual(
    stub.requests.map((request) => request.method),
    ["REGISTER", "REGISTER", "SUBSCRIBE", "INVITE", "ACK", "INFO", "BYE", "INVITE", "ACK"],
  );
  assert.equal(alice.session.provisioning?.poolUri, STUB_POOL);
  assert.equal(alice.session.current?.invitedUri, STUB_POOL);
  assert.deepEqual(alice.violations, []);
});

test("a wrong password ends the sign-in with the status and a closed connection", async () => {
  const stub = await startStub({ passwords: { "alice@example.com": "other" } });
  const alice = client(stub);
  await assert.rejects(alice.signIn(), (error) => error instanceof ClientError && error.status === 407);
  assert.equal(alice.connected, false);
  assert.equal(stub.requestsOf("REGISTER").length, 2, "no endless retry");
});

test("a user without chat is told so and no INVITE is sent", async () => {
  const stub = await startStub({ enabled: false });
  await assert.rejects(
    client(stub).signIn(),
    (error) => error instanceof ClientError && error.kind === "disabled",
  );
  assert.equal(stub.requestsOf("INVITE").length, 0);
});

test("missing lines in the REGISTER 200 are violations", async () => {
  const stub = await startStub({ registerLines: ["Supported: msrtc-event-categories, adhoclist"] });
  const alice = client(stub);
  await alice.signIn();
  assert.equal(alice.violations.length, 3);
});

test("commands resolve with their own reply, read into rooms, history and invitations", async () => {
  const stub = await startStub();
  const alice = client(stub);
  await alice.signIn();
  const [joined, past, invited, batch, info] = await Promise.all([
    alice.join(STUB_ROOM),
    alice.history(STUB_ROOM, 2),
    alice.getInvitations(),
    alice.bjoin([STUB_ROOM, "ma-chan://example.com/91aa"]),
    alice.getServerInfo(),
  ]);
  assert.equal(joined.rooms[0]?.name, "Night & shift");
  assert.deepEqual(
    joined.rooms[0]?.participants.map(({ address, permissions }) => [address, permissions]),
    [
      ["sip:alice@example.com", 3984],
      ["sip:bob@example.com", 12276],
    ],
  );
  assert.deepEqual(
    past.messages.map(({ chatId, text }) => [chatId, text]),
    [
      [1038, "first"],
      [1039, "second <b>"],
    ],
  );
  assert.equal(invited.invitations[0]?.inviteId, 17);
  assert.deepEqual(batch.failed, ["ma-chan://example.com/91aa"]);
  assert.equal(info.info.messageSizeLimit, "8000");
  assert.deepEqual(alice.violations, []);
});

test("an unknown command resolves with its code, one without reply ends at the time limit", async () => {
  const stub = await startStub();
  const alice = client(stub, { timeoutMs: 300 });
  await alice.signIn();
  const reply = await alice.command("dance");
  assert.equal(reply.code, 501);
  assert.match(reply.text, /dance/);
  await assert.rejects(
    alice.command("silence"),
    (error) => error instanceof ClientError && error.kind === "timeout",
  );
  stub.options.infoStatus = () => 503;
  await assert.rejects(
    alice.command("join"),
    (error) => error instanceof ClientError && error.status === 503,
  );
});

test("a post comes back to its author with every character intact", async () => {
  const stub = await startStub();
  const alice = client(stub);
  await alice.signIn();
  const text = 'Pump 3 & 4 <b>are</b> "back"\n\u{1F600} שלום';
  assert.equal(await alice.post(STUB_ROOM, text), 200);
  const copy = await alice.waitForMessage((message) => message.text === text);
  assert.equal(copy.room, STUB_ROOM);
  assert.equal(copy.author, "sip:alice@example.com");
  assert.equal(copy.authorName, 'Bob "B" Beck');
  stub.options.infoStatus = () => 413;
  assert.equal(await alice.post(STUB_ROOM, "too long"), 413);
  await alice.expectNothing(50);
  assert.deepEqual(alice.violations, []);
});

test("scanning bodies finds the same fields as parsing them", async () => {
  const stub = await startStub();
  const seen: string[] = [];
  const alice = client(stub, { bodies: "scan", keep: 0, onCopy: (copy) => seen.push(JSON.stringify(copy)) });
  const bob = client(stub, { onCopy: (copy) => seen.push(JSON.stringify(copy)) });
  await alice.signIn();
  await bob.signIn();
  for (const dialog of [stub.dialogs[1], stub.dialogs[3]]) {
    assert.ok(dialog);
    stub.sendChat(dialog, STUB_ROOM, "a &lt;b&gt; &amp; c", 5);
  }
  await bob.waitForMessage(() => true);
  await alice.inbox.waitFor(() => (seen.length === 2 ? true : undefined), 2000, "both copies");
  const plain = (line = "{}") => ({ ...JSON.parse(line), receivedAt: 0 });
  assert.deepEqual(plain(seen[0]), plain(seen[1]));
  assert.equal(plain(seen[0]).text, "a <b> & c");
  assert.deepEqual(alice.messages, []);
});

test("sign-off says BYE and takes the binding away; a crash says nothing", async () => {
  const stub = await startStub();
  const alice = client(stub);
  await alice.signIn();
  await alice.signOff();
  assert.equal(stub.requestsOf("BYE").length, 2);
  assert.equal(stub.requestsOf("REGISTER").at(-1)?.header("Expires"), "0");
  const before = stub.requests.length;
  await alice.reconnect();
  await stub.waitUntil(() => stub.requests.at(-1)?.method === "ACK");
  alice.crash();
  await alice.waitForClose();
  await stub.waitUntil(() => stub.openConnections === 0);
  const later = stub.requests.slice(before).map((request) => request.method);
  assert.deepEqual(later, ["REGISTER", "SUBSCRIBE", "INVITE", "ACK", "INFO", "BYE", "INVITE", "ACK"]);
});

test("server INFOs are refused with the chosen status and then not read", async () => {
  const stub = await startStub();
  const alice = client(stub);
  await alice.signIn();
  const dialog = stub.dialogs.at(-1);
  assert.ok(dialog);
  stub.responses.length = 0;
  alice.infoAnswer = 481;
  stub.sendChat(dialog, STUB_ROOM, "unseen");
  await stub.waitUntil(() => stub.responses.length === 1);
  alice.infoAnswer = 200;
  stub.sendChat(dialog, STUB_ROOM, "seen");
  await alice.waitForMessage(({ text }) => text === "seen");
  assert.equal(alice.messages.length, 1);
  await stub.waitUntil(() => stub.responses.length === 2);
  assert.equal(alice.counts.infosRefused, 1);
  assert.deepEqual(stub.responses, ["SIP/2.0 481 Call/Transaction Does Not Exist", "SIP/2.0 200 OK"]);
});

test("a client that stops reading answers nothing until it reads again", async () => {
  const stub = await startStub();
  const alice = client(stub);
  await alice.signIn();
  const dialog = stub.dialogs.at(-1);
  assert.ok(dialog);
  alice.pauseReading();
  stub.sendChat(dialog, STUB_ROOM, "late");
  await alice.expectNothing(80);
  alice.resumeReading();
  await alice.waitForMessage(({ text }) => text === "late");
});
