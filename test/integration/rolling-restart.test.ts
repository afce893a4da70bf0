import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { firstHomeOf, NODES } from "../support/pool-people.ts";
import { until } from "../support/until.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({ nodes: 2, users: ["alice"] });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

/** A sign-in whose lookup, commands and rooms all get through at once. @returns the node that answered it */
async function signsInOnce(): Promise<string> {
  const alice = await lab.signedIn("alice");
  const home = firstHomeOf(alice);
  await alice.signOff();
  return home;
}

async function untilBothAnswer(): Promise<void> {
  const homes = new Set<string>();
  const answered = async () => {
    homes.add(await signsInOnce().catch(() => ""));
    return NODES.every((node) => homes.has(node));
  };
  await until("both nodes answer", answered, LAB_TIMEOUT_MS);
}

test("nodes restarted one after the other, twice: Kamailio has lost its way to none of them", async () => {
  for (let time = 0; time < 2; time++)
    for (const node of NODES) {
      await lab.stack.restart(node);
      await untilBothAnswer();
    }
  const homes: string[] = [];
  for (let attempt = 0; attempt < 20; attempt++) homes.push(await signsInOnce());
  assert.deepEqual(new Set(homes), new Set(NODES));
  assert.doesNotMatch(lab.log("kamailio"), /Bad file descriptor/);
});
