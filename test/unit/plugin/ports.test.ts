import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { findFreePort } from "../../../plugin/stack/ports.ts";

const PORTS = pathToFileURL(join(import.meta.dirname, "../../../plugin/stack/ports.ts")).href;

/** What another process would choose, given these as its preferred ports. */
async function chosenElsewhere(prefer: readonly number[], width = 1): Promise<number> {
  const script = `import { findFreePort } from ${JSON.stringify(PORTS)};
    console.log(await findFreePort(${JSON.stringify({ prefer, width })}));`;
  const args = ["--import", "tsx", "--input-type=module", "--eval", script];
  return Number((await promisify(execFile)(process.execPath, args)).stdout);
}

test("a port that was chosen and is not listened on yet is chosen by no other process; the chooser may have it again", async () => {
  const port = await findFreePort({ width: 2 });
  assert.notEqual(await chosenElsewhere([port]), port);
  assert.notEqual(await chosenElsewhere([port + 1]), port + 1, "every one of the run is promised");
  assert.notEqual(await chosenElsewhere([port - 1], 2), port - 1, "nor a run that reaches into it");
  assert.equal(await findFreePort({ prefer: [port], width: 2 }), port, "a stack that is started again");
});

test("a process that has ended holds no port back", async () => {
  const free = await findFreePort();
  const port = await chosenElsewhere([free + 1]);
  assert.equal(await chosenElsewhere([port]), port);
});

test("a port that somebody listens on is not chosen, preferred or not", async () => {
  const port = await findFreePort();
  const server = createServer().listen(port, "127.0.0.1");
  try {
    assert.notEqual(await findFreePort({ prefer: [port] }), port);
  } finally {
    server.close();
  }
});
