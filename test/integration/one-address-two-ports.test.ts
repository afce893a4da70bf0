import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { type Lab, openLab } from "../support/lab.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({
    users: ["alice", "bob", "carol"],
    rooms: [
      { name: "Alice's", members: ["alice", "carol"] },
      { name: "Bob's", members: ["bob", "carol"] },
    ],
  });
});

after(() => lab?.close());

/** A port nobody uses just now, for two connections to leave from. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === "object" && address !== null ? address.port : 0;
}

test("two clients of one address and port, one over TCP and one over TLS, never get each other's messages", async () => {
  const localPort = await freePort();
  const alice = await lab.signedIn("alice", { localPort });
  const bob = await lab.signedIn("bob", { transport: "tls", localPort });
  const carol = await lab.signedIn("carol");
  await alice.join(lab.room("Alice's"));
  await bob.join(lab.room("Bob's"));
  for (const room of ["Alice's", "Bob's"]) {
    await carol.join(lab.room(room));
    for (const text of ["one", "two", "three"])
      assert.equal(await carol.post(lab.room(room), `${room} ${text}`), 200);
  }
  await bob.waitForMessage(({ text }) => text === "Bob's three");
  await alice.waitForMessage(({ text }) => text === "Alice's three");
  for (const [endpoint, room] of [
    [alice, "Alice's"],
    [bob, "Bob's"],
  ] as const)
    assert.deepEqual(
      endpoint.messages.map(({ text }) => text),
      ["one", "two", "three"].map((text) => `${room} ${text}`),
    );
  await lab.clearAway();
});
