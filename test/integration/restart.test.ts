import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { ClientError } from "../../plugin/client/client-error.ts";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { programArgs } from "../../plugin/stack/node.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({ users: ["alice", "bob", "carol"] });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

/** The client sends it again while the answer is 503, as a client is told to; anything else is the outcome. */
async function postUntilTaken(
  endpoint: XccosEndpoint,
  room: string,
  text: string,
  envid = endpoint.session.nextEnvid(),
): Promise<number> {
  let status = 503;
  await until(`${endpoint.address} gets an answer`, async () => {
    status = await endpoint.post(room, text, { envid });
    return status !== 503;
  });
  return status;
}

async function inRoom(name: string, options: Record<string, { sipe?: boolean }>) {
  const room = await lab.addRoom({ name, members: Object.keys(options) });
  const people: XccosEndpoint[] = [];
  for (const [user, option] of Object.entries(options)) {
    const endpoint = await lab.signedIn(user, option);
    assert.equal((await endpoint.join(room)).code, 200);
    people.push(endpoint);
  }
  return { room, people: people as [XccosEndpoint, ...XccosEndpoint[]] };
}

for (const way of ["stops in order", "is killed"] as const) {
  test(`a node that ${way} and starts again has its dialogs and rooms; nobody signs in again`, async () => {
    const { room, people } = await inRoom(`Node ${way}`, { alice: {}, bob: { sipe: true }, carol: {} });
    const [alice, bob, carol] = people as [XccosEndpoint, XccosEndpoint, XccosEndpoint];
    for (const endpoint of people) endpoint.watch.strictNumbers = false;
    assert.equal(await alice.post(room, "before"), 200);
    for (const endpoint of people)
      await endpoint.waitForMessage(({ text }) => text === "before", LAB_TIMEOUT_MS);
    const callIds = people.map((endpoint) => endpoint.session.current?.callId);
    if (way === "is killed") await lab.stack.kill("n1", "SIGKILL");
    await lab.stack.restart("n1");
    assert.equal(await postUntilTaken(bob, room, "after"), 200, "no 481, no new join");
    // carol says nothing at all, and is served
    for (const endpoint of people)
      await endpoint.waitForMessage(({ text }) => text === "after", LAB_TIMEOUT_MS);
    assert.equal((await carol.history(room)).messages.length, 2);
    assert.deepEqual((await alice.join(room)).rooms[0]?.participants.length, 3, "all are still in it");
    for (const [index, endpoint] of people.entries()) {
      assert.equal(endpoint.session.current?.callId, callIds[index], "the same dialog");
      assert.deepEqual([endpoint.session.restarts, endpoint.counts.byes], [0, 0]);
      assert.deepEqual(
        endpoint.watch.jumps.filter(({ kind }) => kind === "gap"),
        [],
        "nothing is missing",
      );
    }
    const kinds = (await lab.recorded(room)).map(({ kind }) => kind).filter((kind) => kind !== "BACKCHAT");
    assert.deepEqual(kinds, ["JOIN", "JOIN", "JOIN", "CHAT", "CHAT"], "nobody left, nobody came");
  });
}

test("a post that was stored before the node died, and is sent again, stays one message", async () => {
  const { room, people } = await inRoom("Once", { alice: {}, bob: {} });
  const [alice, bob] = people as [XccosEndpoint, XccosEndpoint];
  for (const endpoint of people) endpoint.watch.strictNumbers = false;
  assert.equal(await alice.post(room, "once", { envid: 4711 }), 200);
  await lab.stack.kill("n1", "SIGKILL");
  await lab.restart("n1");
  assert.equal(await postUntilTaken(alice, room, "once", 4711), 200);
  assert.equal(await alice.post(room, "next"), 200);
  await bob.waitForMessage(({ text }) => text === "next", LAB_TIMEOUT_MS);
  assert.deepEqual(
    (await bob.history(room)).messages.map(({ text, chatId }) => `${chatId} ${text}`),
    ["1 once", "2 next"],
  );
});

test("while no node runs, clients hear 503 with Retry-After within seconds, and keep their dialogs", async () => {
  const { room, people } = await inRoom("Silence", { alice: {} });
  const [alice] = people;
  await lab.stack.kill("n1", "SIGKILL");
  const askedMs = performance.now();
  const response = await alice.sendInfo({ body: Buffer.from("whatever") });
  assert.equal(response.status, 503);
  assert.ok(response.headers.some(([name]) => name === "Retry-After"));
  assert.ok(performance.now() - askedMs < 15_000, "not when a timer of SIP ends");
  await lab.restart("n1");
  assert.equal(await postUntilTaken(alice, room, "back"), 200);
});

