import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import type { ChatLab } from "../support/chat-lab.ts";
import { dialogRequest, poolRequest, startChatLab, TOKEN } from "../support/chat-lab.ts";
import type { SipLines } from "../support/sip-lines.ts";

describe("requests on their way through Kamailio to a node", () => {
  let lab: ChatLab;
  let alice: SipLines;
  before(async () => {
    lab = await startChatLab(["n1"]);
    alice = await lab.alice();
  });
  after(async () => {
    alice?.end();
    await lab?.stop();
  });

  test("an INVITE reaches the node with all its fields and is answered with the node's headers and body", async () => {
    const node = lab.node("n1");
    const contact = `<sip:n1-5.${TOKEN}@127.0.0.1:5060;transport=tcp>`;
    node.answer = (request) => ({
      code: 200,
      reason: "Fine",
      headers: `Contact: ${contact}\r\nSession-Expires: 720;refresher=uac\r\n`,
      body: request.body,
      type: "application/sdp",
    });
    const answer = await alice.ask(
      poolRequest("INVITE", "alice", {
        callId: "invite-1",
        headers: [
          "Contact: <sip:alice@example.com:5;maddr=1.2.3.4>;proxy=replace",
          "Content-Type: application/sdp",
          "User-Agent: t/1",
          "Supported: ms-sender",
          "Expires: 77",
        ],
        body: "v=0\r\ns=session\r\n",
        from: '"Alice A" <sip:alice@example.com>;tag=inv1;epid=ab12',
      }),
    );
    const request = await node.request((r) => r.text("callId") === "invite-1");
    assert.equal(answer.start, "SIP/2.0 200 Fine");
    assert.equal(answer.headers.get("contact"), contact);
    assert.equal(answer.headers.get("session-expires"), "720;refresher=uac");
    assert.equal(answer.headers.get("content-type"), "application/sdp");
    assert.equal(answer.body.toString(), "v=0\r\ns=session\r\n");
    // The tag in the notification is the one in the answer, before the answer exists.
    assert.match(answer.headers.get("to") ?? "", new RegExp(`;tag=${request.text("ltag")}$`));
    assert.deepEqual(
      [
        "ruri",
        "from",
        "to",
        "ftag",
        "ttag",
        "contact",
        "ua",
        "event",
        "ctype",
        "expires",
        "epid",
        "vsupported",
        "user",
      ].map((n) => request.text(n)),
      [
        "sip:pchat@example.com",
        "sip:alice@example.com",
        "sip:pchat@example.com",
        "inv1",
        "",
        "<sip:alice@example.com:5;maddr=1.2.3.4>;proxy=replace",
        "t/1",
        "",
        "application/sdp",
        "77",
        "ab12",
        "ms-sender",
        "sip:alice@example.com",
      ],
    );
    assert.equal(request.raw.cseq, 1);
    assert.equal(request.raw.proto, "tcp");
    assert.equal(request.raw.src, `127.0.0.1:${alice.local.port}`);
    assert.equal(request.raw.local, `127.0.0.1:${lab.edge.tcpPort}`);
    assert.equal(request.raw.edge, "edge1");
    assert.ok(request.conid > 0);
    assert.ok(Math.abs(Number(request.raw.at) - Date.now() / 1000) < 5);
    assert.equal(node.strangers.length, 0);
    node.answer = undefined;
  });

  test("the ACK of the INVITE goes nowhere", async () => {
    const before = lab.node("n1").requests.length;
    alice.send(dialogRequest("ACK", "alice", "n1-5", { cseq: 1 }));
    assert.equal((await alice.ask(dialogRequest("INFO", "alice", "n1-5"))).status, 200);
    assert.deepEqual(
      lab
        .node("n1")
        .requests.slice(before)
        .map((r) => r.method),
      ["INFO"],
    );
  });

  test("a provisioning SUBSCRIBE reaches a node, another event does not", async () => {
    const subscribe = (event: string) =>
      alice.ask(
        poolRequest("SUBSCRIBE", "alice", {
          uri: "sip:bob@example.com",
          to: "<sip:bob@example.com>",
          headers: [`Event: ${event}`, "Contact: <sip:a@b>"],
        }),
      );
    const before = lab.node("n1").requests.length;
    assert.equal((await subscribe("vnd-microsoft-provisioning-v2")).status, 200);
    assert.equal(lab.node("n1").requests.length, before + 1);
    // Goes on to the proxy's own routing; bob is not registered.
    assert.equal((await subscribe("presence")).status, 404);
    assert.equal(lab.node("n1").requests.length, before + 1);
  });

  const sizes = [0, 1, 8_000, 47_999, 48_000, 48_001, 95_999, 96_000, 96_001, 98_304];
  test("bodies of every size up to 96 KiB arrive byte for byte", async () => {
    for (const size of sizes) {
      // Every byte value, NUL and invalid UTF-8 among them.
      const body = randomBytes(size);
      const request = dialogRequest("INFO", "alice", "n1-5", { headers: ["Content-Type: text/plain"], body });
      assert.equal((await alice.ask(request)).status, 200, `${size} bytes`);
      const seen = await lab.node("n1").request((r) => r.text("callId") === request.callId);
      assert.ok(seen.body.equals(body), `${size} bytes`);
    }
  });

  test("text that looks like script variables, quotes and escapes arrives as it is", async () => {
    const body = `$var(x) $$ $(ru{s.len}) "quoted" 'single' \\ \\" {"a":1} %41 \0 \u00e9\u{1F600} </xccos>`;
    const request = dialogRequest("INFO", "alice", "n1-5", { headers: ["Content-Type: text/plain"], body });
    assert.equal((await alice.ask(request)).status, 200);
    assert.equal(
      (await lab.node("n1").request((r) => r.text("callId") === request.callId)).body.toString(),
      body,
    );
  });

  test("a body beyond 96 KiB is refused with 413 and reaches no node", async () => {
    const before = lab.node("n1").requests.length;
    const answer = await alice.ask(
      dialogRequest("INFO", "alice", "n1-5", { body: Buffer.alloc(98_305, 97) }),
    );
    assert.equal(answer.status, 413);
    assert.equal(lab.node("n1").requests.length, before);
    assert.equal((await alice.ask(dialogRequest("INFO", "alice", "n1-5"))).status, 200);
  });

  for (const method of ["INFO", "UPDATE"] as const)
    test(`hostile header values of ${method} reach the node unchanged and break nothing`, async () => {
      const callId = `x"}\\{$var(x)$$(ru)<>[]?/:%00@${method}`;
      const from = '"\\"},{\\"key\\":\\"$var(parlance_key)" <sip:alice@example.com>;tag=a$ci%22';
      const request = dialogRequest(method, "alice", "n1-5", {
        callId,
        from,
        headers: [
          'Contact: "$rU \\" \\\\ }" <sip:x@y;p="q$ct">',
          "User-Agent: a\r\n folded\r\n\t$(hdr(From))",
          'Event: "',
        ],
      });
      assert.equal((await alice.ask(request)).status, 200);
      const seen = await lab.node("n1").request((r) => r.text("callId") === callId);
      assert.equal(seen.text("ftag"), "a$ci%22");
      assert.equal(seen.text("user"), "sip:alice@example.com");
      assert.equal(seen.raw.key, lab.edge.key);
      if (method === "INFO") {
        // The short form: what the node knows from the INVITE is not sent again.
        assert.equal("contact" in seen.raw || "ua" in seen.raw || "from" in seen.raw, false);
        return;
      }
      assert.equal(seen.text("contact"), '"$rU \\" \\\\ }" <sip:x@y;p="q$ct">');
      assert.match(seen.text("ua"), /^a\s+folded\s+\$\(hdr\(From\)\)$/);
      assert.equal(seen.text("event"), '"');
    });

  test("a repeated request is answered from the transaction and reaches the node once", async () => {
    const request = dialogRequest("INFO", "alice", "n1-5", { branch: "z9hG4bKsame" });
    assert.equal((await alice.ask(request)).status, 200);
    assert.equal((await alice.ask(request)).status, 200);
    assert.equal(lab.node("n1").requests.filter((r) => r.text("callId") === request.callId).length, 1);
  });

  test("a CANCEL of our INVITE is answered and ends it with 487; the node's late answer finds nothing", async () => {
    const node = lab.node("n1");
    node.answer = () => undefined;
    const invite = poolRequest("INVITE", "alice", { branch: "z9hG4bKcancelled" });
    const final = alice.ask(invite);
    const request = await node.request((r) => r.text("callId") === invite.callId);
    const cancelled = await alice.ask({ ...invite, method: "CANCEL" });
    assert.equal(cancelled.status, 200);
    assert.equal((await final).status, 487);
    const [index, label] = request.tx.split(":").map(Number);
    const result = await node.batch({ answers: [[index, label, 200, "OK", "", "", ""]] });
    assert.deepEqual([result.answered, result.gone], [0, [[index, label]]]);
    node.answer = undefined;
  });

  test("more than a hundred answers in one call all arrive", async () => {
    const node = lab.node("n1");
    node.answer = () => undefined;
    const calls = Array.from({ length: 250 }, () => dialogRequest("INFO", "alice", "n1-5"));
    const ids = new Set(calls.map((call) => call.callId));
    const finals = calls.map((call) => alice.ask(call));
    await node.request(() => node.requests.filter((r) => ids.has(r.text("callId"))).length === 250);
    const answers = node.requests
      .filter((r) => ids.has(r.text("callId")))
      .map((r) => [...r.tx.split(":").map(Number), 200, "OK", "", "", ""]);
    const result = await node.batch({ answers });
    assert.deepEqual([result.answered, result.gone], [250, []]);
    assert.ok((await Promise.all(finals)).every((answer) => answer.status === 200));
    node.answer = undefined;
  });

  test("a node that hangs is not waited for until SIP gives up: the client has 503 with Retry-After", async () => {
    lab.node("n1").answer = () => undefined;
    const began = Date.now();
    const answer = await alice.ask(dialogRequest("INFO", "alice", "n1-5"));
    assert.equal(answer.status, 503);
    assert.equal(answer.headers.get("retry-after"), "5");
    assert.ok(Date.now() - began < 10_000, "not when a timer of SIP ends");
    lab.node("n1").answer = undefined;
  });

  test("no node, or one that closes every connection, gives 503 as well; a node that comes back is used", async () => {
    const port = lab.node("n1").port;
    await lab.node("n1").stop();
    const noNode = await alice.ask(poolRequest("INVITE", "alice"));
    assert.deepEqual([noNode.status, noNode.headers.get("retry-after")], [503, "5"]);
    const refusing = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => refusing.listen(port, "127.0.0.1", resolve));
    const refused = await alice.ask(poolRequest("INVITE", "alice"));
    assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "5"]);
    await new Promise((resolve) => refusing.close(resolve));
    await lab.startNode("n1");
    for (let attempt = 0; attempt < 8; attempt += 1) {
      if ((await alice.ask(poolRequest("INVITE", "alice"))).status === 200) return;
    }
    assert.fail("the node is not used again");
  });
});
