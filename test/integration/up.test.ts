import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { readStat } from "../../plugin/stack/owned-pid.ts";
import { readLivingPids } from "../../plugin/stack/pid-files.ts";
import type { ReadyFile } from "../../plugin/stack/ready-file.ts";

/** What plugin/up and plugin/down do once everything is built, from the sources. */
const root = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "parlance-up-"));

after(async () => {
  for (const name of readdirSync(folder)) await run("down", ["--state", join(folder, name)]);
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function commandArgs(command: "up" | "down", args: readonly string[]): string[] {
  return ["--import", import.meta.resolve("tsx"), join(root, "plugin", "stack", `${command}.ts`), ...args];
}

function run(command: "up" | "down", args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, commandArgs(command, args), { timeout: 120_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}

function readReady(stateDir: string): ReadyFile {
  return JSON.parse(readFileSync(join(stateDir, "ready.json"), "utf8"));
}

function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { timeout: 5_000 }, (response) => resolve(response.resume().statusCode)).on("error", reject);
  });
}

function isRunning(pid: number): boolean {
  const state = readStat(pid)?.state;
  return state !== undefined && state !== "Z";
}

/** The first demo user, as any program would connect with what ready.json says. */
function firstUser({ sip, users }: ReadyFile): XccosEndpoint {
  const [user] = users;
  assert.ok(user);
  const { uri: address, login: username, password, displayName } = user;
  return new XccosEndpoint({ host: sip.host, port: sip.tcp, address, username, password, displayName });
}

async function untilFile(file: string, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + 90_000;
  while (!existsSync(file)) {
    assert.equal(child.exitCode, null, "up ended before it was ready");
    assert.ok(performance.now() < deadline, "not ready within 90 s");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("up shows a conversation, says how to connect, and goes on with its data after down and up", async () => {
  const stateDir = join(folder, "detached");
  const first = await run("up", [
    "--detach",
    "--nodes",
    "2",
    "--domain",
    "chat.example.org",
    "--state",
    stateDir,
  ]);
  assert.deepEqual([first.code, first.err], [0, ""]);
  const ready = readReady(stateDir);
  assert.equal(ready.domain, "chat.example.org");
  assert.equal(ready.poolUri, "sip:pchat@chat.example.org");
  assert.equal(ready.sip.tls, ready.sip.tcp + 1);
  assert.equal(statSync(join(stateDir, "ready.json")).mode & 0o077, 0);
  assert.deepEqual(Object.keys(ready.pids).sort(), ["kamailio", "mariadb", "n1", "n2", "redis", "worker"]);
  assert.equal(await statusOf(`${ready.http.url}/health/ready`), 200);
  assert.equal(ready.users.length, 3);
  assert.equal(ready.rooms.length, 2);
  const [room] = ready.rooms;
  assert.ok(room);
  for (const { uri, password } of ready.users)
    assert.ok(first.out.includes(uri) && first.out.includes(password));
  for (const { uri } of ready.users.slice(0, 2)) assert.ok(room.members.includes(uri));
  assert.match(first.out, /Alice: Good evening, Bob\./);
  assert.equal(new Set(ready.users.map((user) => user.password)).size, 3);

  const again = await run("up", ["--detach", "--state", stateDir]);
  assert.equal(again.code, 1);
  assert.match(again.err, /^Parlance already runs from .*plugin\/down --state .*\n$/);

  const down = await run("down", ["--state", stateDir]);
  assert.equal(down.code, 0);
  assert.deepEqual(Object.values(ready.pids).filter(isRunning), []);
  assert.equal(existsSync(join(stateDir, "ready.json")), false);

  const second = await run("up", ["--detach", "--no-demo", "--state", stateDir]);
  assert.deepEqual([second.code, second.err], [0, ""]);
  assert.deepEqual(readReady(stateDir).users, []);
  const alice = firstUser({ ...ready, sip: readReady(stateDir).sip });
  await alice.signIn();
  await alice.join(room.uri);
  const { messages } = await alice.history(room.uri, 25);
  assert.equal(messages.length, 4);
  assert.deepEqual(alice.violations, []);
  await alice.signOff();
  assert.equal((await run("down", ["--state", stateDir])).code, 0);
});

test("up in the foreground ends everything on Ctrl-C, and a server that dies meanwhile is named", async () => {
  const stateDir = join(folder, "foreground");
  const child = spawn(process.execPath, commandArgs("up", ["--no-demo", "--state", stateDir]), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += String(chunk);
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await untilFile(join(stateDir, "ready.json"), child);
  const { pids } = readReady(stateDir);
  process.kill(pids.worker ?? 0, "SIGKILL");
  const deadline = performance.now() + 20_000;
  while (!out.includes("worker has ended") && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.match(out, /worker has ended; its log is .*worker\.log/);
  assert.equal(isRunning(pids.n1 ?? 0), true);
  child.kill("SIGINT");
  assert.equal(await ended, 0);
  assert.deepEqual(Object.values(pids).filter(isRunning), []);
  assert.equal(existsSync(join(stateDir, "ready.json")), false);
});

test("Ctrl-C while it starts leaves nothing running", async () => {
  const stateDir = join(folder, "interrupted");
  const child = spawn(process.execPath, commandArgs("up", ["--state", stateDir]), { stdio: "ignore" });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await untilFile(join(stateDir, "run", "mariadb.pid.json"), child);
  child.kill("SIGINT");
  assert.equal(await ended, 130);
  assert.deepEqual(readLivingPids(join(stateDir, "run")), []);
  assert.equal(existsSync(join(stateDir, "ready.json")), false);
});

test("another domain for a state folder, and a folder that cannot be made, are refused in one sentence", async () => {
  const stateDir = join(folder, "detached");
  const other = await run("up", ["--domain", "other.example.org", "--state", stateDir]);
  assert.equal(other.code, 1);
  assert.match(other.err, /^.* belongs to the domain chat\.example\.org: .*--state DIR.*\n$/);
  const impossible = await run("up", ["--state", "/dev/null/state"]);
  assert.equal(impossible.code, 1);
  assert.match(impossible.err, /^The state folder \/dev\/null\/state cannot be used \(ENOTDIR\): .*\n$/);
});
