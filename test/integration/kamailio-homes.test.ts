import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RemoteError } from "../../kamailio/jsonrpc/errors.ts";
import type { ChatLab } from "../support/chat-lab.ts";
import { dialogRequest, poolRequest, startChatLab } from "../support/chat-lab.ts";
import { eventually } from "../support/lab-ports.ts";
import type { SipLines } from "../support/sip-lines.ts";

describe("which node a request goes to", () => {
  let lab: ChatLab;
  let alice: SipLines;
  const nodeOf = (callId: string): string[] =>
    [...lab.nodes.values()]
      .filter((n) => n.requests.some((r) => r.text("callId") === callId))
      .map((n) => n.name);
  before(async () => {
    lab = await startChatLab(["n1", "n2", "n10"]);
    alice = await lab.alice();
  });
  after(async () => {
    alice?.end();
    await lab?.stop();
  });

  async function ask(incarnation: string): Promise<string> {
    const request = dialogRequest("INFO", "alice", incarnation);
    assert.equal((await alice.ask(request)).status, 200);
    assert.equal(nodeOf(request.callId).length, 1);
    return nodeOf(request.callId)[0] ?? "";
  }

  test("in-dialog requests go to the node named in the Request-URI, n10 is not n1", async () => {
    for (let i = 0; i < 10; i += 1) {
      assert.equal(await ask("n1-5"), "n1");
      assert.equal(await ask("n10-1"), "n10");
      assert.equal(await ask("n2-77"), "n2");
    }
  });

  test("INVITEs to the pool are spread over all nodes, and so are tokens of unknown nodes", async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 60; i += 1) {
      const invite = poolRequest("INVITE", "alice");
      assert.equal((await alice.ask(invite)).status, 200);
      seen.add(nodeOf(invite.callId)[0] ?? "");
    }
    assert.deepEqual([...seen].sort(), ["n1", "n10", "n2"]);
    assert.ok(["n1", "n2", "n10"].includes(await ask("gone-3")));
  });

  test("homes sends one incarnation to another node and leaves the next one alone", async () => {
    await lab.node("n2").batch({ homes: { "n1-5": "n2" } });
    assert.equal(await ask("n1-5"), "n2");
    assert.equal(await ask("n1-6"), "n1");
  });

  test("requests for a dead node's dialogs reach a standby", async () => {
    await lab.node("n1").stop();
    const answered = await eventually(
      "a standby answers",
      async () => {
        const request = dialogRequest("INFO", "alice", "n1-6");
        return (await alice.ask(request)).status === 200 && nodeOf(request.callId)[0];
      },
      15_000,
    );
    assert.ok(answered === "n2" || answered === "n10");
    await lab.startNode("n1");
  });

  test("a connection closed after a takeover is told to the node that took over", async () => {
    const phone = await lab.alice();
    lab.node("n1").answer = undefined;
    const invite = poolRequest("INVITE", "alice");
    assert.equal((await phone.ask(invite)).status, 200);
    const owner = nodeOf(invite.callId)[0] ?? "";
    const heir = owner === "n2" ? "n10" : "n2";
    const request = await lab.node(owner).request((r) => r.text("callId") === invite.callId);
    await lab.node(heir).batch({ homes: { [`${owner}-9`]: heir } });
    phone.end();
    await lab
      .node(heir)
      .request(() => lab.node(heir).closed.some((c) => c.conid === request.conid))
      .catch(() => undefined);
    assert.ok(lab.node(heir).closed.some((c) => c.conid === request.conid));
  });

  test("a life that was taken over is not heard any more, in whatever call it was paused; its node's next life is", async () => {
    const phone = await lab.alice();
    const invite = poolRequest("INVITE", "alice");
    assert.equal((await phone.ask(invite)).status, 200);
    const owner = nodeOf(invite.callId)[0] ?? "";
    const heir = owner === "n2" ? "n10" : "n2";
    const request = await lab.node(owner).request((r) => r.text("callId") === invite.callId);
    const says = (incarnation: string, body: string) => {
      const [to, from] = ["<sip:pchat@example.com>;tag=1", "<sip:alice@example.com>;tag=2"];
      const nexthop = `sip:${request.raw.src};transport=tcp`;
      const entry = ["sip:a@b", nexthop, to, from, invite.callId, 9, "<sip:x@y>", request.conid];
      const copies = [{ body, dialogs: [entry] }];
      return lab.node(owner).batch({ incarnation, start: request.start, copies });
    };
    await lab.node(heir).batch({ incarnation: `${heir}-1`, homes: { [`${owner}-4`]: heir } });
    await assert.rejects(
      says(`${owner}-4`, "late"),
      (error) => error instanceof RemoteError && error.httpStatus === 409 && error.message === "superseded",
    );
    assert.equal((await says(`${owner}-5`, "new")).sent, 1);
    assert.equal((await phone.request("INFO")).body.toString(), "new", "nothing came before it");
    phone.end();
  });

  test("a restarted Kamailio has another start id and knows no connection of the old one", async () => {
    const phone = await lab.alice();
    const invite = poolRequest("INVITE", "alice");
    assert.equal((await phone.ask(invite)).status, 200);
    const owner = nodeOf(invite.callId)[0] ?? "";
    const old = await lab.node(owner).request((r) => r.text("callId") === invite.callId);
    await lab.edge.kill();
    await lab.edge.start();
    const entry = [
      "sip:a@b",
      `sip:${old.raw.src};transport=tcp`,
      "<sip:pchat@example.com>;tag=1",
      "<sip:alice@example.com>;tag=2",
      "c",
      9,
      "<sip:x@y>",
      old.conid,
    ];
    const stale = await eventually("control answers", () =>
      lab
        .node(owner)
        .batch({ start: old.start, copies: [{ body: "x", dialogs: [entry] }] })
        .catch(() => undefined),
    );
    assert.notEqual(stale.start, old.start);
    assert.match(stale.start, /^[0-9a-f]{16}$/);
    assert.equal(stale.sent, 0);
    const anew = await lab
      .node(owner)
      .batch({ start: stale.start, copies: [{ body: "x", dialogs: [entry] }] });
    assert.deepEqual([anew.sent, anew.dead], [0, [old.conid]]);
    phone.end();
  });
});
