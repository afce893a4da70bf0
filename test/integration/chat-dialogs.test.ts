import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, afterEach, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import type { SipDialog } from "../../plugin/client/sip-dialog.ts";
import { headerValue } from "../../plugin/client/sip-message.ts";
import { commandXml, envelopeXml } from "../../plugin/client/xccos-body.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { type RequestText, sipStream } from "../support/sip-lines.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({ users: ["alice", "bob"] });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

function dialogOf(endpoint: XccosEndpoint): SipDialog {
  return endpoint.session.current?.dialog ?? assert.fail("no dialog");
}

function account(user: string) {
  return { username: `${user}@example.com`, password: lab.password(user) };
}

/** An INFO in the endpoint's dialog, as it would come over another connection. */
function infoOf(endpoint: XccosEndpoint, body: string): RequestText {
  const dialog = dialogOf(endpoint);
  dialog.localCseq += 1;
  const { remoteTarget: uri, local: from, remote: to, callId, localCseq: cseq } = dialog;
  return { method: "INFO", uri, from, to, callId, cseq, headers: ["Content-Type: text/plain"], body };
}

const count = async (sql: string, ...values: string[]) =>
  Number((await lab.sql<{ n: number }>(sql, values))[0]?.n);
const dialogs = (callId: string) => count("SELECT COUNT(*) AS n FROM dialog WHERE call_id = ?", callId);

for (const transport of ["tcp", "tls"] as const) {
  test(`two clients that share Call-ID, tags, CSeq and envid each get their own over ${transport}`, async () => {
    const common = await lab.addRoom({ name: `Common ${transport}`, members: ["alice", "bob"] });
    const own = {
      alice: await lab.addRoom({ name: `Alice's ${transport}`, privacy: "secret", members: ["alice"] }),
      bob: await lab.addRoom({ name: `Bob's ${transport}`, privacy: "secret", members: ["bob"] }),
    };
    const poolOnly = { provision: false, poolUri: lab.stack.poolUri };
    const twins = { sipe: true, seed: 4711, transport } as const;
    const [alice, bob] = await Promise.all([
      lab.signedIn("alice", twins, poolOnly),
      lab.signedIn("bob", twins, poolOnly),
    ]);
    assert.deepEqual(
      [dialogOf(alice).callId, dialogOf(alice).localTag],
      [dialogOf(bob).callId, dialogOf(bob).localTag],
    );
    const [hers, his] = await Promise.all([alice.search(`'s ${transport}`), bob.search(`'s ${transport}`)]);
    assert.deepEqual(
      hers.rooms.map(({ uri }) => uri),
      [own.alice],
    );
    assert.deepEqual(
      his.rooms.map(({ uri }) => uri),
      [own.bob],
    );
    await Promise.all([alice.join(common), bob.join(common)]);
    await Promise.all([alice.post(common, "from alice"), bob.post(common, "from bob")]);
    for (const endpoint of [alice, bob]) {
      await endpoint.waitForMessage(({ text }) => text === "from alice", LAB_TIMEOUT_MS);
      await endpoint.waitForMessage(({ text }) => text === "from bob", LAB_TIMEOUT_MS);
      assert.equal(endpoint.messages.length, 2);
    }
    await alice.signOff();
    assert.equal(await bob.post(common, "still here"), 200, "one twin's BYE is not the other's");
    await bob.waitForMessage(({ text }) => text === "still here", LAB_TIMEOUT_MS);
  });
}

test("an INVITE that arrives twice makes one dialog and gets one answer", async () => {
  const phone = await sipStream("127.0.0.1", lab.stack.ports.sip);
  try {
    const callId = randomUUID();
    const invite: RequestText = {
      method: "INVITE",
      uri: lab.stack.poolUri,
      from: `<${lab.address("alice")}>;tag=${callId.slice(0, 8)};epid=01ab`,
      to: `<${lab.stack.poolUri}>`,
      callId,
      cseq: 1,
      branch: `z9hG4bK${callId}`,
      headers: [`Contact: <sip:alice@127.0.0.1:${phone.local.port};transport=tcp>`],
    };
    const first = await phone.askAs(account("alice"), invite);
    assert.equal(first.status, 200);
    const second = await phone.ask(invite);
    for (const name of ["to", "contact", "session-expires", "content-type"])
      assert.equal(second.headers.get(name), first.headers.get(name), name);
    assert.deepEqual(second.body, first.body);
    assert.match(first.body.toString(), /^m=message \d+ sip null\r$/m);
    assert.equal(await dialogs(callId), 1);
  } finally {
    phone.end();
  }
});

test("UPDATE, OPTIONS and a new INVITE within the dialog are answered 200 with the session timer", async () => {
  const alice = await lab.signedIn("alice");
  const chat = alice.session.current ?? assert.fail();
  for (const method of ["UPDATE", "OPTIONS", "INVITE"]) {
    const response = await chat.request(method, undefined);
    assert.equal(response.status, 200, method);
    assert.match(headerValue(response, "Session-Expires") ?? "", /^720;refresher=uac$/);
    assert.ok(headerValue(response, "Contact")?.includes(dialogOf(alice).remoteTarget), method);
  }
  const strange = await chat.request("PUBLISH", undefined);
  assert.equal(strange.status, 405);
  assert.match(headerValue(strange, "Allow") ?? "", /\bINFO\b/);
  assert.equal(await dialogs(chat.callId), 1);
  assert.equal((await alice.search()).code, 200);
});

