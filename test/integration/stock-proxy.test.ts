import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isReached } from "../../plugin/stack/edge-link.ts";
import { ALICE, dialogRequest, poolRequest } from "../support/chat-lab.ts";
import type { EchoNode } from "../support/echo-node.ts";
import { startEchoNode } from "../support/echo-node.ts";
import { LAB_TIMEOUT_MS, openLab } from "../support/lab.ts";
import type { LabDatabase } from "../support/lab-mariadb.ts";
import { startMariadb } from "../support/lab-mariadb.ts";
import { eventually, freePort } from "../support/lab-ports.ts";
import type { SipLines, Wire } from "../support/sip-lines.ts";
import { sipDatagrams, sipStream } from "../support/sip-lines.ts";
import type { StockProxy } from "../support/stock-lab.ts";
import { STOCK_CONFIG, startStockProxy, withThreeLines } from "../support/stock-lab.ts";

function tagged(request: Wire): Wire {
  return {
    ...request,
    headers: new Map([...request.headers, ["to", `${request.headers.get("to")};tag=callee`]]),
  };
}

async function phone(proxy: StockProxy, user: string): Promise<SipLines> {
  const lines = await sipDatagrams("127.0.0.1", proxy.port);
  const registered = await lines.ask(
    poolRequest("REGISTER", user, {
      uri: "sip:example.com",
      to: `<sip:${user}@example.com>`,
      headers: [`Contact: <sip:${user}@127.0.0.1:${lines.local.port}>`, "Expires: 600"],
    }),
  );
  assert.equal(registered.status, 200);
  return lines;
}

/** A whole call: rings for `ringMs`, is answered, acknowledged and hung up. */
async function call(caller: SipLines, callee: SipLines, ringMs: number): Promise<void> {
  const invite = poolRequest("INVITE", "alice", {
    uri: "sip:carol@example.com",
    to: "<sip:carol@example.com>",
    headers: [`Contact: <sip:alice@127.0.0.1:${caller.local.port}>`],
  });
  const final = caller.ask(invite, ringMs + 5_000);
  const ringing = tagged(await callee.request("INVITE"));
  const contact = `Contact: <sip:carol@127.0.0.1:${callee.local.port}>`;
  callee.answer(ringing, "180 Ringing", [contact]);
  await eventually("180", () =>
    caller.received.some((w) => w.status === 180 && w.headers.get("call-id") === invite.callId),
  );
  // The time is the point: whatever happens to the chat, the proxy's own timers must not become shorter.
  await new Promise((resolve) => setTimeout(resolve, ringMs));
  callee.answer(ringing, "200 OK", [contact]);
  const answered = await final;
  assert.equal(answered.status, 200);
  const route = [`Route: ${answered.headers.get("record-route")}`];
  const inDialog = {
    ...invite,
    uri: `sip:carol@127.0.0.1:${callee.local.port}`,
    to: answered.headers.get("to") ?? "",
    headers: route,
  };
  caller.send({ ...inDialog, method: "ACK" });
  await callee.request("ACK");
  const bye = caller.ask({ ...inDialog, method: "BYE", cseq: 2 });
  callee.answer(await callee.request("BYE"), "200 OK");
  assert.equal((await bye).status, 200);
}

async function message(sender: SipLines, receiver: SipLines): Promise<void> {
  const sent = sender.ask(
    poolRequest("MESSAGE", "alice", {
      uri: "sip:carol@example.com",
      to: "<sip:carol@example.com>",
      headers: ["Content-Type: text/plain"],
      body: "hello",
    }),
  );
  const arrived = await receiver.request("MESSAGE");
  assert.equal(arrived.body.toString(), "hello");
  receiver.answer(tagged(arrived), "200 OK");
  assert.equal((await sent).status, 200);
}

test("the three lines are all that is added to the stock file", async () => {
  const stock = await readFile(STOCK_CONFIG, "utf8");
  const lines = new Set([
    'include_file "/x/parlance.cfg"',
    "\troute(PARLANCE);",
    "\troute(PARLANCE_REGISTER);",
  ]);
  const changed = withThreeLines(stock, "/x/parlance.cfg").split("\n");
  assert.equal(changed.filter((line) => lines.has(line)).length, 3);
  assert.equal(changed.filter((line) => !lines.has(line)).join("\n"), stock);
});

