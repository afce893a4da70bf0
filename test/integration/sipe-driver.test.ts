import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { runSipeScenario } from "../support/sipe/scenario.ts";
import { SCENARIO_TEXTS, type ScenarioUser } from "../support/sipe/scenario-script.ts";
import { SipeClient } from "../support/sipe/sipe.ts";
import { type SipeStub, type StubSettings, startSipeStub } from "../support/sipe/stub.ts";

const DOMAIN = "example.com";
const LOBBY = { uri: "ma-chan://example.com/7c1e0f5a-0001", name: "Lobby" };
const OFFICE = { uri: "ma-chan://example.com/7c1e0f5a-0002", name: 'Back <office> & "co"' };
const ALICE: ScenarioUser = { user: "alice", domain: DOMAIN, password: "correct horse" };
const BOB: ScenarioUser = { user: "bob", domain: DOMAIN, password: "battery staple", login: "bob" };

async function withStub(extra: Partial<StubSettings>, act: (stub: SipeStub) => Promise<void>): Promise<void> {
  const rooms = [LOBBY, OFFICE].map((room) => ({ ...room, description: `about ${room.name}`, history: [] }));
  const stub = await startSipeStub({ domain: DOMAIN, rooms, ...extra });
  try {
    await act(stub);
  } finally {
    await stub.stop();
  }
}

async function withAlice(stub: SipeStub, act: (alice: SipeClient) => Promise<void>): Promise<void> {
  const alice = await SipeClient.start({ host: "127.0.0.1", port: stub.port, transport: "tcp", ...ALICE });
  try {
    await act(alice);
  } finally {
    await alice.stop().catch(() => undefined); // tests that end it otherwise look at the error themselves
  }
}

async function conversation(stub: SipeStub, transport: "tcp" | "tls"): Promise<void> {
  const { port } = stub;
  const rooms = [LOBBY, OFFICE] as const;
  const said = await runSipeScenario({ host: "127.0.0.1", port, transport, users: [ALICE, BOB], rooms });
  for (const { uri } of rooms) {
    const kept = stub.history(uri).map(({ author, text }) => ({ uri, author, text }));
    assert.deepEqual(
      kept,
      said.filter((message) => message.uri === uri),
      "the server got exactly what was said",
    );
  }
}

async function selfSigned(): Promise<{ key: string; cert: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), "parlance-sipe-tls-"));
  const [key, cert] = [path.join(folder, "key.pem"), path.join(folder, "cert.pem")];
  const request = [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=sip.example.com",
  ];
  try {
    await promisify(execFile)("openssl", [...request, "-keyout", key, "-out", cert]);
    return { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("two SIPE users sign in over TCP without a challenge, talk in rooms and sign off", async () => {
  assert.equal(Buffer.byteLength(SCENARIO_TEXTS.at(-1) ?? ""), 4096);
  await withStub({}, async (stub) => {
    await conversation(stub, "tcp");
    for (const request of ["requri", "getinv", "chansrch", "join", "bccontext", "part"]) {
      assert.ok(stub.requests.includes(`INFO cmd:${request}`), `the plugin sends ${request}`);
    }
  });
});

test("two SIPE users prove their passwords by digest over TLS with a certificate nobody knows", async () => {
  const tls = await selfSigned();
  const passwords = { "alice@example.com": ALICE.password, "bob@example.com": BOB.password };
  await withStub({ tls, passwords }, (stub) => conversation(stub, "tls"));
});

test("a wrong password never gets connected", async () => {
  await withStub({ passwords: { "alice@example.com": "another one" } }, (stub) =>
    withAlice(stub, async (alice) => {
      await assert.rejects(alice.signIn(1_000), /in vain for connected|sign-in failed/);
      assert.ok(!alice.events.some(({ event }) => event === "connected"));
      assert.ok(stub.requests.length > 1, "it did try again with the password");
    }),
  );
});

test("a refused join is reported with the server's words", async () => {
  await withStub({}, (stub) =>
    withAlice(stub, async (alice) => {
      await alice.signIn();
      await alice.listRooms();
      await assert.rejects(alice.join("ma-chan://example.com/unknown"), /there is no such room/);
      assert.ok(!alice.events.some(({ event }) => event === "joined"));
    }),
  );
});

test("who signs in again is back in the rooms whose windows are open, and can talk", async () => {
  await withStub({}, (stub) =>
    withAlice(stub, async (alice) => {
      await alice.signIn();
      await alice.listRooms();
      await alice.join(LOBBY.uri);
      alice.say(LOBBY.uri, "before");
      await alice.waitFor(() => alice.messages(LOBBY.uri).length === 1);
      await alice.signOff();

      const since = alice.mark();
      await alice.signIn();
      await alice.waitForKind("joined", 10_000, since);
      await alice.waitFor(() => alice.messages(LOBBY.uri, since).length === 1, 10_000, since); // the history
      alice.say(LOBBY.uri, "after");
      await alice.waitFor(() => alice.messages(LOBBY.uri, since).length === 2, 10_000, since);
      assert.deepEqual(
        alice.messages(LOBBY.uri, since).map(({ text }) => text),
        ["before", "after"],
      );
      assert.equal(stub.requests.filter((request) => request === "INFO cmd:join").length, 1);
      assert.equal(stub.requests.filter((request) => request === "INFO cmd:bjoin").length, 1);
    }),
  );
});

test("a refused post is shown as not delivered, and not as a message", async () => {
  await withStub({ postStatus: "503 Service Unavailable" }, (stub) =>
    withAlice(stub, async (alice) => {
      await alice.signIn();
      await alice.listRooms();
      await alice.join(LOBBY.uri);
      alice.say(LOBBY.uri, "nobody will read this");
      const shown = await alice.waitForKind("chat-error", 10_000, 0);
      assert.equal(shown.uri, LOBBY.uri);
      assert.match(shown.text, /not delivered[\s\S]*nobody will read this/);
      assert.deepEqual(alice.messages(LOBBY.uri), []);
    }),
  );
});

test("a client that crashes fails the wait at once and fails stop()", async () => {
  await withStub({}, async (stub) => {
    const alice = await SipeClient.start({ host: "127.0.0.1", port: stub.port, transport: "tcp", ...ALICE });
    const waiting = assert.rejects(
      alice.waitFor(({ event }) => event === "bye", 60_000),
      /SIGSEGV/,
    );
    assert.ok(alice.pid !== undefined && alice.pid > 1);
    process.kill(alice.pid, "SIGSEGV");
    await waiting;
    await assert.rejects(alice.stop(), /SIGSEGV/);
    assert.ok(!existsSync(alice.logFile), "its folder is gone");
  });
});
