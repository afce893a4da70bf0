import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { kamcmd } from "../support/kamcmd.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";

/** Kamailio's default. */
const SMALL_BUFFER = 16_384;
const USERS = ["alice", "bob", "carol"];

let lab: Lab;
before(async () => {
  lab = await openLab({ users: USERS });
});
after(async () => {
  try {
    await lab?.clearAway();
  } finally {
    await lab?.close();
  }
});

test("a node whose max-call exceeds Kamailio's read buffer says so once, makes smaller calls, and the chat goes on", async () => {
  // For connections that are made from now on.
  await kamcmd(lab.stack, "cfg.set_now_int", "tcp", "rd_buf_size", `${SMALL_BUFFER}`);
  await lab.restart("n1");
  const room = await lab.addRoom({ name: "Narrow", members: USERS });
  const people = await Promise.all(USERS.map((user) => lab.signedIn(user)));
  for (const endpoint of people) assert.equal((await endpoint.join(room)).code, 200);
  const [alice, bob] = people as [XccosEndpoint, XccosEndpoint];
  const long = "x".repeat(2_500);
  const statuses = Array.from({ length: 40 }, (_, index) => alice.post(room, `${index} ${long}`));
  assert.deepEqual(new Set(await Promise.all(statuses)), new Set([200]));
  for (const endpoint of people) {
    await until("all of them arrive", () => endpoint.messages.length === 40, LAB_TIMEOUT_MS);
    assert.deepEqual(
      endpoint.messages.map(({ chatId }) => chatId),
      Array.from({ length: 40 }, (_, index) => index + 1),
    );
  }
  const { code, messages } = await bob.history(room, 40);
  assert.deepEqual([code, messages.at(-1)?.chatId], [200, 40]);
  assert.ok(messages.length > 1 && messages.length < 40, `${messages.length} of them, as many as fit`);
  assert.equal(await alice.post(room, "y".repeat(7_900)), 413, "nobody could be sent that one");
  assert.equal(await alice.post(room, "short"), 200);
  await bob.waitForMessage(({ text }) => text === "short", LAB_TIMEOUT_MS);

  const said = lab.log("n1").split("\n");
  const warnings = said.filter((line) => line.includes("does not fit into Kamailio's tcp_rd_buf_size"));
  assert.deepEqual(
    warnings
      .map((line) => JSON.parse(line))
      .map(({ edge, tcpRdBufSize, maxCall }) => ({ edge, tcpRdBufSize, maxCall })),
    [{ edge: "edge1", tcpRdBufSize: SMALL_BUFFER, maxCall: 120_000 }],
  );
  assert.ok(!said.some((line) => line.includes("left out")));
  assert.ok(!lab.log("kamailio").includes("buffer overrun"));
});