test("an INFO that comes again is carried out once, and a number below the last is refused", async () => {
  const room = await lab.addRoom({ name: "Numbers", members: ["alice"] });
  const alice = await lab.signedIn("alice");
  await alice.join(room);
  const body = (envid: number, text: string) =>
    Buffer.from(
      envelopeXml(
        envid,
        `<grpchat id="grpchat" seqid="1" chanUri="${room}" author="${alice.address}" ts="2026-11-23T00:00:00Z"><chat>${text}</chat></grpchat>`,
      ),
    );
  const cseq = dialogOf(alice).localCseq + 1;
  for (let time = 0; time < 3; time++)
    assert.equal((await alice.sendInfo({ body: body(1, "first"), cseq })).status, 200);
  // Another body under the same number is a repeat all the same: the first answer, and nothing else.
  assert.equal((await alice.sendInfo({ body: body(2, "disguised"), cseq })).status, 200);
  assert.equal(
    (await alice.sendInfo({ body: body(3, "jump"), cseq: cseq + 10 })).status,
    200,
    "a gap is legal",
  );
  assert.equal((await alice.sendInfo({ body: body(4, "late"), cseq: cseq + 5 })).status, 500);
  await alice.waitForMessage(({ text }) => text === "jump", LAB_TIMEOUT_MS);
  assert.deepEqual(
    alice.messages.map(({ text }) => text),
    ["first", "jump"],
  );
});

test("after BYE the dialog is gone: 481, nothing is sent on it, and the rooms are left", async () => {
  const room = await lab.addRoom({ name: "Goodbye", members: ["alice", "bob"] });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  for (const endpoint of [alice, bob]) await endpoint.join(room);
  const { callId } = dialogOf(bob);
  const bye = await (bob.session.current ?? assert.fail()).bye();
  assert.equal(bye.status, 200);
  assert.equal(await dialogs(callId), 0);
  assert.equal(
    (await bob.sendInfo({ body: Buffer.from(envelopeXml(1, commandXml("getserverinfo", ""))) })).status,
    481,
  );
  const infos = bob.counts.infos;
  assert.equal(await alice.post(room, "without bob"), 200);
  await alice.waitForMessage(() => true);
  await bob.session.startOver(); // on the same connection
  assert.equal((await bob.search("goodbye")).code, 200);
  assert.deepEqual([bob.counts.infosOfOldDialogs, bob.counts.byes], [0, 0]);
  assert.equal(bob.counts.infos - infos, 2, "the replies to requri and to the search, nothing else");
});

test("only the right user with the right names gets into a dialog", async () => {
  const room = await lab.addRoom({ name: "Lock", members: ["alice", "bob"] });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  await alice.join(room);
  const { remoteTarget, local, remote, callId } = dialogOf(alice);
  const body = Buffer.from(
    envelopeXml(
      9,
      `<grpchat id="grpchat" seqid="1" chanUri="${room}" author="${alice.address}" ts="2026-11-23T00:00:00Z"><chat>stolen</chat></grpchat>`,
    ),
  );
  const his = dialogOf(bob);
  const tries = [
    // bob knows everything of alice's dialog, and is who he is
    [bob, { ruri: remoteTarget, callId, to: remote, from: local.replace("alice", "bob") }, 403],
    [bob, { ruri: remoteTarget }, 481],
    [alice, { callId: "another" }, 481],
    [alice, { to: remote.replace(/tag=.*/, "tag=another") }, 481],
    [alice, { from: local.replace(/tag=[^;]*/, "tag=another") }, 481],
    [alice, { ruri: remoteTarget.replace(/[0-9a-f]{32}/, "0".repeat(32)) }, 481],
  ] as const;
  for (const [who, overrides, status] of tries) {
    assert.equal((await who.sendInfo({ body, ...overrides })).status, status, JSON.stringify(overrides));
  }
  // In alice's name over bob's connection: asked for her password.
  assert.equal(
    (await bob.session.info(body, { ruri: remoteTarget, callId, to: remote, from: local })).status,
    407,
  );
  assert.equal(his.callId, dialogOf(bob).callId);
  assert.equal(await alice.post(room, "mine"), 200);
  await alice.waitForMessage(({ text }) => text === "mine");
  assert.deepEqual(
    alice.messages.map(({ text }) => text),
    ["mine"],
  );
});

test("a dialog goes on over another connection, and what is sent follows it there", async () => {
  const room = await lab.addRoom({ name: "Roaming", members: ["alice", "bob"] });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  for (const endpoint of [alice, bob]) await endpoint.join(room);
  await bob.waitForNotice(() => false, 1_500).catch(() => undefined); // roster news of these joins are over
  const before = { infos: bob.counts.infos, notices: alice.notices.length };
  const other = await sipStream("127.0.0.1", lab.stack.ports.sip);
  try {
    const asked = other.askAs(account("bob"), infoOf(bob, envelopeXml(77, commandXml("getinv", ""))));
    const reply = await other.request("INFO", LAB_TIMEOUT_MS);
    other.answer(reply, "200 OK");
    assert.equal((await asked).status, 200);
    assert.match(reply.body.toString(), /rpl:getinv.*envid="77"/s);
    assert.equal(await alice.post(room, "where are you?"), 200);
    const copy = await other.request("INFO", LAB_TIMEOUT_MS);
    other.answer(copy, "200 OK");
    assert.match(copy.body.toString(), /where are you\?/);
    bob.crash(); // the old connection closes only now: it carries nothing any more
    assert.equal(await alice.post(room, "still there?"), 200);
    const next = await other.request("INFO", LAB_TIMEOUT_MS);
    other.answer(next, "200 OK");
    assert.match(next.body.toString(), /still there\?/);
    assert.equal(bob.counts.infos, before.infos, "nothing came over the old connection");
    assert.equal(alice.notices.length, before.notices, "nobody is told of it");
  } finally {
    other.end();
  }
});
