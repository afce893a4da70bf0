import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Lab, openLab } from "../support/lab.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({ users: ["alice", "bob"], rooms: [{ name: "Protocols", members: ["alice", "bob"] }] });
});

after(() => lab?.close());

test("a message that quotes an HTTP header reaches everybody once, and so does the one after it", async () => {
  const alice = await lab.signedIn("alice");
  const bob = await lab.signedIn("bob");
  for (const endpoint of [alice, bob]) await endpoint.join(lab.room("Protocols"));
  const texts = [
    "Expect: 100-continue",
    "expect: 100-CONTINUE\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\nVia: HTTP/1.1 proxy\n\n0\n\n",
    'and a colon: 100-continue\\u003a "chunked"',
    "the end",
  ];
  for (const text of texts) assert.equal(await alice.post(lab.room("Protocols"), text), 200);
  await bob.waitForMessage(({ text }) => text === "the end", 20_000);
  // What a client writes as CR LF arrives as LF, XML 1.0 §2.11.
  assert.deepEqual(
    bob.messages.map(({ text }) => text),
    texts.map((text) => text.replaceAll("\r\n", "\n")),
  );
  await lab.clearAway();
});
