import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createConnection } from "mysql2/promise";
import { createClient } from "redis";
import { type OwnedPid, readBootId, readStat } from "../../plugin/stack/owned-pid.ts";
import { readLivingPids, writePid } from "../../plugin/stack/pid-files.ts";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";

const root = join(import.meta.dirname, "..", "..");
const folders: string[] = [];
const stores = ["mariadb", "redis"] as const;

after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "parlance-test-"));
  folders.push(folder);
  return folder;
}

async function query(stack: Stack, sql: string): Promise<unknown[]> {
  const connection = await createConnection({ uri: stack.mysqlUrl, connectTimeout: 5_000 });
  try {
    const [rows] = await connection.query(sql);
    return Array.isArray(rows) ? rows : [];
  } finally {
    connection.destroy();
  }
}

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command of the repository to its end. */
function run(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(join(root, program), args, { timeout: 60_000, cwd: tmpdir() }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}

/** plugin/down from the sources, without the build that the shell script uses. */
function runDown(stateDir: string): Promise<Ended> {
  return new Promise((resolve) => {
    const args = ["--import", "tsx", join(root, "plugin", "stack", "down.ts"), "--state", stateDir];
    execFile(process.execPath, args, { timeout: 60_000, cwd: root }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}

function isRunning(pid: number): boolean {
  const state = readStat(pid)?.state;
  return state !== undefined && state !== "Z";
}

test("MariaDB and Redis start, answer with their passwords only, and leave nothing behind", async () => {
  const stack = await startStack({ parts: stores });
  try {
    const [settings] = await query(
      stack,
      "SELECT @@innodb_flush_log_at_trx_commit AS flush, @@character_set_server AS charset",
    );
    assert.deepEqual({ ...(settings as object) }, { flush: 1, charset: "utf8mb4" });
    const redis = await createClient({ url: stack.redisUrl }).connect();
    assert.equal((await redis.configGet("appendonly")).appendonly, "yes");
    assert.equal((await redis.configGet("maxmemory-policy"))["maxmemory-policy"], "noeviction");
    redis.destroy();
    const stranger = createConnection({
      host: "127.0.0.1",
      port: stack.ports.mysql,
      user: "root",
      connectTimeout: 5_000,
    });
    await assert.rejects(stranger, /denied/i);
    const guest = createClient({
      url: `redis://127.0.0.1:${stack.ports.redis}`,
      socket: { reconnectStrategy: false },
    });
    guest.on("error", () => undefined);
    await assert.rejects(
      guest.connect().then(() => guest.ping()),
      /NOAUTH/,
    );
    guest.destroy();
  } finally {
    await stack.stop();
  }
  assert.deepEqual(stack.pids(), {});
  assert.equal(existsSync(stack.stateDir), false);
});

test("secrets are random, differ between stacks, and only their owner can read them", async () => {
  const [left, right] = [newFolder(), newFolder()];
  for (const stateDir of [left, right]) await (await startStack({ stateDir, parts: [] })).stop();
  const names = readdirSync(join(left, "secret"));
  assert.ok(names.includes("link.key"));
  for (const name of names) {
    assert.equal(statSync(join(left, "secret", name)).mode & 0o077, 0, name);
    assert.notEqual(
      readFileSync(join(left, "secret", name), "utf8"),
      readFileSync(join(right, "secret", name), "utf8"),
    );
  }
  assert.match(readFileSync(join(left, "secret", "link.key"), "utf8"), /^[0-9a-f]{64}\n$/);
  assert.doesNotMatch(readFileSync(join(left, "parlance.yaml"), "utf8"), /[0-9a-f]{32}/);
});

test("a state folder keeps data, secrets and ports over a restart, also when its path is too long for a socket", async () => {
  const stateDir = join(newFolder(), "x".repeat(120));
  const first = await startStack({ stateDir, parts: stores });
  await query(first, "CREATE TABLE kept (word VARCHAR(20))");
  await query(first, "INSERT INTO kept VALUES ('straße ☕')");
  const socketDir = readFileSync(join(stateDir, "run", "socket-dir"), "utf8");
  await first.stop();
  assert.equal(existsSync(socketDir), false);
  const second = await startStack({ stateDir, parts: stores });
  try {
    assert.deepEqual(second.ports, first.ports);
    assert.deepEqual(second.secrets, first.secrets);
    assert.equal(JSON.stringify(await query(second, "SELECT word FROM kept")), '[{"word":"straße ☕"}]');
  } finally {
    await second.stop();
  }
});

test("a killed server comes back by restart with what was committed, on the same port", async () => {
  const stack = await startStack({ parts: stores });
  try {
    await query(stack, "CREATE TABLE kept (number INT)");
    await query(stack, "INSERT INTO kept VALUES (7)");
    const before = stack.pids();
    await stack.kill("mariadb", "SIGKILL");
    assert.deepEqual(Object.keys(stack.pids()), ["redis"]);
    await stack.restart("mariadb");
    assert.notEqual(stack.pids().mariadb, before.mariadb);
    assert.equal(stack.pids().redis, before.redis);
    assert.equal(JSON.stringify(await query(stack, "SELECT number FROM kept")), '[{"number":7}]');
  } finally {
    await stack.stop();
  }
});

test("a port that is taken is refused in one sentence and nothing is left running", async () => {
  const stateDir = newFolder();
  const { server, port } = await occupyPort();
  try {
    const start = startStack({ stateDir, parts: stores, sipPort: port });
    await assert.rejects(start, new RegExp(`^OperatorError: Port ${port} is taken: .*--sip-port N`));
    const web = startStack({ stateDir, parts: stores, httpPort: port });
    await assert.rejects(web, /--http-port N/);
    assert.deepEqual(readdirSync(join(stateDir, "run")), []);
  } finally {
    server.close();
  }
});

test("a remembered port that is taken meanwhile is exchanged for a free one", async () => {
  const stateDir = newFolder();
  const first = await startStack({ stateDir, parts: [] });
  await first.stop();
  const { server } = await occupyPort(first.ports.redis);
  const second = await startStack({ stateDir, parts: ["redis"] });
  await second.stop();
  server.close();
  assert.notEqual(second.ports.redis, first.ports.redis);
  assert.equal(second.ports.mysql, first.ports.mysql);
});

test("when one server cannot start, those already started are ended", async () => {
  const stateDir = newFolder();
  await (await startStack({ stateDir, parts: ["mariadb"] })).stop();
  rmSync(join(stateDir, "redis"), { recursive: true, force: true });
  writeFileSync(join(stateDir, "mariadb", "ibdata1"), "damaged");
  const start = startStack({ stateDir, parts: stores });
  await assert.rejects(start, /^OperatorError: mariadb ended at once .*mariadb\.log\.$/s);
  assert.deepEqual(readLivingPids(join(stateDir, "run")), []);
  assert.deepEqual(readdirSync(join(stateDir, "run")), []);
});

test("a state folder that is in use is not started a second time, and the first start goes on", async () => {
  const stateDir = newFolder();
  const stack = await startStack({ stateDir, parts: ["redis"] });
  try {
    await assert.rejects(
      startStack({ stateDir, parts: ["redis"] }),
      /already runs from .*plugin\/down --state/,
    );
    assert.equal(isRunning(stack.pids().redis ?? 0), true);
  } finally {
    await stack.stop();
  }
});

test("down ends what was started and nothing else, and says so when there is nothing", async () => {
  const [stateDir, otherDir] = [newFolder(), newFolder()];
  const stack = await startStack({ stateDir, parts: stores, outliveStarter: true });
  const other = await startStack({ stateDir: otherDir, parts: ["redis"] });
  stack.leave();
  const pids = Object.values(stack.pids());
  try {
    const ended = await runDown(stateDir);
    assert.equal(ended.err, "");
    assert.equal(ended.code, 0);
    for (const name of stores) assert.match(ended.out, new RegExp(`${name} \\(process [0-9]+\\) ended`));
    assert.deepEqual(pids.filter(isRunning), []);
    assert.equal(isRunning(other.pids().redis ?? 0), true);
    const again = await runDown(stateDir);
    assert.deepEqual([again.code, again.out], [0, `Nothing runs from ${stateDir}.\n`]);
    const nowhere = await runDown(join(stateDir, "missing"));
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.err, /^There is no state folder .*\n$/);
  } finally {
    await other.stop();
  }
});

test("a process that got the number of an ended one is never ended", async () => {
  const stateDir = newFolder();
  await (await startStack({ stateDir, parts: [] })).stop();
  const stranger = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
  const pid = stranger.pid ?? 0;
  const startTicks = (readStat(pid)?.startTicks ?? 0) - 1;
  const record: OwnedPid = {
    name: "redis",
    pid,
    startTicks,
    bootId: readBootId(),
    mark: "0".repeat(24),
    stopTimeoutMs: 1_000,
  };
  try {
    writePid(join(stateDir, "run"), record);
    assert.equal((await runDown(stateDir)).code, 0);
    writePid(join(stateDir, "run"), { ...record, startTicks: startTicks + 1, bootId: "another boot" });
    assert.equal((await runDown(stateDir)).code, 0);
    assert.equal(isRunning(pid), true);
  } finally {
    stranger.kill("SIGKILL");
  }
});

test("servers of a temporary stack end with the process that started them", async () => {
  const script = `import { startStack } from ${JSON.stringify(join(root, "plugin", "stack", "stack.ts"))};
    const stack = await startStack({ parts: ["redis"] });
    console.log(JSON.stringify({ pid: stack.pids().redis, folder: stack.stateDir }));`;
  const file = join(newFolder(), "starter.mts");
  writeFileSync(file, script);
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<string>((resolve) =>
    child.stdout.once("data", (chunk) => resolve(String(chunk))),
  );
  const { pid, folder }: { pid: number; folder: string } = JSON.parse(line);
  folders.push(folder);
  assert.equal(isRunning(pid), true);
  child.kill("SIGKILL");
  const deadline = performance.now() + 10_000;
  while (isRunning(pid) && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(isRunning(pid), false);
});

for (const [args, sentence] of [
  [["--nodez", "2"], /^There is no flag "--nodez"; did you mean --nodes\? .*\n$/],
  [["--nodes", "0"], /^--nodes "0" is not a number from 1 to 16\.\n$/],
  [["--sip-port"], /^--sip-port needs a value .*\n$/],
  [["--sip-port", "5060", "--http-port", "5061"], /^--http-port 5061 is also a SIP port .*\n$/],
  [["--domain", "no domain"], /^--domain "no domain" is no domain name: .*\n$/],
  [["--state="], /^--state needs the name of a folder\.\n$/],
  [["extra"], /^"extra" is not understood: .*\n$/],
] as const) {
  test(`plugin/up ${args.join(" ")} is refused before anything is prepared`, async () => {
    const { code, out, err } = await run("plugin/up", args);
    assert.equal(code, 2);
    assert.equal(out, "");
    assert.match(err, sentence);
  });
}

test("plugin/up --help prints every flag and does nothing", async () => {
  const { code, out } = await run("plugin/up", ["--help"]);
  assert.equal(code, 0);
  for (const flag of [
    "--detach",
    "--state DIR",
    "--sip-port N",
    "--http-port N",
    "--nodes N",
    "--domain D",
    "--no-demo",
  ]) {
    assert.ok(out.includes(flag), flag);
  }
  assert.doesNotMatch(out, /Preparing/);
});

async function occupyPort(port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port }, resolve);
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return { server, port: address.port };
}
