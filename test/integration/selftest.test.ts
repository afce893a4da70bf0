import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { roundTrip, SelftestFailure } from "../../plugin/selftest/round-trip.ts";
import { programArgs } from "../../plugin/stack/node.ts";
import { type CliAnswer, parlance, parlanceIn } from "../support/cli.ts";
import { type Lab, openLab } from "../support/lab.ts";
import { freePort } from "../support/lab-ports.ts";

let lab: Lab;
before(async () => {
  lab = await openLab({
    users: ["alice", "bob", "dave"],
    notAllowed: ["carol"],
    rooms: [
      { name: "Probe", members: ["alice", "bob"] },
      { name: "Stage", type: "auditorium", members: ["alice", "bob"], presenters: ["alice"] },
    ],
  });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

const ALICE = "sip:alice@example.com";
const BOB = "sip:bob@example.com";

/** Alice to Bob unless said otherwise; passwords by the environment. */
function selftest(words: readonly string[], passwords: { sender?: string; receiver?: string } = {}) {
  const { sender = lab.password("alice"), receiver = lab.password("bob") } = passwords;
  const env = { PARLANCE_SENDER_PASSWORD: sender, PARLANCE_RECEIVER_PASSWORD: receiver };
  return parlanceIn(env, lab.stack.configFiles.n1 ?? "", "selftest", "--timeout", "10", ...words);
}

const aliceToBob = () => [
  "--sender",
  ALICE,
  "--receiver",
  BOB,
  "--proxy",
  `127.0.0.1:${lab.stack.ports.sip}`,
];

/** The last step failed and said why, as JSON and on stderr; the code is what a probe acts on. */
function failedWith(
  { code, out, err }: CliAnswer,
  expected: { code: number; step: string; why: RegExp },
): void {
  assert.equal(code, expected.code, err);
  assert.match(err, /^parlance: [^\n]+\n$/);
  assert.match(err, expected.why);
  const steps = JSON.parse(out) as { step: string; result: string; why: string }[]; // what the command documents
  const failed = steps.filter(({ result }) => result === "failed");
  assert.deepEqual(
    failed.map(({ step }) => step),
    [expected.step],
  );
  assert.equal(`parlance: ${failed[0]?.why}\n`, err);
}

test("a post goes from one user to another through a room given by name, without any configuration", async () => {
  const env = {
    PARLANCE_SENDER_PASSWORD: lab.password("alice"),
    PARLANCE_RECEIVER_PASSWORD: lab.password("bob"),
  };
  const answer = await parlanceIn(env, "/nonexistent.yaml", "selftest", ...aliceToBob(), "--room", "probe");
  assert.deepEqual([answer.code, answer.err], [0, ""]);
  const lines = answer.out.trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => /^(.*?) +\d+ ms {2}ok$/.exec(line)?.[1]),
    [
      "sender signs in",
      "receiver signs in",
      "sender finds the room",
      "receiver enters the room",
      "sender enters the room",
      "message is stored",
      "message arrives",
      "both leave",
    ],
  );
  const recorded = await lab.recorded(lab.room("Probe"));
  assert.equal(recorded.filter(({ kind }) => kind === "CHAT").length, 1);
});

test("without a room given one is made for it, and nothing of it stays", async () => {
  const before = (await lab.administration.listCategories()).map(({ name }) => name);
  const file = join(lab.stack.stateDir, "probe.password");
  writeFileSync(file, `${lab.password("alice")}\n`, { mode: 0o600 });
  const config = lab.stack.configFiles.n1 ?? "";
  const answer = await parlance(
    config,
    ...["selftest", "--sender", ALICE, "--proxy", `127.0.0.1:${lab.stack.ports.tls}`, "--transport", "tls"],
    ...["--any-certificate", "--password-file", file, "--json"],
  );
  assert.deepEqual([answer.code, answer.err], [0, ""]);
  const steps = JSON.parse(answer.out) as { step: string; ms: number; result: string }[]; // what the command documents
  assert.ok(steps.every(({ result, ms }) => result === "ok" && ms >= 0));
  assert.deepEqual([steps[0]?.step, steps.at(-1)?.step], ["room is made", "room is removed"]);
  assert.ok(steps.some(({ step }) => step === "message arrives"));
  assert.deepEqual(
    (await lab.administration.listCategories()).map(({ name }) => name),
    before,
  );
  assert.deepEqual(await lab.administration.findRooms({ words: "Self-test" }, 10), []);
});

test("a post goes over UDP too", async () => {
  const answer = await selftest([...aliceToBob(), "--transport", "udp", "--room", lab.room("Probe")]);
  assert.deepEqual([answer.code, answer.err], [0, ""]);
  assert.match(answer.out, /^message arrives +\d+ ms {2}ok$/m);
});

test("what a killed self-test left behind goes with the next one", async () => {
  const name = "Self-test 2026-01-01T00:00:00Z 0a0b0c0d";
  await lab.administration.addCategory({ name, allowed: [ALICE] });
  await lab.administration.addRoom({ name: `${name} room`, category: name, privacy: "secret" });
  assert.equal((await selftest(aliceToBob())).code, 0);
  assert.ok(!(await lab.administration.listCategories()).some((category) => category.name === name));
});

