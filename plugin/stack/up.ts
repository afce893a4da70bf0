import { join } from "node:path";
import { parseUpFlags, type UpFlags } from "../flags.mjs";
import { runCommand } from "./command.ts";
import { type Demo, playDemo, setUpDemo } from "./demo.ts";
import { openDemoSetup } from "./demo-administration.ts";
import { describeReady, type ReadyFile, removeReadyFile, writeReadyFile } from "./ready-file.ts";
import { stateDirOf } from "./repository.ts";
import { startStack } from "./stack.ts";
import type { Stack } from "./stack-options.ts";

const watchIntervalMs = 1_000;

async function bringUp(flags: UpFlags, signal: AbortSignal, from: number): Promise<void> {
  const stateDir = stateDirOf(flags.stateDir);
  say(`Starting in ${stateDir}`);
  const stack = await startStack({
    stateDir,
    ...(flags.domain === undefined ? {} : { domain: flags.domain }),
    nodes: flags.nodes,
    sipPort: flags.sipPort,
    httpPort: flags.httpPort,
    wellKnownPorts: true,
    fromSources: import.meta.filename.endsWith(".ts"),
    outliveStarter: flags.detach,
    signal,
    report: ({ text, elapsedMs }) => timed(text, elapsedMs),
  });
  try {
    const demo = flags.demo ? await demonstrate(stack) : { users: [], rooms: [] };
    signal.throwIfAborted();
    const ready = describeReady(stack, demo);
    writeReadyFile(stateDir, ready);
    say("");
    timed("ready", performance.now() - from);
    printConnection(ready, stateDir);
    if (flags.detach) {
      stack.leave();
      say(`\nIt runs in the background; plugin/down --state ${stateDir} ends it, the data stays.`);
      return;
    }
    say("\nCtrl-C ends it; the data stays.");
    await untilEnded(stack, signal);
  } finally {
    await endStack(stack);
  }
}

async function demonstrate(stack: Stack): Promise<Demo> {
  const setup = await openDemoSetup(stack);
  try {
    const from = performance.now();
    const demo = await setUpDemo(stack, setup);
    timed(
      `demo domain ${stack.domain}: ${demo.users.length} users, ${demo.rooms.length} rooms`,
      performance.now() - from,
    );
    say("\nA conversation over SIP");
    const began = performance.now();
    await playDemo(stack, demo, (line) => say(`  ${line}`));
    timed("all of it delivered and stored", performance.now() - began);
    return demo;
  } finally {
    await setup.close();
  }
}

/** Waits for the end and says when a server died meanwhile: the others go on, that is what they are for. */
async function untilEnded(stack: Stack, signal: AbortSignal): Promise<void> {
  let before = stack.pids();
  const watch = setInterval(() => {
    const now = stack.pids();
    for (const name of Object.keys(before)) {
      if (!(name in now))
        say(`${name} has ended; its log is ${join(stack.stateDir, "log", `${name}.log`)}. The others go on.`);
    }
    before = now;
  }, watchIntervalMs);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  clearInterval(watch);
}

async function endStack(stack: Stack): Promise<void> {
  const from = performance.now();
  const running = Object.keys(stack.pids()).length;
  await stack.stop();
  if (Object.keys(stack.pids()).length > 0) return; // left to run on purpose
  removeReadyFile(stack.stateDir);
  timed(`ended ${running} processes, nothing is left running`, performance.now() - from);
}

function printConnection({ sip, http, poolUri, users, rooms }: ReadyFile, stateDir: string): void {
  say("\nHow to connect");
  say(`  SIP proxy   ${sip.host}, TCP port ${sip.tcp}, TLS port ${sip.tls} (self-signed certificate)`);
  say(`  Pool URI    ${poolUri}`);
  const width = Math.max(0, ...users.map(({ uri }) => uri.length));
  for (const { uri, login, password } of users)
    say(`  User        ${uri.padEnd(width)}  login ${login.padEnd(8)}  password ${password}`);
  for (const { name, members } of rooms)
    say(`  Room        ${name}: ${members.map((uri) => uri.replace(/^sip:|@.*$/g, "")).join(", ")}`);
  say("\nHow to look after it");
  say(`  Command     plugin/parlance status --config ${join(stateDir, "parlance.yaml")}`);
  say(`  Health      ${http.url}/health/ready, metrics ${http.url}/metrics`);
  say(`  Logs        ${join(stateDir, "log")}`);
  say(`  Programs    ${join(stateDir, "ready.json")} says all this again`);
}

function timed(text: string, elapsedMs: number): void {
  say(`  ${text.padEnd(58)} ${String(Math.round(elapsedMs)).padStart(6)} ms`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The operator ended it; not an error. */
class Ended extends Error {}

await runCommand(async () => {
  const flags = parseUpFlags(process.argv.slice(2));
  const ending = new AbortController();
  // A closed pipe (up | head) shall not take the servers away.
  process.stdout.on("error", () => undefined);
  // A terminal sends SIGINT to everything in the foreground; the servers have sessions of their own and hear only us.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => ending.abort(new Ended(signal)));
  const from = performance.now();
  try {
    await bringUp(flags, ending.signal, from);
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    say("Ended before it was ready; nothing is left running.");
    process.exitCode = 130;
  }
});
