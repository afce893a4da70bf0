import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ChatLab } from "../support/chat-lab.ts";
import { ALICE, dialogRequest, poolRequest, startChatLab, TOKEN } from "../support/chat-lab.ts";
import { eventually } from "../support/lab-ports.ts";
import type { SipLines, Wire } from "../support/sip-lines.ts";
import { sipDatagrams, sipStream } from "../support/sip-lines.ts";
import { until } from "../support/until.ts";

/** A proxy that is listed as a peer, and a second address of Kamailio. */
const PEER = "127.0.0.9";
const SECOND = "127.0.0.3";

describe("chat requests and copies as datagrams", () => {
  let lab: ChatLab;
  const open: SipLines[] = [];
  const datagrams = async (from?: string, to = lab.edge.host): Promise<SipLines> => {
    const phone = await sipDatagrams(to, lab.edge.udpPort, from);
    open.push(phone);
    return phone;
  };
  before(async () => {
    lab = await startChatLab(["n1"], { peers: [PEER], moreUdp: [SECOND] });
    const phone = await datagrams();
    // Kamailio looks for nodes every three seconds.
    await until("the node is found", async () => {
      return (await phone.askAs(ALICE, poolRequest("INFO", "alice"))).status === 200;
    });
  });
  after(async () => {
    for (const phone of open) phone.end();
    await lab?.stop();
  });

  const invite = (from: string) =>
    poolRequest("INVITE", "alice", { headers: [`Contact: <sip:alice@${from}:9>`] });

  test("the 200 of an INVITE is sent again until its ACK comes", async () => {
    const phone = await datagrams();
    const request = invite("127.0.0.1");
    const first = await phone.askAs(ALICE, request);
    assert.equal(first.status, 200);
    const oks = (): Wire[] =>
      phone.received.filter(
        ({ status, headers }) => status === 200 && headers.get("call-id") === request.callId,
      );
    await eventually("the 200 again", () => oks().length >= 2);
    assert.deepEqual(
      new Set(oks().map(({ headers }) => headers.get("to"))).size,
      1,
      "the same answer, of the same transaction",
    );
    assert.equal(lab.node("n1").requests.filter((r) => r.text("callId") === request.callId).length, 1);
    phone.send({
      ...dialogRequest("ACK", "alice", "n1-5", { cseq: 1 }),
      from: request.from,
      to: first.headers.get("to") ?? "",
      callId: request.callId,
    });
    assert.equal((await phone.askAs(ALICE, dialogRequest("INFO", "alice", "n1-5"))).status, 200);
    const acknowledged = oks().length;
    // Further ones would follow within a second.
    await assert.rejects(eventually("one more 200", () => oks().length > acknowledged, 1_500));
  });

  for (const here of ["127.0.0.1", SECOND])
    test(`a copy leaves from the address that the client spoke to: ${here}, one of two`, async () => {
      const phone = await datagrams("127.0.0.1", here);
      const request = invite("127.0.0.1");
      assert.equal((await phone.askAs(ALICE, request)).status, 200);
      const seen = await lab.node("n1").request((r) => r.text("callId") === request.callId);
      const { proto, local, src } = seen.raw;
      assert.deepEqual([proto, seen.conid, local], ["udp", 0, `${here}:${lab.edge.udpPort}`]);
      const copy = [
        `sip:alice@127.0.0.1:${phone.local.port}`,
        `sip:${src};transport=udp`,
        `<sip:pchat@example.com>;tag=${seen.text("ltag")}`,
        `<sip:alice@example.com>;tag=${seen.text("ftag")}`,
        request.callId,
        7,
        `<sip:n1-5.${TOKEN}@${local};transport=udp>`,
        0,
      ];
      const copies = [{ body: "hello", dialogs: [copy] }];
      const result = await lab.node("n1").batch({ start: seen.start, copies });
      assert.deepEqual([result.sent, result.dead], [1, []]);
      const info = await phone.request("INFO");
      assert.deepEqual([info.body.toString(), info.headers.get("cseq")], ["hello", "7 INFO"]);
      const again = await phone.request("INFO"); // RFC 3261 §17.1.2.2: until it is answered
      assert.deepEqual([again.headers.get("via"), again.start], [info.headers.get("via"), info.start]);
      phone.answer(info, "200 OK");
    });

  test("a P-Asserted-Identity counts from a listed peer only, and a peer without one is asked as anybody", async () => {
    const vouched = () =>
      poolRequest("INFO", "anonymous", { headers: ["P-Asserted-Identity: <sip:Alice@Example.com>"] });
    const believed = vouched();
    const peer = await datagrams(PEER);
    assert.equal((await peer.ask(believed)).status, 200);
    const seen = await lab.node("n1").request((r) => r.text("callId") === believed.callId);
    assert.equal(seen.text("user"), "sip:alice@example.com");
    assert.equal((await peer.ask(poolRequest("INFO", "alice"))).status, 407);
    assert.equal((await (await datagrams()).ask(vouched())).status, 407);
  });

  test("what a listed peer asserts goes on to a phone, what anybody else asserts does not", async () => {
    const alice = await lab.alice();
    open.push(alice);
    const message = (phone: SipLines, user: string, more: readonly string[] = []) =>
      poolRequest("MESSAGE", user, {
        uri: "sip:alice@example.com",
        to: "<sip:alice@example.com>",
        headers: ["Content-Type: text/plain", "P-Asserted-Identity: <sip:bob@example.com>", ...more],
        body: `from ${phone.local.address}`,
      });
    const peer = await datagrams(PEER);
    peer.send(message(peer, "bob"));
    const other = await sipStream(lab.edge.host, lab.edge.tcpPort);
    open.push(other);
    const relayed = async () => {
      const wire = await alice.request("MESSAGE");
      alice.answer(wire, "200 OK");
      return [wire.body.toString(), wire.headers.get("p-asserted-identity")];
    };
    assert.deepEqual(await relayed(), [`from ${PEER}`, "<sip:bob@example.com>"]);
    const asked = other.askAs(ALICE, message(other, "alice"));
    assert.deepEqual(await relayed(), ["from 127.0.0.1", undefined]);
    assert.equal((await asked).status, 200);
  });
});
