import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "../../../plugin/run-command.ts";
import { readStat } from "../../../plugin/stack/owned-pid.ts";
import { until } from "../../support/until.ts";

const MINUTE = 60_000;

test("a command gets its input and gives its output; one that does not read is no fault", async () => {
  assert.equal((await runCommand(["cat"], "héllo\n", MINUTE)).toString("utf8"), "héllo\n");
  assert.equal(
    (await runCommand(["echo", "ready"], Buffer.alloc(1 << 20), MINUTE)).toString("utf8"),
    "ready\n",
  );
});

test("what it says of itself is told in one sentence, unless it may hold what was said in a room", async () => {
  const failing = ["sh", "-c", "echo 'no such\ntoken' >&2; exit 3"];
  await assert.rejects(runCommand(failing, "", MINUTE), { message: "sh ended with code 3: no such token" });
  await assert.rejects(runCommand(failing, "", MINUTE, { tellsComplaint: false }), {
    message: "sh ended with code 3",
  });
  await assert.rejects(runCommand(["/does/not/exist"], "", MINUTE), {
    message: "/does/not/exist does not exist",
  });
  await assert.rejects(runCommand(["sh", "-c", "kill -TERM $$"], "", MINUTE), {
    message: "sh was ended by SIGTERM",
  });
});

test("one that takes too long is ended with whatever it has started, and nobody waits for those", async () => {
  const folder = mkdtempSync(join(tmpdir(), "parlance-command-"));
  try {
    const file = join(folder, "pid");
    const script = 'sleep 987 & echo $! > "$0"; wait';
    const from = performance.now();
    const running = runCommand(["sh", "-c", script, file], "", 2_000);
    await assert.rejects(running, { message: "sh was ended after 2 s" });
    assert.ok(performance.now() - from < MINUTE, "its child would have slept for a quarter of an hour");
    const pid = Number(readFileSync(file, "utf8"));
    await until("its child is gone", () => ["Z", undefined].includes(readStat(pid)?.state));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("one that writes without end is ended", async () => {
  await assert.rejects(runCommand(["yes"], "", MINUTE, { maxOutput: 1_000 }), {
    message: "yes wrote more than 1000 bytes",
  });
});
