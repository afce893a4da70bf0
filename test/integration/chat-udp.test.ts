import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { type SipLines, sipDatagrams } from "../support/sip-lines.ts";

/** A proxy that has asked for the password itself; the chat's Kamailio lists its address. */
const PEER = "127.0.0.9";

let lab: Lab;
before(async () => {
  lab = await openLab({ users: ["alice", "bob", "carol"], peers: [PEER] });
});
after(async () => {
  try {
    await lab?.clearAway();
  } finally {
    await lab?.close();
  }
});

const datagrams = (from?: string) => sipDatagrams("127.0.0.1", lab.stack.ports.sip, from);
const text = (endpoint: XccosEndpoint, wanted: string) =>
  endpoint.waitForMessage((message) => message.text === wanted, LAB_TIMEOUT_MS);

async function parts(room: string, user: string) {
  return (await lab.recorded(room))
    .filter(({ kind, actor }) => kind === "PART" && actor === lab.address(user))
    .map(({ detail }) => detail.reason);
}

/** Enters, posts, receives, reads, refreshes, leaves; bob talks with it by TCP. */
async function chats(client: XccosEndpoint, room: string, author: string): Promise<void> {
  const bob = await lab.signedIn("bob");
  assert.equal((await bob.join(room)).code, 200);
  assert.equal((await client.join(room)).code, 200);
  assert.equal(await client.post(room, "by datagram", { author }), 200);
  for (const endpoint of [client, bob]) assert.equal((await text(endpoint, "by datagram")).author, author);
  const story = `[STORY]${"a long one, in many fragments. ".repeat(900)}`;
  assert.equal(await bob.post(room, story), 200);
  await text(client, story);
  assert.equal(await client.post(room, story, { author }), 200);
  for (let index = 0; index < 30; index++) assert.equal(await bob.post(room, `line ${index}`), 200);
  await text(client, "line 29");
  assert.deepEqual(
    client.messages.map(({ chatId }) => chatId),
    Array.from({ length: 33 }, (_, index) => index + 1),
  );
  assert.equal((await client.history(room, 2)).messages.length, 2);
  assert.equal((await client.session.current?.request("UPDATE", undefined))?.status, 200);
  assert.deepEqual(client.violations, []);
}

test("a client that comes by UDP proves itself with every request, and chats as any other", async () => {
  const room = await lab.addRoom({ name: "Datagrams", members: ["alice", "bob"] });
  const alice = await lab.signedIn("alice", { transport: "udp" });
  await chats(alice, room, lab.address("alice"));
  const { counts } = alice.session.agent.connection;
  await alice.signOff();
  assert.equal(
    counts.requestsSent,
    2 * counts.challenges,
    "every request is sent, challenged and sent again",
  );
  assert.deepEqual(await parts(room, "alice"), ["signed-off"]);
});

test("a client that a listed peer vouches for is asked for nothing, whatever its From says", async () => {
  const room = await lab.addRoom({ name: "Vouched for", members: ["bob", "carol"] });
  const carol = lab.endpoint("carol", {
    transport: "udp",
    localAddress: PEER,
    address: "sip:anonymous@anonymous.invalid",
    headers: [["P-Asserted-Identity", "<sip:Carol@Example.com>"]],
  });
  await carol.signIn({ register: false, provision: false, poolUri: lab.stack.poolUri });
  await chats(carol, room, lab.address("carol"));
  const { counts } = carol.session.agent.connection;
  await carol.session.leaveDialog();
  assert.equal(counts.challenges, 0);
  assert.deepEqual(await parts(room, "carol"), ["signed-off"]);
  carol.crash();
});

test("what does not fit into a datagram is left out of a reply; a message that large reaches everybody else", async () => {
  const room = await lab.addRoom({ name: "Large", members: ["alice", "bob"] });
  const [alice, bob] = await Promise.all([lab.signedIn("alice", { transport: "udp" }), lab.signedIn("bob")]);
  for (const endpoint of [alice, bob]) assert.equal((await endpoint.join(room)).code, 200);
  for (let index = 0; index < 10; index++)
    assert.equal(await bob.post(room, `${index} ${"x".repeat(7_900)}`), 200);
  await text(alice, `9 ${"x".repeat(7_900)}`);
  assert.equal((await bob.history(room)).messages.length, 10);
  const { code, messages } = await alice.history(room);
  assert.equal(code, 200);
  assert.ok(messages.length > 1 && messages.length < 10, `${messages.length} messages`);
  assert.equal(messages.at(-1)?.chatId, 10, "the newest are in it");

  alice.watch.strictNumbers = false;
  assert.equal(await bob.post(room, "", { raw: `<chat>[STORY]${"&amp;".repeat(14_000)}</chat>` }), 200);
  assert.equal(await bob.post(room, "the next one"), 200);
  await Promise.all([text(alice, "the next one"), text(bob, "the next one")]);
  assert.deepEqual(
    [alice, bob].map((endpoint) => endpoint.messages.length),
    [11, 12],
  );
  assert.match(lab.log("n1"), /\d+ bytes do not fit into a datagram/);
  assert.deepEqual(alice.violations, []);
});

