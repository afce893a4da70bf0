import assert from "node:assert/strict";
import { test } from "node:test";
import { InTurn } from "../../../src/pool/in-turn.ts";
import { aSession } from "../../support/sessions.ts";

/** A session that is busy until it is told otherwise. */
function busySession() {
  const session = aSession("alice", 1);
  let free: () => void = () => {};
  const underWay = session.run(
    () =>
      new Promise<void>((resolve) => {
        free = resolve;
      }),
  );
  const freed = () => {
    free();
    return underWay;
  };
  return { session, free: freed };
}

test("work on a busy session waits for its turn and is done once, however often it was asked for", async () => {
  const { session, free } = busySession();
  let runs = 0;
  const turns = new InTurn(
    async () => {
      runs += 1;
    },
    (error) => assert.fail(String(error)),
  );
  turns.add(session);
  turns.add(session);
  turns.retry();
  await new Promise(setImmediate);
  assert.equal(runs, 0);
  await free();
  await session.run(async () => {});
  assert.equal(runs, 1);
  turns.add(session);
  await session.run(async () => {});
  assert.equal(runs, 2, "asked for after it had begun");
});

test("what failed is reported and done again when it is retried, until it succeeds", async () => {
  const session = aSession("alice", 1);
  const errors: string[] = [];
  let runs = 0;
  const turns = new InTurn(
    async () => {
      runs += 1;
      if (runs < 3) throw new Error(`failure ${runs}`);
    },
    (error) => errors.push((error as Error).message),
  );
  turns.add(session);
  for (let look = 0; look < 5; look++) {
    await session.run(async () => {});
    await new Promise(setImmediate);
    turns.retry();
  }
  assert.deepEqual(errors, ["failure 1", "failure 2"]);
  assert.equal(runs, 3);
});
