import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode, OperatorError } from "./operator-error.ts";
import { isAlive, livingMembers, type OwnedPid, readBootId, readStat } from "./owned-pid.ts";

const suffix = ".pid.json";

/** Records a started process, in one step so that a reader never sees half a file. */
export function writePid(runDir: string, owned: OwnedPid): void {
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const file = join(runDir, owned.name + suffix);
  writeFileSync(`${file}.new`, `${JSON.stringify(owned)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function forgetPid(runDir: string, name: string): void {
  rmSync(join(runDir, name + suffix), { force: true });
}

/**
 * Every recorded process, oldest start first; empty when the folder does not exist. Damaged records are skipped.
 * @throws OperatorError when the folder may not be read.
 */
export function readPids(runDir: string): OwnedPid[] {
  const found: OwnedPid[] = [];
  let names: string[];
  try {
    names = readdirSync(runDir).filter((name) => name.endsWith(suffix));
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw new OperatorError(
      `${runDir} cannot be read (${errorCode(error)}): run this as the user who started Parlance.`,
    );
  }
  for (const name of names) {
    const owned = parse(readFileSync(join(runDir, name), "utf8"));
    if (owned !== undefined) found.push(owned);
  }
  return found.sort((left, right) => left.startTicks - right.startTicks);
}

/** The recorded processes of which something still lives. */
export function readLivingPids(runDir: string): OwnedPid[] {
  return readPids(runDir).filter((owned) => isAlive(owned) || livingMembers(owned).length > 0);
}

/** Name under which the starting process itself is recorded. */
export const starterName = "up";

/**
 * Takes the state folder for this process: two starts at the same time must not both begin.
 * @throws OperatorError when another living process has it, or servers of an earlier start still run.
 */
export function claimFolder(stateDir: string): void {
  const runDir = join(stateDir, "run");
  const living = readLivingPids(runDir);
  if (living.length > 0) throw new OperatorError(alreadyRuns(stateDir, living));
  for (const owned of readPids(runDir)) forgetPid(runDir, owned.name);
  const owned: OwnedPid = {
    name: starterName,
    pid: process.pid,
    startTicks: readStat(process.pid)?.startTicks ?? 0,
    bootId: readBootId(),
    mark: "",
    stopTimeoutMs: 90_000,
  };
  try {
    writeFileSync(join(runDir, starterName + suffix), `${JSON.stringify(owned)}\n`, {
      mode: 0o600,
      flag: "wx",
    });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    throw new OperatorError(alreadyRuns(stateDir, readLivingPids(runDir)));
  }
}

function alreadyRuns(stateDir: string, living: readonly OwnedPid[]): string {
  const names = living.map((owned) => `${owned.name} ${owned.pid}`).join(", ");
  return `Parlance already runs from ${stateDir} (${names}): end it with plugin/down --state ${stateDir}.`;
}

function parse(text: string): OwnedPid | undefined {
  try {
    const value: Partial<Record<keyof OwnedPid, unknown>> = JSON.parse(text);
    const { name, pid, startTicks, bootId, mark, stopTimeoutMs } = value;
    if (typeof name !== "string" || typeof bootId !== "string" || typeof mark !== "string") return undefined;
    if (!Number.isInteger(pid) || !Number.isInteger(startTicks) || typeof stopTimeoutMs !== "number")
      return undefined;
    return { name, pid: Number(pid), startTicks: Number(startTicks), bootId, mark, stopTimeoutMs };
  } catch {
    return undefined;
  }
}
