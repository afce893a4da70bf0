import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { OperatorError } from "./operator-error.ts";
import {
  isAlive,
  livingMembers,
  type OwnedPid,
  readBootId,
  readStat,
  signalAll,
  signalLeader,
} from "./owned-pid.ts";
import { forgetPid, writePid } from "./pid-files.ts";

export interface ProcessPlan {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  /** Folder of the pid files. */
  readonly runDir: string;
  readonly cwd?: string;
  /** True once the process really answers; asked again and again, a rejection counts as "not yet". Gets this start's log. */
  readonly answers: (readLog: () => string) => Promise<boolean>;
  readonly readyTimeoutMs: number;
  /** How long the process may take to end by itself after SIGTERM. */
  readonly stopTimeoutMs: number;
  /** Sent by the kernel when the starting process dies; absent for a stack that is meant to outlive it. */
  readonly parentDeathSignal?: "KILL" | "TERM" | undefined;
}

/**
 * Starts a process in a session of its own and waits until it answers.
 * @throws OperatorError when it ends or does not answer in time; it is gone then, with everything it forked.
 * An aborted `signal` gives the same with its reason.
 */
export async function startProcess(plan: ProcessPlan, signal?: AbortSignal): Promise<OwnedPid> {
  signal?.throwIfAborted();
  const mark = randomBytes(12).toString("hex");
  const log = openSync(plan.logFile, "a", 0o600);
  const logStart = statSync(plan.logFile).size;
  const guard = plan.parentDeathSignal ? ["setpriv", "--pdeathsig", plan.parentDeathSignal, "--"] : [];
  const child = spawn("/usr/bin/env", [`PARLANCE_STACK=${mark}`, ...guard, plan.command, ...plan.args], {
    detached: true,
    stdio: ["ignore", log, log],
    ...(plan.cwd === undefined ? {} : { cwd: plan.cwd }),
  });
  closeSync(log);
  let ended: string | undefined;
  child.once("error", (error) => {
    ended = error.message;
  });
  child.once("exit", (code, signal) => {
    ended = signal === null ? `exit code ${code}` : `signal ${signal}`;
  });
  child.unref();
  const startTicks = child.pid === undefined ? undefined : readStat(child.pid)?.startTicks;
  if (child.pid === undefined || startTicks === undefined) {
    throw new OperatorError(`${plan.name} could not be started; its log is ${plan.logFile}.`);
  }
  const owned: OwnedPid = {
    name: plan.name,
    pid: child.pid,
    startTicks,
    bootId: readBootId(),
    mark,
    stopTimeoutMs: plan.stopTimeoutMs,
  };
  writePid(plan.runDir, owned);
  try {
    await untilAnswers(plan, logStart, () => ended, signal);
  } catch (error) {
    signalAll(owned, "SIGKILL");
    await untilGone(owned, 5_000);
    forgetPid(plan.runDir, owned.name);
    throw error;
  }
  return owned;
}

/**
 * Ends a process: SIGTERM, and SIGKILL for what is still there after its time; with `at: "once"` SIGKILL at the start.
 * Returns when nothing of it lives. @throws OperatorError when even SIGKILL did not end it.
 */
export async function stopProcess(
  owned: OwnedPid,
  runDir: string,
  at: "leisure" | "once" = "leisure",
): Promise<void> {
  if (at === "leisure" && signalLeader(owned, "SIGTERM")) await untilGone(owned, owned.stopTimeoutMs);
  if (livingMembers(owned).length > 0) {
    signalAll(owned, "SIGKILL");
    if (!(await untilGone(owned, 10_000))) {
      throw new OperatorError(
        `${owned.name} (process ${owned.pid}) does not end; look at what it waits for.`,
      );
    }
  }
  forgetPid(runDir, owned.name);
}

/** Waits until the process and its descendants are gone; false when they are not after `timeoutMs`. */
export async function untilGone(owned: OwnedPid, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    if (!isAlive(owned) && livingMembers(owned).length === 0) return true;
    await delay(10);
  }
  return livingMembers(owned).length === 0;
}

async function untilAnswers(
  plan: ProcessPlan,
  logStart: number,
  ended: () => string | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const deadline = performance.now() + plan.readyTimeoutMs;
  while (performance.now() < deadline) {
    const answers = await plan.answers(() => readLog(plan, logStart)).catch(() => false);
    signal?.throwIfAborted();
    const end = ended();
    if (end !== undefined)
      throw new OperatorError(`${plan.name} ended at once (${end}). ${explain(plan, logStart)}`);
    if (answers) return;
    await delay(20);
  }
  throw new OperatorError(
    `${plan.name} did not answer within ${plan.readyTimeoutMs / 1000} s. ${explain(plan, logStart)}`,
  );
}

/** The last words of this start's log: what an operator would look for first. */
function explain(plan: ProcessPlan, logStart: number): string {
  const lines = readLog(plan, logStart).split("\n").filter(Boolean);
  const telling = lines.filter((line) => /error|fatal|critical|denied|cannot|already in use/i.test(line));
  const last = (telling.length > 0 ? telling : lines).slice(-3).map((line) => line.trim().slice(0, 300));
  return `${last.length > 0 ? `It said: ${last.join(" | ")} — ` : ""}its log is ${plan.logFile}.`;
}

function readLog(plan: ProcessPlan, logStart: number): string {
  return readFileSync(plan.logFile).subarray(logStart).toString("utf8");
}

const folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/**
 * Full path of a program of the host. An ordinary user's PATH does not hold /usr/sbin, so PATH is not asked.
 * @throws OperatorError naming the Debian package that has it.
 */
export function locate(program: string, debianPackage: string): string {
  for (const folder of folders) {
    const path = join(folder, program);
    if (existsSync(path)) return path;
  }
  throw new OperatorError(`${program} is not installed: run "apt-get install ${debianPackage}" as root.`);
}
