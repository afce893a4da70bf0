import { setTimeout as pause } from "node:timers/promises";
import { redisAdmin } from "../support/redis-admin.ts";
import { until } from "../support/until.ts";
import type { ChaosPool } from "./chaos-pool.ts";
import { setClock } from "./clocks.ts";
import type { SmallDisk } from "./small-disk.ts";

/**
 * What is struck. `pause` is SIGSTOP for 20 s, then SIGCONT, and meanwhile the workers are killed; `flushall` empties Redis; a disk is
 * filled to the last byte; a clock jumps by an hour and back; the mail server of the alerts is gone while Redis is, so that there is
 * something to mail; all others are SIGKILL.
 */
export const STRIKES = [
  "node",
  "redis",
  "mariadb",
  "kamailio",
  "worker",
  "node+redis",
  "pause",
  "flushall",
  "adapter",
  "sealer",
  "disk-mariadb",
  "disk-adapter",
  "clock",
  "clock-mariadb",
  "mail",
] as const;
export type StrikeKind = (typeof STRIKES)[number];

export const needsSmallDisk = (kind: StrikeKind): kind is "disk-mariadb" | "disk-adapter" =>
  kind.startsWith("disk-");

const HOUR_MS = 3_600_000;

const PAUSED_MS = 20_000;
/** A lease lasts 8 s, and a busy machine is slow. */
const RECOVERY_LIMIT_MS = 40_000;

/** Strikes now, starts again what was killed as a service manager would, and returns when the pool is whole again. */
export async function strike(kind: StrikeKind, pool: ChaosPool, random: () => number): Promise<string> {
  const victim = random() < 0.5 ? "n1" : "n2";
  const restartDelayMs = Math.round(random() * 1_500);
  switch (kind) {
    case "node":
      await withTakeover(pool, victim, () => killFor(pool, [victim], restartDelayMs));
      return `${victim} killed, started again after ${restartDelayMs} ms`;
    case "redis": {
      const awayMs = 500 + restartDelayMs * 3;
      await killFor(pool, ["redis"], awayMs);
      return `Redis killed, away for ${awayMs} ms`;
    }
    case "mariadb":
      await killFor(pool, ["mariadb"], restartDelayMs);
      return `MariaDB killed, started again after ${restartDelayMs} ms`;
    case "kamailio":
      await killFor(pool, ["kamailio"], restartDelayMs);
      return `Kamailio killed, started again after ${restartDelayMs} ms`;
    case "worker":
      await killWorkersFor(pool, restartDelayMs);
      return `workers killed, started again after ${restartDelayMs} ms`;
    case "node+redis": {
      const betweenMs = Math.round(random() * 300);
      await withTakeover(pool, victim, async () => {
        const node = killFor(pool, [victim], restartDelayMs);
        await pause(betweenMs);
        await Promise.all([node, killFor(pool, ["redis"], restartDelayMs)]);
      });
      return `${victim} and ${betweenMs} ms later Redis killed, started again after ${restartDelayMs} ms`;
    }
    case "pause": {
      const workersAfterMs = Math.round(random() * PAUSED_MS * 0.8);
      const workers = pause(workersAfterMs).then(() => killWorkersFor(pool, restartDelayMs));
      const [what] = await Promise.all([pauseNode(pool, victim), workers]);
      return `${what}; workers killed after ${workersAfterMs} ms`;
    }
    case "flushall": {
      const times = 1 + Math.floor(random() * 3);
      for (let time = 0; time < times; time++) {
        await redisAdmin(pool.lab.stack.redisUrl, (client) => client.flushAll());
        await pause(random() * 700);
      }
      return `Redis emptied ${times} times`;
    }
    case "adapter": {
      const afterMs = Array.from({ length: 2 }, () => Math.round(random() * 700));
      for (const ms of afterMs) {
        await pause(ms);
        await pool.archive.kill();
        await pool.archive.start();
      }
      return `the adapter's process killed ${afterMs.join(", ")} ms after its start`;
    }
    case "sealer": {
      // Whoever seals dies twice, so does whoever took over from it.
      const afterMs = [random(), random()].map((part) => Math.round(part * 700));
      for (const ms of afterMs) {
        await pause(ms);
        await killWorkersFor(pool, 0);
      }
      return `everybody who may seal killed after ${afterMs.join(" and ")} ms`;
    }
    case "disk-mariadb":
    case "disk-adapter": {
      const disk = pool.disks?.[kind === "disk-mariadb" ? "mariadb" : "adapter"];
      if (!disk) throw new Error("this pool has no small disks");
      return fillFor(disk, (kind === "disk-mariadb" ? 3_000 : 1_500) + Math.round(random() * 2_000));
    }
    case "clock": {
      const name = ["n1", "n2", "worker", "archive"][Math.floor(random() * 4)] ?? "n1";
      const offsetMs = random() < 0.5 ? HOUR_MS : -HOUR_MS;
      const forMs = 1_500 + Math.round(random() * 2_500);
      const back = setClock(pool.lab.stack, name, offsetMs);
      await pause(forMs);
      back();
      return `clock of ${name} ${offsetMs > 0 ? "an hour ahead" : "an hour behind"} for ${forMs} ms`;
    }
    case "clock-mariadb": {
      const seconds = random() < 0.5 ? HOUR_MS / 1_000 : -HOUR_MS / 1_000;
      const forMs = 3_000 + Math.round(random() * 4_000);
      if (!pool.databaseClock) throw new Error("this pool's database has its clock from the machine");
      pool.databaseClock.set(seconds);
      await pause(forMs);
      pool.databaseClock.set(0);
      return `clock of MariaDB an hour ${seconds > 0 ? "ahead" : "behind"} for ${forMs} ms`;
    }
    case "mail":
      return mailFor(pool, Math.round(random() * 12_000));
    default:
      return kind satisfies never;
  }
}