test("Kamailio starts again: nothing is sent on the old connections, and clients who sign in again have their rooms", async () => {
  const { room, people } = await inRoom("Edge", { alice: {}, bob: { sipe: true } });
  const [alice, bob] = people as [XccosEndpoint, XccosEndpoint];
  for (const endpoint of people) endpoint.watch.strictNumbers = false;
  assert.equal(await alice.post(room, "before"), 200);
  await bob.waitForMessage(({ text }) => text === "before", LAB_TIMEOUT_MS);
  await lab.stack.kill("kamailio", "SIGKILL");
  for (const endpoint of people) await endpoint.waitForClose(LAB_TIMEOUT_MS);
  await lab.restart("kamailio");
  const away = () =>
    lab.sql<{ n: number }>(
      "SELECT COUNT(*) AS n FROM dialog d JOIN dialog_room r ON r.token = d.token JOIN room ON room.id = r.room_id WHERE room.name = 'Edge' AND away_since_ms IS NOT NULL",
    );
  await until("both dialogs are away", async () => Number((await away())[0]?.n) === 2);
  await alice.reconnect();
  assert.equal((await alice.getServerInfo()).code, 200);
  assert.equal(await alice.post(room, "while bob is away"), 200);
  await alice.waitForMessage(({ text }) => text === "while bob is away", LAB_TIMEOUT_MS);
  await bob.reconnect();
  assert.deepEqual(
    (await bob.history(room)).messages.map(({ text }) => text),
    ["before", "while bob is away"],
  );
  assert.equal(await alice.post(room, "together again"), 200);
  await bob.waitForMessage(({ text }) => text === "together again", LAB_TIMEOUT_MS);
  assert.deepEqual(
    bob.messages.map(({ text }) => text),
    ["before", "together again"],
  );
  for (const endpoint of people)
    assert.deepEqual(
      endpoint.notices.filter(({ kind }) => kind === "part"),
      [],
    );
  const kinds = (await lab.recorded(room)).map(({ kind }) => kind).filter((kind) => kind !== "BACKCHAT");
  assert.deepEqual(kinds, ["JOIN", "JOIN", "CHAT", "CHAT", "CHAT"]);
});

test("a dialog of before Kamailio's restart may go on over a new connection", async () => {
  const { people } = await inRoom("Old names", { alice: {} });
  const [alice] = people;
  const old = alice.session.current?.dialog ?? assert.fail();
  await lab.stack.kill("kamailio", "SIGKILL");
  await alice.waitForClose(LAB_TIMEOUT_MS);
  await lab.restart("kamailio");
  await alice.reconnect();
  const { remoteTarget: ruri, local: from, remote: to, callId } = old;
  const response = await alice.session.current?.request("UPDATE", undefined, {
    ruri,
    from,
    to,
    callId,
    cseq: old.localCseq + 1,
  });
  assert.equal(response?.status, 200);
});

function parlance(file: string): Promise<{ code: number; err: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [...programArgs(true), "serve", "--config", file],
      { timeout: 60_000 },
      (error, _out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), err });
      },
    );
  });
}

const wrong: readonly [what: string, change: (text: string) => string, sentence: RegExp][] = [
  [
    "an unknown setting",
    (text) => text.replace("domain:", "domian:"),
    /domian.*did you mean "domain"\?.*line \d+/,
  ],
  [
    "an impossible value",
    (text) => `${text}chat:\n  session-expires: 1s\n`,
    /session-expires.*"1s" is not a duration.*line \d+/,
  ],
  [
    "a secret that is not there",
    (text) => text.replace("secret/link.key", "secret/lost.key"),
    /lost\.key.*does not exist/,
  ],
  ["no YAML at all", () => "domain: [", /is not YAML/],
];
for (const [what, change, sentence] of wrong) {
  test(`a configuration with ${what} ends the program with one sentence and exit code 78`, async () => {
    const text = readFileSync(lab.stack.configFiles.n1 ?? "", "utf8");
    const file = join(lab.stack.stateDir, "wrong.yaml");
    writeFileSync(file, change(text), { mode: 0o600 });
    const { code, err } = await parlance(file);
    assert.equal(code, 78, err);
    const lines = err.trim().split("\n");
    assert.equal(lines.length, 1, err);
    assert.match(err, sentence);
    assert.doesNotMatch(err, /\bat .*:\d+:\d+/, "no stack");
  });
}

test("a configuration that does not exist is named", async () => {
  const { code, err } = await parlance("/nonexistent/parlance.yaml");
  assert.equal(code, 78);
  assert.match(err, /^parlance: The configuration \/nonexistent\/parlance\.yaml does not exist\n$/);
});

test("a client whose dialog is unknown everywhere hears 481, not silence", async () => {
  const alice = await lab.signedIn("alice");
  const dialog = alice.session.current?.dialog ?? assert.fail();
  for (const incarnation of ["n1-999", "n7-1"]) {
    const ruri = dialog.remoteTarget.replace(
      /^sip:[^.]+\.[0-9a-f]{32}/,
      `sip:${incarnation}.${"ab".repeat(16)}`,
    );
    assert.equal((await alice.sendInfo({ ruri, body: Buffer.from("x") })).status, 481, incarnation);
  }
  await assert.rejects(
    lab.endpoint("alice", { password: "wrong" }).signIn(),
    (error) => error instanceof ClientError && error.status === 407,
  );
});