/** A dialog by hand. @returns what every further request in it begins with */
async function invited(phone: SipLines, user: string, headers: readonly string[]) {
  const tag = `by-hand-${phone.local.port}`;
  const dialog = { from: `<${lab.address(user)}>;tag=${tag}`, to: `<${lab.stack.poolUri}>`, callId: tag };
  const contact = `Contact: <sip:${user}@192.0.2.77:5070>`;
  const invite = {
    ...dialog,
    method: "INVITE",
    uri: lab.stack.poolUri,
    cseq: 1,
    headers: [contact, ...headers],
  };
  const ok = await phone.askAs(accountOf(user), invite);
  assert.equal(ok.status, 200, ok.start);
  const uri = /<([^>]+)>/.exec(ok.headers.get("contact") ?? "")?.[1] ?? "";
  const within = { ...dialog, to: ok.headers.get("to") ?? "", uri };
  phone.send({ ...within, method: "ACK", cseq: 1 });
  return { ok, within };
}

const accountOf = (user: string) => ({ username: `${user}@example.com`, password: lab.password(user) });

function joinXml(room: string): string {
  const [, domain, value] = /^ma-chan:\/\/([^/]+)\/(.*)$/.exec(room) ?? [];
  return `<xccos ver="1" envid="1" xmlns="urn:parlano:xml:ns:xccos"><cmd id="cmd:join" seqid="1"><data><chanid key="0" domain="${domain}" value="${value}"/></data></cmd></xccos>`;
}

test("a client whose port is changed on the way is served where it was heard last", async () => {
  const room = await lab.addRoom({ name: "Moving", members: ["alice", "bob"] });
  const [before, after] = [await datagrams(), await datagrams()];
  try {
    const { within } = await invited(before, "alice", []);
    const info = { ...within, method: "INFO", headers: ["Content-Type: text/plain"], body: joinXml(room) };
    assert.equal((await before.askAs(accountOf("alice"), { ...info, cseq: 2 })).status, 200);
    before.answer(await before.request("INFO", LAB_TIMEOUT_MS), "200 OK");
    const update = { ...within, method: "UPDATE", cseq: 3 };
    assert.equal((await after.askAs(accountOf("alice"), update)).status, 200);
    const bob = await lab.signedIn("bob");
    await bob.join(room);
    assert.equal(await bob.post(room, "to the new port"), 200);
    const copy = await after.request("INFO", LAB_TIMEOUT_MS);
    after.answer(copy, "200 OK");
    assert.match(copy.body.toString(), /to the new port/);
    const bye = { ...within, method: "BYE", cseq: 4 };
    assert.equal((await after.askAs(accountOf("alice"), bye)).status, 200);
  } finally {
    before.end();
    after.end();
  }
});

for (const way of ["as it is", "after another life of the node"] as const)
  test(`a proxy that recorded its route gets what is sent to its client, with the route on it, ${way}`, async () => {
    const room = await lab.addRoom({ name: `Routed ${way}`, members: ["bob", "carol"] });
    const proxy = await datagrams(PEER);
    try {
      const routes = [
        `<sip:${PEER}:${proxy.local.port};lr>`,
        "<sip:inner.example.com;lr;x=1>",
        "<sip:192.0.2.8>;y=2",
      ];
      const vouched = "P-Asserted-Identity: <sip:carol@example.com>";
      const recorded = [`Record-Route: ${routes[0]}, ${routes[1]}`, `Record-Route: ${routes[2]}`];
      const { ok, within } = await invited(proxy, "carol", [vouched, ...recorded]);
      const listed = (value: string | undefined) => value?.split(/,\s*|\n/);
      assert.deepEqual(listed(ok.headers.get("record-route")), routes, "RFC 3261 §12.1.1: as they came");
      const headers = ["Content-Type: text/plain", vouched];
      const info = { ...within, method: "INFO", cseq: 2, headers, body: joinXml(room) };
      assert.equal((await proxy.ask(info)).status, 200);
      proxy.answer(await proxy.request("INFO", LAB_TIMEOUT_MS), "200 OK");
      if (way !== "as it is") await lab.restart("n1");
      const bob = await lab.signedIn("bob");
      await bob.join(room);
      assert.equal(await bob.post(room, "by way of a proxy"), 200);
      const copy = await proxy.request("INFO", LAB_TIMEOUT_MS);
      proxy.answer(copy, "200 OK");
      assert.match(copy.body.toString(), /by way of a proxy/);
      assert.equal(copy.start, "INFO sip:carol@192.0.2.77:5070 SIP/2.0");
      assert.deepEqual(listed(copy.headers.get("route")), routes, "§12.2.1.1: in this order");
      assert.equal((await proxy.ask({ ...within, method: "BYE", cseq: 3, headers: [vouched] })).status, 200);
    } finally {
      proxy.end();
    }
  });

test("when Kamailio starts again a silent client that comes by UDP is served as before: it has no connection to lose", async () => {
  const room = await lab.addRoom({ name: "Restarted", members: ["alice", "bob"] });
  const [alice, bob] = await Promise.all([lab.signedIn("alice", { transport: "udp" }), lab.signedIn("bob")]);
  for (const endpoint of [alice, bob]) assert.equal((await endpoint.join(room)).code, 200);
  assert.equal(await bob.post(room, "before"), 200);
  await text(alice, "before");
  await lab.stack.kill("kamailio", "SIGKILL");
  await lab.restart("kamailio");
  await bob.reconnect();
  assert.equal(await bob.post(room, "after"), 200);
  await text(alice, "after");
  assert.equal(await alice.post(room, "was anything?"), 200);
  assert.deepEqual([alice.violations, await parts(room, "alice")], [[], []]);
});
