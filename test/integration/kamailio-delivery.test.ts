import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { encodeNotification } from "../../kamailio/jsonrpc/codec.ts";
import { encodeFrame } from "../../kamailio/jsonrpc/netstring.ts";
import type { ChatLab } from "../support/chat-lab.ts";
import { dialogRequest, poolRequest, startChatLab, TOKEN } from "../support/chat-lab.ts";
import { type EdgeRequest, told } from "../support/echo-node.ts";
import { post } from "../support/http-post.ts";
import { eventually } from "../support/lab-ports.ts";
import type { SipLines } from "../support/sip-lines.ts";
import { sipStream } from "../support/sip-lines.ts";

interface Dialog {
  readonly phone: SipLines;
  readonly invite: EdgeRequest;
  /** One entry of a copy group; a conid may be claimed instead of the true one. */
  entry(cseq: number, conid?: number, nexthop?: string): unknown[];
}

describe("what nodes send to clients", () => {
  let lab: ChatLab;
  const open: SipLines[] = [];
  let count = 0;

  async function dialog(nodeName = "n1"): Promise<Dialog> {
    const phone = await lab.alice();
    open.push(phone);
    count += 1;
    const invite = poolRequest("INVITE", "alice", {
      callId: `dialog-${count}`,
      headers: [`Contact: <sip:alice@127.0.0.1:9>`],
    });
    const answered = await phone.ask(invite);
    assert.equal(answered.status, 200);
    const request = await eventually("INVITE at a node", () =>
      [...lab.nodes.values()].flatMap((n) => n.requests).find((r) => r.text("callId") === invite.callId),
    );
    const next = `sip:${request.raw.src};transport=tcp`;
    return {
      phone,
      invite: request,
      entry: (cseq, conid = request.conid, nexthop = next) => [
        `sip:alice@127.0.0.1:${phone.local.port}`,
        nexthop,
        `<sip:pchat@example.com>;tag=${request.text("ltag")}`,
        `<sip:alice@example.com>;tag=${request.text("ftag")}`,
        invite.callId,
        cseq,
        `<sip:${nodeName}-5.${TOKEN}@127.0.0.1:5060>`,
        conid,
      ],
    };
  }

  before(async () => {
    lab = await startChatLab(["n1", "n2", "n10"]);
  });
  after(async () => {
    for (const phone of open) phone.end();
    await lab?.stop();
  });

  const replies = () => [...lab.nodes.values()].flatMap((node) => node.replies);

  test("a copy goes out over the client's own connection, exactly as the node wrote it", async () => {
    const { phone, invite, entry } = await dialog();
    const body = '<xccos>"$var(x)" \u00e9\u{1F600} \\ $$</xccos>';
    const result = await lab
      .node("n1")
      .batch({ start: invite.start, copies: [{ body, dialogs: [entry(7)] }] });
    assert.deepEqual([result.edge, result.start, result.sent, result.dead], ["edge1", invite.start, 1, []]);
    const info = await phone.request("INFO");
    assert.equal(info.body.toString(), body);
    assert.equal(info.headers.get("from"), `<sip:pchat@example.com>;tag=${invite.text("ltag")}`);
    assert.equal(info.headers.get("to"), `<sip:alice@example.com>;tag=${invite.text("ftag")}`);
    assert.equal(info.headers.get("call-id"), invite.text("callId"));
    assert.equal(info.headers.get("cseq"), "7 INFO");
    assert.equal(info.headers.get("content-type"), "text/plain");
    assert.equal(info.headers.get("contact"), `<sip:n1-5.${TOKEN}@127.0.0.1:5060>`);
    phone.answer(info, "200 OK");
  });

  test("a hundred copies arrive in order", async () => {
    const { phone, entry } = await dialog();
    const dialogs = Array.from({ length: 100 }, (_, i) => entry(100 + i));
    assert.equal((await lab.node("n1").batch({ copies: [{ body: "x", dialogs }] })).sent, 100);
    await eventually(
      "100 INFOs",
      () => phone.received.filter((w) => w.start.startsWith("INFO ")).length === 100,
    );
    assert.deepEqual(
      phone.received
        .filter((w) => w.start.startsWith("INFO "))
        .map((w) => Number(w.headers.get("cseq")?.split(" ")[0])),
      Array.from({ length: 100 }, (_, i) => 100 + i),
    );
  });

  test("a refusal of the client is told to the node that accepted its INVITE, an acceptance is not", async () => {
    const { phone, invite, entry } = await dialog();
    await lab.node("n1").batch({ copies: [{ body: "x", dialogs: [entry(20), entry(21)] }] });
    phone.answer(await phone.request("INFO"), "200 OK");
    phone.answer(await phone.request("INFO"), "481 Call Leg Does Not Exist");
    const reply = await eventually("sip.reply", () => replies().find((r) => r.cseq === 21));
    const text = (name: string) => Buffer.from(String(reply[name]), "base64").toString();
    assert.deepEqual(
      [reply.status, text("callId"), text("ftag"), text("ttag"), reply.conid],
      [481, invite.text("callId"), invite.text("ltag"), invite.text("ftag"), invite.conid],
    );
    assert.equal(
      replies().some((r) => r.cseq === 20),
      false,
    );
  });

  test("a reply that another connection makes up is not believed", async () => {
    const { phone, entry } = await dialog();
    const other = await lab.alice();
    open.push(other);
    await lab.node("n1").batch({ copies: [{ body: "x", dialogs: [entry(30)] }] });
    const info = await phone.request("INFO");
    other.answer(info, "481 Gone");
    // Kamailio reads that connection in order: this answer is later than the made-up reply.
    assert.equal((await other.ask(dialogRequest("INFO", "alice", "n1-5"))).status, 200);
    assert.equal(
      lab.node("n1").replies.some((r) => r.cseq === 30),
      false,
    );
    phone.answer(info, "200 OK");
  });

  test("a silent client is reported with 408 for the watched copy, every 256th", async () => {
    const { entry } = await dialog();
    await lab.node("n1").batch({ copies: [{ body: "x", dialogs: [entry(256), entry(257), entry(258)] }] });
    const reply = await eventually("408", () => replies().find((r) => r.cseq === 257), 60_000);
    assert.equal(
      replies().some((r) => r.cseq === 256 || r.cseq === 258),
      false,
    );
    assert.equal(reply.status, 408);
  });

  test("a closed connection is told to the node that accepted the INVITE, and copies to it are dead", async () => {
    const { phone, invite, entry } = await dialog();
    phone.end();
    await eventually("sip.closed", () =>
      [...lab.nodes.values()].some((n) => n.closed.some((c) => c.conid === invite.conid)),
    );
    const result = await lab.node("n1").batch({ copies: [{ body: "x", dialogs: [entry(50), entry(51)] }] });
    assert.deepEqual([result.sent, result.dead], [0, [invite.conid]]);
  });

  test("a closed connection is told to every node that answered a request on it, with whatever status", async () => {
    const phone = await lab.alice();
    for (const [name, code] of [
      ["n2", 200],
      ["n10", 403],
    ] as const) {
      lab.node(name).answer = () => ({ code, reason: "As told" });
      assert.equal((await phone.ask(dialogRequest("INFO", "alice", `${name}-5`))).status, code);
      lab.node(name).answer = undefined;
    }
    const conid = lab.node("n2").requests.at(-1)?.conid;
    phone.end();
    for (const name of ["n2", "n10"])
      await eventually(`${name} hears it`, () => lab.node(name).closed.some((c) => c.conid === conid));
    assert.equal(
      lab.node("n1").closed.some((c) => c.conid === conid),
      false,
    );
  });

  test("a connection that closes while the node is at work is told with its answer", async () => {
    const node = lab.node("n2");
    const phone = await lab.alice();
    const seen = node.requests.length;
    node.answer = () => undefined;
    phone.send(dialogRequest("INFO", "alice", "n2-5"));
    const request = await eventually("the request", () => node.requests[seen]);
    node.answer = undefined;
    phone.end();
    await eventually("Kamailio has noticed", async () => {
      const connections = await lab.edge.rpc("htable.dump", "parlance_conn");
      return !connections.includes(`name: ${request.conid}\n`);
    });
    const [index, label] = request.tx.split(":").map(Number);
    await node.batch({ start: request.start, answers: [[index, label, 200, "OK", "", "", ""]] });
    await eventually("closed", () => node.closed.some((c) => c.conid === request.conid));
  });

  test("a connection number and an address that do not belong together get nothing", async () => {
    const mine = await dialog();
    const other = await dialog();
    const seen = other.phone.received.length;
    const result = await lab.node("n1").batch({
      copies: [
        {
          body: "x",
          dialogs: [
            mine.entry(60, other.invite.conid),
            mine.entry(61, 99_999_999),
            mine.entry(62, mine.invite.conid, "sip:127.0.0.1:9;transport=tcp"),
          ],
        },
      ],
    });
    assert.deepEqual([result.sent, result.dead], [0, [other.invite.conid, 99_999_999, mine.invite.conid]]);
    assert.equal((await other.phone.ask(dialogRequest("INFO", "alice", "n1-5"))).status, 200);
    assert.equal(other.phone.received.length, seen + 1);
  });

  test("a line break in a header value of a copy is refused and counted; the others go out", async () => {
    const { phone, entry } = await dialog();
    const evil = [2, 3, 4, 6].map((field) => {
      const copy = entry(70 + field);
      copy[field] = `${copy[field]}\r\nX-Evil: 1`;
      return copy;
    });
    const result = await lab.node("n1").batch({ copies: [{ body: "x", dialogs: [...evil, entry(79)] }] });
    assert.deepEqual([result.sent, result.refused], [1, 4]);
    const info = await phone.request("INFO");
    assert.equal(info.headers.get("cseq"), "79 INFO");
    assert.equal(info.headers.has("x-evil"), false);
    assert.equal(await lab.edge.counter("copies_refused"), 4);
  });

  test("a dialog is told once; what Kamailio was not told it names, and everything else goes out", async () => {
    const { phone, entry } = await dialog();
    const { lines, copies } = told([{ body: "first", dialogs: [entry(7)] }]);
    const [[reference = 0] = []] = (copies as { to: number[] }[]).map(({ to }) => to); // as `told` makes them
    const node = lab.node("n1");
    const known = await node.send({ life: "a1", lines, copies });
    assert.deepEqual([known.sent, known.unknown], [1, []]);
    const later = [{ body: "second", to: [reference, 8, 999_999_999, 9] }];
    const partly = await node.send({ life: "a1", lines: [], copies: later });
    assert.deepEqual([partly.sent, partly.unknown], [1, [999_999_999]]);
    // Another process of the node means other dialogs by its references.
    const other = await node.send({ life: "a2", lines: [], copies: later });
    assert.deepEqual([other.sent, other.unknown], [0, [reference, 999_999_999]]);
    assert.equal((await phone.request("INFO")).body.toString(), "first");
    assert.equal((await phone.request("INFO")).body.toString(), "second");
  });

  test("a call for another start of Kamailio has no effect and tells the true one", async () => {
    const { phone, invite, entry } = await dialog();
    const result = await lab
      .node("n1")
      .batch({ start: "0000000000000000", copies: [{ body: "x", dialogs: [entry(80)] }] });
    assert.deepEqual([result.sent, result.dead, result.start], [0, [], invite.start]);
    assert.equal((await phone.ask(dialogRequest("INFO", "alice", "n1-5"))).status, 200);
    assert.equal(
      phone.received.some((w) => w.start.startsWith("INFO ")),
      false,
    );
  });

  test("strangers are refused and counted, on the control listener and on the node's port", async () => {
    const { host, port } = lab.edge.control;
    const before = await lab.edge.counter("control_strangers");
    const call = JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "parlance.batch",
      params: { node: "n1", start: "" },
    });
    assert.equal(await post(host, port, "/parlance", call), 403);
    assert.equal(await post(host, port, "/parlance", call, `Bearer ${"0".repeat(64)}`), 403);
    assert.equal(await post(host, port, "/parlance", call, `Bearer ${lab.edge.key}0`), 403);
    // The right key on the clients' port is a stranger too.
    assert.equal(
      await post(lab.edge.host, lab.edge.tcpPort, "/parlance", call, `Bearer ${lab.edge.key}`),
      403,
    );
    assert.equal(await post(host, port, "/RPC", call, `Bearer ${lab.edge.key}`), 404);
    assert.equal((await lab.edge.counter("control_strangers")) - before, 4);

    const node = lab.node("n1");
    const seen = node.requests.length;
    const stranger = await sipStream("127.0.0.1", node.port);
    stranger.write(
      encodeFrame(encodeNotification("sip.request", { key: "0".repeat(64), method: "INFO", tx: "1:1" })),
    );
    await eventually("dropped", () => stranger.closed());
    assert.equal(node.requests.length, seen);
    assert.deepEqual(node.strangers, ["wrong key"]);
  });

  test("malformed calls get 400 and send nothing", async () => {
    const { phone, entry } = await dialog();
    const { host, port } = lab.edge.control;
    const good = { jsonrpc: "2.0", id: 1, method: "parlance.batch" };
    const { life, lines, copies } = told([{ body: "x", dialogs: [entry(90)] }]);
    const params = { node: "n1", start: "", life, lines, copies };
    const [group] = copies as { body: string; to: number[] }[]; // as `told` makes them
    const [line] = lines as unknown[][];
    const call = (more: Record<string, unknown>) => ({ ...good, params: { ...params, ...more } });
    const bad: unknown[] = [
      "not json",
      [],
      { ...good, method: "other" },
      call({ node: "n9" }),
      call({ start: undefined }),
      call({ life: undefined }),
      call({ life: "x\r\ny" }),
      call({ copies: [group, { body: 1, to: [] }] }),
      call({ copies: [{ ...group, to: [...(group?.to ?? []), 91] }] }),
      call({ copies: [{ ...group, to: [1, 0] }] }),
      call({ copies: [{ ...group, to: ["1", 90] }] }),
      call({ copies: [{ ...group, to: Array.from({ length: 2_002 }, () => 1) }] }),
      call({ lines: [line, line?.slice(1)] }),
      call({ lines: [line, [...(line ?? []), 1]] }),
      call({ lines: [[1, ...(line ?? []).slice(2), {}]] }),
      call({ answers: [[1, 2, 200, "OK\r\nX: y", "", "", ""]] }),
      call({ answers: [[1, 2, 200, "OK", "X: y\r\n\r\nZ", "", ""]] }),
      call({ answers: [[1, 2, 99, "OK", "", "", ""]] }),
      call({ answers: [[1, 2, 200, "OK", "", "?", "a/b"]] }),
      call({ homes: { "n1-5": "n77" } }),
      call({ homes: { n1: "n2" } }),
    ];
    for (const one of bad)
      assert.equal(
        await post(
          host,
          port,
          "/parlance",
          typeof one === "string" ? one : JSON.stringify(one),
          `Bearer ${lab.edge.key}`,
        ),
        400,
        JSON.stringify(one),
      );
    assert.equal((await phone.ask(dialogRequest("INFO", "alice", "n1-5"))).status, 200);
    assert.equal(
      phone.received.some((w) => w.start.startsWith("INFO ")),
      false,
    );
  });
});
