import { readdirSync, readFileSync } from "node:fs";

/**
 * A process this stack started. The number alone is not enough: after a crash or a reboot the same number may belong
 * to somebody else, so start time and boot are part of the identity, and descendants are known by the mark in
 * their environment. Nothing else is ever sent a signal.
 */
export interface OwnedPid {
  readonly name: string;
  readonly pid: number;
  /** Start time in clock ticks since boot, /proc/PID/stat field 22 (proc(5)). */
  readonly startTicks: number;
  readonly bootId: string;
  /** Random value of PARLANCE_STACK in the environment of the process and of everything it forked. */
  readonly mark: string;
  readonly stopTimeoutMs: number;
}

interface ProcessStat {
  readonly state: string;
  readonly group: number;
  readonly startTicks: number;
}

/** What /proc says of a process, undefined when there is none. */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command name may hold spaces and brackets: fields are counted from its last bracket.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", group: Number(fields[2]), startTicks: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

export function readBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** True while exactly the process that was started is there and is no zombie. */
export function isAlive(owned: OwnedPid): boolean {
  const stat = readStat(owned.pid);
  if (stat === undefined || stat.state === "Z" || stat.state === "X") return false;
  return stat.startTicks === owned.startTicks && owned.bootId === readBootId();
}

/** Every living process of the group that carries our mark: the leader if it lives, and what it forked. */
export function livingMembers(owned: OwnedPid): number[] {
  const members: number[] = isAlive(owned) ? [owned.pid] : [];
  if (owned.bootId !== readBootId()) return members;
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === owned.pid) continue;
    const stat = readStat(pid);
    if (stat === undefined || stat.group !== owned.pid || stat.state === "Z") continue;
    if (hasMark(pid, owned.mark)) members.push(pid);
  }
  return members;
}

/** Sends a signal to the leader only; false when it is not there any more. */
export function signalLeader(owned: OwnedPid, signal: NodeJS.Signals): boolean {
  return isAlive(owned) && send(owned.pid, signal);
}

/** Sends a signal to leader and descendants, each of them verified. */
export function signalAll(owned: OwnedPid, signal: NodeJS.Signals): void {
  for (const pid of livingMembers(owned)) send(pid, signal);
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false; // ended meanwhile
  }
}

function hasMark(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`PARLANCE_STACK=${mark}`);
  } catch {
    return false; // ended meanwhile, or another user's
  }
}