test("a wrong password, a user without the policy and one who is no member are told apart", async () => {
  const room = ["--room", lab.room("Probe"), "--json"];
  failedWith(await selftest([...aliceToBob(), ...room], { receiver: "wrong" }), {
    code: 1,
    step: "receiver signs in",
    why: /does not accept the password of sip:bob@example\.com/,
  });
  const proxy = ["--proxy", `127.0.0.1:${lab.stack.ports.sip}`];
  const carol = ["--sender", ALICE, "--receiver", "sip:carol@example.com", ...proxy];
  failedWith(await selftest([...carol, ...room], { receiver: lab.password("carol") }), {
    code: 1,
    step: "receiver signs in",
    why: /sip:carol@example\.com may not take part.*policy grant sip:carol@example\.com chat on/,
  });
  const dave = ["--sender", "sip:dave@example.com", ...proxy];
  failedWith(await selftest([...dave, ...room], { sender: lab.password("dave") }), {
    code: 1,
    step: "receiver enters the room",
    why: /sip:dave@example\.com may not enter.*"parlance member add" makes a member/,
  });
  const bobOnStage = ["--sender", BOB, "--receiver", ALICE, ...proxy, "--room", "Stage", "--json"];
  const passwords = { sender: lab.password("bob"), receiver: lab.password("alice") };
  failedWith(await selftest(bobOnStage, passwords), {
    code: 1,
    step: "message is stored",
    why: /sip:bob@example\.com may not post in "Stage": in an auditorium only presenters do/,
  });
  failedWith(await selftest([...aliceToBob(), "--room", "No Such", "--json"]), {
    code: 1,
    step: "sender finds the room",
    why: /sip:alice@example\.com sees no room "No Such"/,
  });
});

test("a proxy that is away, or that does not answer, is told with exit code 69", async () => {
  const port = await freePort();
  const words = ["--sender", ALICE, "--proxy", `127.0.0.1:${port}`, "--room", "Probe", "--json"];
  failedWith(await selftest(words), {
    code: 69,
    step: "sender signs in",
    why: /the proxy 127\.0\.0\.1:\d+ cannot be reached over TCP \(.*ECONNREFUSED.*\)/,
  });
  const silent = createServer((socket) => socket.on("error", () => socket.destroy()));
  await new Promise<void>((resolve) => silent.listen(port, "127.0.0.1", resolve));
  try {
    failedWith(await selftest([...words, "--timeout", "1"]), {
      code: 69,
      step: "sender signs in",
      why: /no answer from the proxy 127\.0\.0\.1:\d+ within 1 s \(REGISTER\)/,
    });
  } finally {
    silent.close();
  }
});

test("a self-test that is ended takes its room with it", async () => {
  const silent = createServer((socket) => socket.on("error", () => socket.destroy()));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as AddressInfo; // it listens on TCP
  const args = ["selftest", "--sender", ALICE, "--proxy", `127.0.0.1:${port}`, "--timeout", "300"];
  const config = ["--config", lab.stack.configFiles.n1 ?? ""];
  const child = spawn(process.execPath, [...programArgs(false), ...args, ...config], {
    env: { ...process.env, PARLANCE_SENDER_PASSWORD: "x" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  try {
    await once(silent, "connection");
    assert.equal((await lab.administration.findRooms({ words: "Self-test" }, 10)).length, 1);
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [1, null]);
    assert.deepEqual(await lab.administration.findRooms({ words: "Self-test" }, 10), []);
  } finally {
    child.kill("SIGKILL");
    silent.close();
  }
});

test("a message that is stored but does not arrive is a failure", async () => {
  const [sender, receiver] = [lab.endpoint("alice"), lab.endpoint("bob")];
  const steps: string[] = [];
  const failure = await roundTrip({
    sender,
    receiver,
    room: lab.room("Probe"),
    timeoutMs: 500,
    report: ({ step, failure: why }) => {
      steps.push(`${step}: ${why === "" ? "ok" : "failed"}`);
      if (step === "sender enters the room") receiver.pauseReading();
      if (step === "message arrives") receiver.resumeReading();
    },
  }).catch((error: unknown) => error);
  assert.ok(failure instanceof SelftestFailure);
  assert.match(
    failure.message,
    /^the message is stored, but did not arrive at sip:bob@example\.com within 0\.5 s$/,
  );
  assert.deepEqual(steps.slice(-2), ["message is stored: ok", "message arrives: failed"]);
});

test("without a node the 503 of the proxy is told, and the room made for the test goes all the same", async () => {
  await lab.stack.kill("n1", "SIGTERM");
  failedWith(await selftest([...aliceToBob(), "--json"]), {
    code: 69,
    step: "sender signs in",
    why: /no node serves sip:alice@example\.com \(503 to [A-Z]+\): does "parlance serve" run/,
  });
  assert.deepEqual(await lab.administration.findRooms({ words: "Self-test" }, 10), []);
});

test("who forgets an address or a password is told so, with exit code 64", async () => {
  const password = join(lab.stack.stateDir, "forgotten.password");
  writeFileSync(password, "x\n", { mode: 0o600 });
  for (const [words, sentence] of [
    [[], /--sender is missing/],
    [["--sender", "alice"], /--sender is an address such as sip:/],
    [["--sender", ALICE, "--proxy", "host:port"], /--proxy is HOST or HOST:PORT/],
    [["--sender", ALICE], /no password for sip:alice@example\.com: give a file with --password-file/],
    [
      ["--sender", ALICE, "--receiver", BOB, "--password-file", password],
      /no password for sip:bob@example\.com: give a file with --receiver-password-file/,
    ],
  ] as const) {
    const answer = await parlance(lab.stack.configFiles.n1 ?? "", "selftest", ...words);
    assert.deepEqual([answer.code, answer.out], [64, ""]);
    assert.match(answer.err, sentence);
  }
});
