import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ChatLab } from "../support/chat-lab.ts";
import { ALICE, BOB, dialogRequest, poolRequest, startChatLab } from "../support/chat-lab.ts";
import type { SipLines } from "../support/sip-lines.ts";
import { sipDatagrams, sipStream } from "../support/sip-lines.ts";
import { until } from "../support/until.ts";

describe("who a request comes from", () => {
  let lab: ChatLab;
  const open: SipLines[] = [];
  const keep = (phone: SipLines): SipLines => {
    open.push(phone);
    return phone;
  };
  const stream = async (transport: "TCP" | "TLS" = "TCP"): Promise<SipLines> =>
    keep(
      await sipStream(lab.edge.host, transport === "TLS" ? lab.edge.tlsPort : lab.edge.tcpPort, transport),
    );
  const reached = (callId: string): string[] =>
    lab
      .node("n1")
      .requests.filter((r) => r.text("callId") === callId)
      .map((r) => r.text("user"));
  before(async () => {
    lab = await startChatLab(["n1"]);
  });
  after(async () => {
    for (const phone of open) phone.end();
    await lab?.stop();
  });

  test("a stranger is asked by 407 with the domain as realm, and nothing reaches a node", async () => {
    const phone = await stream();
    for (const method of ["INVITE", "INFO", "BYE", "UPDATE"]) {
      const request = dialogRequest(method, "alice", "n1-5");
      const answer = await phone.ask(request);
      assert.equal(answer.status, 407, method);
      assert.match(
        answer.headers.get("proxy-authenticate") ?? "",
        /^Digest realm="example\.com", nonce="[^"]+", qop="auth"$/,
      );
      assert.deepEqual(reached(request.callId), []);
    }
  });

  test("credentials on the INVITE itself are enough, over TCP and TLS, and are asked for once a connection", async () => {
    for (const transport of ["TCP", "TLS"] as const) {
      const phone = await stream(transport);
      const invite = poolRequest("INVITE", "alice");
      assert.equal((await phone.askAs(ALICE, invite)).status, 200);
      assert.deepEqual(reached(invite.callId), ["sip:alice@example.com"]);
      assert.equal((await phone.ask(dialogRequest("INFO", "alice", "n1-5"))).status, 200);
      assert.equal((await phone.ask(dialogRequest("BYE", "alice", "n1-5"))).status, 200);
    }
  });

  test("login works with the plain user name as well", async () => {
    const invite = poolRequest("INVITE", "bob");
    assert.equal((await (await stream()).askAs(BOB, invite)).status, 200);
    assert.deepEqual(reached(invite.callId), ["sip:bob@example.com"]);
  });

  test("after alice's login, bob's From on her connection is challenged", async () => {
    const phone = keep(await lab.alice());
    const asBob = poolRequest("INVITE", "bob");
    assert.equal((await phone.ask(asBob)).status, 407);
    // Alice's password does not make her bob.
    assert.equal((await phone.askAs(ALICE, asBob)).status, 407);
    assert.deepEqual(reached(asBob.callId), []);
    assert.equal((await phone.askAs(BOB, asBob)).status, 200);
    assert.equal((await phone.ask(poolRequest("INVITE", "alice"))).status, 200);
  });

  test("another connection of the same host is not trusted", async () => {
    keep(await lab.alice());
    assert.equal((await (await stream()).ask(poolRequest("INVITE", "alice"))).status, 407);
  });

  test("a datagram after a TCP login is challenged, every time", async () => {
    keep(await lab.alice());
    const phone = keep(await sipDatagrams(lab.edge.host, lab.edge.udpPort));
    assert.equal((await phone.ask(poolRequest("INFO", "alice"))).status, 407);
    assert.equal((await phone.askAs(ALICE, poolRequest("INFO", "alice"))).status, 200);
    assert.equal((await phone.ask(poolRequest("INFO", "alice"))).status, 407);
  });

  test("no header a client writes makes it somebody", async () => {
    const forged = [
      "P-Asserted-Identity: <sip:bob@example.com>",
      "P-Preferred-Identity: <sip:bob@example.com>",
      "Remote-Party-ID: <sip:bob@example.com>",
      "X-User: sip:bob@example.com",
      "X-Parlance-User: sip:bob@example.com",
    ];
    const stranger = await stream();
    assert.equal((await stranger.ask(poolRequest("INFO", "bob", { headers: forged }))).status, 407);
    const alice = keep(await lab.alice());
    const request = poolRequest("INFO", "alice", { headers: forged });
    assert.equal((await alice.ask(request)).status, 200);
    assert.deepEqual(reached(request.callId), ["sip:alice@example.com"]);
  });

  test("a listed peer's P-Asserted-Identity is believed, and no longer when it is off the list", async () => {
    const phone = await stream();
    await lab.edge.rpc("htable.sets", "parlance_peer", "127.0.0.1", "1");
    const vouched = poolRequest("INFO", "anonymous", {
      headers: ["P-Asserted-Identity: <sip:Bob@Example.com>"],
    });
    assert.equal((await phone.ask(vouched)).status, 200);
    assert.deepEqual(reached(vouched.callId), ["sip:bob@example.com"]);
    assert.equal((await phone.ask(poolRequest("INFO", "alice"))).status, 407);
    await lab.edge.rpc("htable.delete", "parlance_peer", "127.0.0.1");
    assert.equal(
      (
        await phone.ask(
          poolRequest("INFO", "bob", { headers: ["P-Asserted-Identity: <sip:bob@example.com>"] }),
        )
      ).status,
      407,
    );
  });

  test("a user of a foreign domain is refused with 403", async () => {
    const request = poolRequest("INFO", "alice", { from: "<sip:alice@elsewhere.net>;tag=f" });
    assert.equal((await (await stream()).ask(request)).status, 403);
    assert.deepEqual(reached(request.callId), []);
  });

  test("a REGISTER for somebody else's address proves nothing", async () => {
    const phone = await stream();
    const request = poolRequest("REGISTER", "alice", {
      uri: "sip:example.com",
      to: "<sip:bob@example.com>",
      headers: ["Contact: <sip:x@127.0.0.1>"],
    });
    assert.notEqual((await phone.askAs(ALICE, request)).status, 200);
    assert.equal((await phone.ask(poolRequest("INFO", "bob"))).status, 407);
  });

  test("who registers again is not forgotten, however long the connection lasts; who does not is asked once more", async () => {
    const [staying, silent] = [keep(await lab.alice()), keep(await lab.alice())];
    const postedBy = async (phone: SipLines) =>
      (await phone.ask(dialogRequest("INFO", "alice", "n1-5"))).status;
    const connections: { address: string; id: string }[] = [];
    for (const phone of [staying, silent]) {
      assert.equal(await postedBy(phone), 200);
      const address = `tcp|${phone.local.address}:${phone.local.port}|${lab.edge.host}:${lab.edge.tcpPort}`;
      const id = /value: ([0-9]+)/.exec(await lab.edge.rpc("htable.get", "parlance_addr", address))?.[1];
      connections.push({ address, id: id ?? "" });
    }
    // A day, in a few seconds.
    for (const { address, id } of connections) {
      for (const table of ["trust", "conn", "nodes"])
        await lab.edge.rpc("htable.setex", `parlance_${table}`, `s:${id}`, "2");
      await lab.edge.rpc("htable.setex", "parlance_addr", address, "2");
    }
    const again = { uri: "sip:example.com", to: "<sip:alice@example.com>" };
    const contact = `Contact: <sip:${staying.local.address}:${staying.local.port};transport=tcp>`;
    const register = poolRequest("REGISTER", "alice", { ...again, headers: [contact] });
    assert.equal((await staying.askAs(ALICE, register)).status, 200);

    await until("the silent one is asked", async () => (await postedBy(silent)) === 407);
    const [kept] = connections;
    assert.ok(kept);
    const known = (table: string, key: string) =>
      lab.edge.rpc("htable.get", `parlance_${table}`, key).catch(() => "forgotten");
    assert.match(await known("nodes", `s:${kept.id}`), /value: n1;/, "its node hears of its end");
    assert.match(await known("conn", `s:${kept.id}`), /value: tcp\|/);
    assert.ok((await known("addr", kept.address)).includes(`value: ${kept.id}`));
    assert.equal(await postedBy(staying), 200);
  });

  test("a connection whose number is forgotten before its addresses is not taken for one that has ended", async () => {
    const phone = keep(await lab.alice());
    assert.equal((await phone.ask(dialogRequest("INFO", "alice", "n1-5"))).status, 200);
    const address = `tcp|${phone.local.address}:${phone.local.port}|${lab.edge.host}:${lab.edge.tcpPort}`;
    const id = Number(
      /value: ([0-9]+)/.exec(await lab.edge.rpc("htable.get", "parlance_addr", address))?.[1],
    );
    await lab.edge.rpc("htable.delete", "parlance_conn", `s:${id}`);
    const invite = poolRequest("INVITE", "alice");
    assert.equal((await phone.ask(invite)).status, 200, "and nobody is asked who he is");
    assert.deepEqual(reached(invite.callId), ["sip:alice@example.com"]);
    const told = lab.node("n1").closed.map(({ conid }) => conid);
    assert.equal(told.includes(id), false, "the node hears of no end");
  });

  test("ten wrong passwords within a minute: 403, also with the right one, without a look into the database", async () => {
    const phone = await stream();
    const guess = { username: "alice", password: "guess" };
    for (let i = 0; i < 10; i += 1)
      assert.equal((await phone.askAs(guess, poolRequest("INFO", "alice"))).status, 407, `guess ${i}`);
    assert.equal((await phone.askAs(ALICE, poolRequest("INFO", "alice"))).status, 403);
    const register = poolRequest("REGISTER", "alice", {
      uri: "sip:example.com",
      to: "<sip:alice@example.com>",
      headers: ["Contact: <sip:x@127.0.0.1>"],
    });
    assert.equal((await phone.askAs(ALICE, register)).status, 403);
    assert.ok((await lab.edge.counter("auth_blocked")) >= 2);
    assert.ok((await lab.edge.counter("auth_failures")) >= 10);
  });

  test("without the password database a login gets 503 with Retry-After, a proven connection goes on", async () => {
    await lab.edge.rpc("htable.delete", "parlance_fail", "127.0.0.1");
    const phone = keep(await lab.alice());
    await lab.stopDatabase();
    const answer = await (await stream()).askAs(ALICE, poolRequest("INFO", "alice"));
    assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "5"]);
    assert.equal((await phone.ask(poolRequest("INFO", "alice"))).status, 200);
  });
});
