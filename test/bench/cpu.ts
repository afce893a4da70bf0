import { readdirSync, readFileSync } from "node:fs";

/** Clock ticks of /proc/PID/stat: 100 a second on every Linux port Node.js runs on (proc(5), USER_HZ). */
const MICROSECONDS_PER_TICK = 10_000;

interface Times {
  readonly parent: number;
  readonly ticks: number;
}

/**
 * CPU microseconds used so far by each named process and whatever it has forked; what another named process has forked, or is, counts
 * for that one only.
 */
export function cpuMicroseconds(pids: Readonly<Record<string, number>>): Record<string, number> {
  const roots = new Map(Object.entries(pids).map(([name, pid]) => [pid, name]));
  const times = new Map<number, Times>();
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    const found = Number.isInteger(pid) ? timesOf(pid) : undefined;
    if (found) times.set(pid, found);
  }
  const used = Object.fromEntries(Object.keys(pids).map((name) => [name, 0]));
  for (const [pid, { ticks }] of times) {
    const owner = ownerOf(pid, roots, times);
    if (owner !== undefined) used[owner] = (used[owner] ?? 0) + ticks * MICROSECONDS_PER_TICK;
  }
  return used;
}

/** What each process used between two readings. */
export function cpuBetween(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(Object.entries(after).map(([name, used]) => [name, used - (before[name] ?? 0)]));
}

function ownerOf(
  pid: number,
  roots: ReadonlyMap<number, string>,
  times: ReadonlyMap<number, Times>,
): string | undefined {
  let at: number | undefined = pid;
  for (let depth = 0; depth < 16 && at !== undefined && at > 1; depth++) {
    const name = roots.get(at);
    if (name !== undefined) return name;
    at = times.get(at)?.parent;
  }
  return undefined;
}

function timesOf(pid: number): Times | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command name may hold blanks and brackets: fields are counted from its last bracket.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return undefined; // ended meanwhile
  }
}
