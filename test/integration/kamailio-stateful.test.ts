import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type ChatLab, poolRequest, startChatLab, TOKEN } from "../support/chat-lab.ts";
import { eventually } from "../support/lab-ports.ts";

for (const stateful of [0, 1]) {
  describe(`copies with PARLANCE_STATEFUL_COPIES ${stateful}`, () => {
    let lab: ChatLab;
    before(async () => {
      lab = await startChatLab(["n1"], { defines: [`PARLANCE_STATEFUL_COPIES=${stateful}`] });
    });
    after(() => lab?.stop());

    /** Transactions that Kamailio itself has begun. */
    const transactions = async () =>
      Number(/created: ([0-9]+)/.exec(await lab.edge.rpc("tm.stats"))?.[1] ?? Number.NaN);

    test(`a copy ${stateful ? "leaves in a transaction" : "keeps no transaction"}, and a refusal of it is told to the node`, async () => {
      const phone = await lab.alice();
      const invite = poolRequest("INVITE", "alice", { headers: ["Contact: <sip:alice@127.0.0.1:9>"] });
      assert.equal((await phone.ask(invite)).status, 200);
      const node = lab.node("n1");
      const request = await node.request((one) => one.text("callId") === invite.callId);
      const entry = (cseq: number) => [
        "sip:alice@127.0.0.1:9",
        `sip:${request.raw.src};transport=tcp`,
        `<sip:pchat@example.com>;tag=${request.text("ltag")}`,
        `<sip:alice@example.com>;tag=${request.text("ftag")}`,
        invite.callId,
        cseq,
        `<sip:n1-5.${TOKEN}@127.0.0.1:5060>`,
        request.conid,
      ];
      const before = await transactions();
      const dialogs = Array.from({ length: 20 }, (_, index) => entry(10 + index));
      assert.equal((await node.batch({ start: request.start, copies: [{ body: "é", dialogs }] })).sent, 20);
      assert.equal((await transactions()) - before, stateful ? 20 : 0);
      for (let index = 0; index < 20; index++) {
        const copy = await phone.request("INFO");
        assert.equal(copy.body.toString(), "é");
        assert.equal(copy.headers.get("cseq"), `${10 + index} INFO`);
        phone.answer(copy, index === 19 ? "481 Gone" : "200 OK");
      }
      const reply = await eventually("sip.reply", () => node.replies[0]);
      assert.deepEqual([reply.status, reply.cseq], [481, 29]);
      phone.end();
    });
  });
}
