import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { startLinkCutter } from "../support/link-cutter.ts";
import { assertCleanLogs, SECRET_WORD } from "../support/unharmed.ts";
import { until } from "../support/until.ts";

const USERS = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"];
/** Each of them may stand with a copy of its own when the second one shows that it is the text. */
const CONTROL_SOCKETS = 4;
/** Said often: only what is said besides may be searched for in the logs. */
const CUT_WORD = "Fliegenpilz";

let lab: Lab;
let cutter: Awaited<ReturnType<typeof startLinkCutter>>;
before(async () => {
  lab = await openLab({
    users: USERS,
    rooms: [
      { name: "Woods", members: USERS },
      { name: "Meadow", members: USERS },
    ],
  });
  const file = lab.stack.configFiles.n1 ?? "";
  const settings = readFileSync(file, "utf8");
  const [line = "", host = "", port] = /http:\/\/([0-9.]+):([0-9]+)/.exec(settings) ?? [];
  cutter = await startLinkCutter({ host, port: Number(port) }, CUT_WORD);
  writeFileSync(file, settings.replace(line, `http://${host}:${cutter.port}`));
  await lab.restart("n1");
});
after(async () => {
  try {
    await lab?.clearAway();
  } finally {
    await cutter?.stop();
    await lab?.close();
  }
});

interface Line {
  readonly what: string;
  readonly callId?: string;
}
const leftOut = (): Line[] =>
  lab
    .log("n1")
    .split("\n")
    .filter((line) => line.includes("left out"))
    .map((line) => JSON.parse(line));

test("a message that Kamailio hangs up on each time is left out and logged; all others reach everybody, in order and soon", async () => {
  const [woods, meadow] = [lab.room("Woods"), lab.room("Meadow")];
  const people = await Promise.all(USERS.map((user) => lab.signedIn(user)));
  for (const endpoint of people) {
    endpoint.watch.strictNumbers = false;
    assert.equal((await endpoint.bjoin([woods, meadow])).code, 200);
  }
  const [alice, bob] = people as [XccosEndpoint, XccosEndpoint];
  const said = async (speaker: XccosEndpoint, room: string, from: number, to: number) => {
    for (let index = from; index < to; index++) assert.equal(await speaker.post(room, `line ${index}`), 200);
  };
  await said(alice, woods, 0, 5);
  await Promise.all([
    (async () => {
      assert.equal(await alice.post(woods, `${SECRET_WORD} ${CUT_WORD}`), 200, "it is stored");
      await said(alice, woods, 5, 10);
    })(),
    said(bob, meadow, 0, 10),
  ]);
  const lines = (count: number) => Array.from({ length: count }, (_, index) => `line ${index}`);
  const texts = (endpoint: XccosEndpoint, room: string) =>
    endpoint.messages.filter((message) => message.room === room).map(({ text }) => text);
  for (const endpoint of people) {
    await until(`${endpoint.address} has everything`, () => endpoint.messages.length >= 20, LAB_TIMEOUT_MS);
    assert.deepEqual(texts(endpoint, woods), lines(10));
    assert.deepEqual(texts(endpoint, meadow), lines(10));
    assert.deepEqual(
      endpoint.watch.jumps.map(({ kind, expected, got }) => [kind, expected, got]),
      [["gap", 6, 7]],
      "none comes twice, none but one is missing",
    );
  }
  assert.ok(cutter.cuts() > 0);
  const copies = leftOut().filter(({ what }) => what === "copy");
  // Two alone show that it is the text and not the dialogs.
  assert.ok(copies.length >= 2 && copies.length <= 1 + CONTROL_SOCKETS, JSON.stringify(leftOut()));
  const callIds = new Set(people.map((endpoint) => endpoint.session.current?.callId));
  assert.ok(copies.every(({ callId }) => callIds.has(callId)));
  assert.equal(leftOut().filter(({ what }) => what === "body").length, 1);
  assertCleanLogs(lab);
});

test("a client whose every copy is hung up on is set aside; the others in its room do not notice", async () => {
  const room = await lab.addRoom({ name: "Clearing", members: USERS });
  const bad = lab.endpoint("erin", { fixed: { callId: `${CUT_WORD}-1` }, timeoutMs: 4_000 });
  await bad.signIn({ lookup: false, provision: false, poolUri: lab.stack.poolUri });
  const people = await Promise.all(["alice", "bob", "carol"].map((user) => lab.signedIn(user)));
  for (const endpoint of people) assert.equal((await endpoint.join(room)).code, 200);
  await assert.rejects(bad.join(room), { kind: "timeout" }, "even its reply is a copy");
  const [alice] = people as [XccosEndpoint];
  for (const word of ["one", "two", "three"]) assert.equal(await alice.post(room, word), 200);
  for (const endpoint of people) {
    await endpoint.waitForMessage(({ text }) => text === "three", LAB_TIMEOUT_MS);
    assert.deepEqual(
      endpoint.messages.map(({ text }) => text),
      ["one", "two", "three"],
    );
  }
  await until("it is set aside", async () => {
    const [row] = await lab.sql<{ away: number | null }>(
      "SELECT away_since_ms AS away FROM dialog WHERE call_id = ?",
      [`${CUT_WORD}-1`],
    );
    return row?.away !== null && row !== undefined;
  });
  bad.crash();
});