for (const variant of ["as shipped", "with the three lines"] as const) {
  describe(`Debian's stock proxy ${variant}`, () => {
    let dir = "";
    let database: LabDatabase | undefined;
    let node: EchoNode | undefined;
    let proxy: StockProxy;
    let alice: SipLines;
    let carol: SipLines;
    const chat = variant !== "as shipped";

    before(async () => {
      dir = await mkdtemp(join(tmpdir(), "parlance-"));
      if (chat) {
        database = await startMariadb(dir);
        await database.addUser("alice", "example.com", ALICE.password);
        const key = randomBytes(32).toString("hex");
        const port = await freePort();
        proxy = await startStockProxy(dir, {
          key,
          databaseUrl: database.url,
          nodes: [{ name: "n1", host: "127.0.0.1", port }],
        });
        node = await startEchoNode({ name: "n1", key, control: proxy.control, port });
      } else {
        proxy = await startStockProxy(dir);
      }
      alice = await phone(proxy, "alice");
      carol = await phone(proxy, "carol");
    });
    after(async () => {
      alice?.end();
      carol?.end();
      await node?.stop();
      await proxy?.stop();
      await database?.stop();
      await rm(dir, { recursive: true, force: true });
    });

    test("a call between two phones", () => call(alice, carol, 0));
    test("a call that rings for ten seconds", () => call(alice, carol, 10_000));
    test("a MESSAGE between two phones", () => message(alice, carol));
    test("an unknown in-dialog request is answered as before", async () => {
      const lost = poolRequest("INFO", "alice", {
        uri: "sip:carol@example.com",
        to: "<sip:carol@example.com>;tag=x",
      });
      assert.equal((await alice.ask(lost)).status, 404);
    });

    if (!chat) return; // what follows is what the three lines bring

    test("chat: INVITE with digest, INFO both ways, a large body refused", async () => {
      assert.ok(node);
      const client = await sipStream("127.0.0.1", proxy.port);
      const invite = poolRequest("INVITE", "alice");
      assert.equal((await client.ask({ ...invite, cseq: 9 })).status, 407);
      assert.equal((await client.askAs(ALICE, invite)).status, 200);
      client.send({ ...invite, uri: dialogRequest("ACK", "alice", "n1-5").uri, method: "ACK" });
      const info = dialogRequest("INFO", "alice", "n1-5", { body: "x".repeat(3_000) });
      assert.equal((await client.ask(info)).status, 200);
      assert.equal(
        (await node.request((r) => r.text("callId") === info.callId)).body.toString(),
        "x".repeat(3_000),
      );
      // pv_buffer_size is the host's, 8 KiB: too large for this body in base64, and it is said.
      const large = dialogRequest("INFO", "alice", "n1-5", { body: "x".repeat(7_000) });
      assert.equal((await client.ask(large)).status, 413);
      assert.equal(
        node.requests.some((r) => r.text("callId") === large.callId),
        false,
      );
      assert.equal((await client.ask(dialogRequest("INFO", "alice", "n1-5"))).status, 200);

      const request = await node.request((r) => r.text("callId") === info.callId);
      const entry = [
        "sip:alice@127.0.0.1",
        `sip:${request.raw.src};transport=tcp`,
        "<sip:pchat@example.com>;tag=o",
        "<sip:alice@example.com>;tag=t",
        info.callId,
        1,
        "<sip:n1@127.0.0.1>",
        request.conid,
      ];
      assert.equal(
        (await node.batch({ start: request.start, copies: [{ body: "copy", dialogs: [entry] }] })).sent,
        1,
      );
      const copy = await client.request("INFO");
      assert.equal(copy.body.toString(), "copy");
      client.answer(copy, "481 Gone");
      const arrived = node;
      await eventually("sip.reply past the host's own reply_route", () =>
        arrived.replies.some((r) => r.status === 481),
      );
      client.end();
      await eventually("sip.closed", () => arrived.closed.some((c) => c.conid === request.conid));
    });

    test("with no node connected neither the secret nor the text gets into the log", async () => {
      const client = await sipStream("127.0.0.1", proxy.port);
      await node?.stop();
      assert.equal(
        (await client.askAs(ALICE, poolRequest("INFO", "alice", { body: "confidential" }))).status,
        503,
      );
      client.end();
      const log = await proxy.log();
      // The stock file logs warnings, so the log is not empty anyway.
      assert.match(log, /WARNING/);
      assert.doesNotMatch(log, /[0-9a-f]{64}/);
      assert.equal(log.includes(Buffer.from("confidential").toString("base64")), false);
    });
  });
}

test("people chat through Debian's stock proxy with the three lines: sign-in, room, history, posts both ways", async () => {
  const lab = await openLab({
    users: ["alice", "bob"],
    rooms: [{ name: "Stock", members: ["alice", "bob"] }],
    parts: ["mariadb", "redis", "nodes"],
  });
  const dir = await mkdtemp(join(tmpdir(), "parlance-"));
  const { control, link } = lab.stack.ports;
  const proxy = await startStockProxy(dir, {
    edge: "edge1",
    key: lab.stack.secrets.linkKey,
    databaseUrl: lab.stack.edgeMysqlUrl,
    control: { host: "127.0.0.2", port: control },
    nodes: [{ name: "n1", host: "127.0.0.1", port: link[0] ?? 0 }],
  });
  try {
    await eventually("requests reach the node", () => isReached(lab.stack.ports.http), LAB_TIMEOUT_MS);
    const room = lab.room("Stock");
    const [alice, bob] = [
      await lab.signedIn("alice", { port: proxy.port }),
      await lab.signedIn("bob", { port: proxy.port, sipe: true }),
    ];
    for (const endpoint of [alice, bob]) assert.equal((await endpoint.join(room)).code, 200);
    assert.equal(await alice.post(room, "through the stock file"), 200);
    await bob.waitForMessage(({ text }) => text === "through the stock file", LAB_TIMEOUT_MS);
    assert.equal(await bob.post(room, "x".repeat(1_000)), 200);
    await alice.waitForMessage(({ text }) => text.length === 1_000, LAB_TIMEOUT_MS);
    assert.equal((await alice.history(room, 10)).messages.length, 2);
    await lab.clearAway();
  } finally {
    await proxy.stop();
    await lab.close();
    await rm(dir, { recursive: true, force: true });
  }
});