async function fillFor(disk: SmallDisk, forMs: number): Promise<string> {
  const megabytes = disk.fill();
  // What becomes free meanwhile is taken at once.
  const until = performance.now() + forMs;
  try {
    while (performance.now() < until) {
      await pause(100);
      disk.fill();
    }
  } finally {
    disk.empty();
  }
  return `${disk.folder} full for ${forMs} ms, of ${megabytes} MB`;
}

/** Longer than Redis may be away before it is an alert. */
const ALERT_MS = 14_000;
const MAILED_LIMIT_MS = 60_000;

async function mailFor(pool: ChaosPool, awayMs: number): Promise<string> {
  const { mail } = pool;
  if (!mail) throw new Error("this pool mails nothing");
  const lettersBefore = mail.letters;
  await mail.kill();
  const back = pause(awayMs).then(() => mail.open());
  await Promise.all([killFor(pool, ["redis"], ALERT_MS), back]);
  await until("the alert is mailed", () => mail.letters > lettersBefore, MAILED_LIMIT_MS);
  return `mail server gone for ${awayMs} ms, Redis for ${ALERT_MS} ms`;
}

async function killFor(pool: ChaosPool, names: readonly string[], awayMs: number): Promise<void> {
  for (const name of names) await pool.supervisor.kill(name);
  await pause(awayMs);
  for (const name of names) await pool.supervisor.restart(name);
}

async function killWorkersFor(pool: ChaosPool, awayMs: number): Promise<void> {
  await Promise.all([pool.supervisor.kill("worker"), pool.archive.kill()]);
  await pause(awayMs);
  await Promise.all([pool.supervisor.restart("worker"), pool.archive.start()]);
}

/** Resolves when another life is home to all dialogs of the one that is struck. */
async function withTakeover(pool: ChaosPool, node: string, act: () => Promise<void>): Promise<void> {
  const dying = await pool.incarnationOf(node);
  await act();
  await until(`${dying} has a successor`, async () => (await pool.dialogsOf(dying)) === 0, RECOVERY_LIMIT_MS);
}

/** The paused node is taken over meanwhile; when it wakes up it ends itself, and nothing of it is committed. */
async function pauseNode(pool: ChaosPool, node: string): Promise<string> {
  const { stack } = pool.lab;
  const paused = await pool.incarnationOf(node);
  const pid = stack.pids()[node];
  const until20s = performance.now() + PAUSED_MS;
  await stack.kill(node, "SIGSTOP");
  await until(
    `${paused} is taken over while it is paused`,
    async () => (await pool.dialogsOf(paused)) === 0,
    PAUSED_MS,
  );
  const committed = await pool.flushesOf(paused);
  await pause(Math.max(0, until20s - performance.now()));
  await stack.kill(node, "SIGCONT");
  await until(`${node} ends itself after its pause`, () => stack.pids()[node] !== pid, RECOVERY_LIMIT_MS);
  const later = await pool.flushesOf(paused);
  if (later !== committed)
    throw new Error(`${paused} committed ${later - committed} times after it was taken over`);
  return `${node} paused for 20 s, taken over meanwhile, ended itself`;
}
