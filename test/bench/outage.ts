/**
 * How long a worker takes for what was recorded while nobody moved it on: the events of an hour at 1,000 a second lie in the outbox,
 * none of them announced, when the real worker starts. Run: node --import tsx test/bench/outage.ts [events]
 * Prints a line every ten seconds, and one of JSON at the end.
 */
import { setTimeout as pause } from "node:timers/promises";
import { startStack } from "../../plugin/stack/stack.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { fillOutbox } from "./archive-load.ts";
import { cpuBetween, cpuMicroseconds } from "./cpu.ts";

const HOUR = 3_600_000;
const LOOK_MS = 250;
const SAY_MS = 10_000;

const events = Number(process.argv[2] ?? HOUR);
const stack = await startStack({
  parts: ["mariadb", "redis", "worker"],
  mariadbOptions: { "innodb-buffer-pool-size": "1G", "innodb-log-file-size": "1G", "local-infile": "1" },
  fromSources: false,
});
const database = new Database({ url: stack.mysqlUrl, connections: 2 });

async function number(sql: string): Promise<number> {
  const [row] = await database.rows<{ n: number | null }>(sql);
  return Number(row?.n ?? 0);
}
const isMoved = async () => (await number("SELECT EXISTS (SELECT 1 FROM compliance_outbox) AS n")) === 0;
/** Streams are sealed without gaps: the last numbers of the rooms are their events. */
const sealed = () => number("SELECT SUM(last_seq) AS n FROM archive_stream WHERE name LIKE 'room:%'");

try {
  await stack.kill("worker", "SIGKILL");
  console.log(`${events.toLocaleString("en-US")} events go into the outbox`);
  await fillOutbox({ stack }, events);
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 100) / 10;
  const pids = () => ({ mariadb: stack.pids().mariadb ?? 0, worker: stack.pids().worker ?? 0 });
  await stack.restart("worker");
  const before = cpuMicroseconds(pids());
  let movedAfter: number | undefined;
  for (let saidMs = began; ; ) {
    await pause(LOOK_MS);
    if (movedAfter === undefined && (await isMoved())) movedAfter = seconds();
    const done = await sealed();
    if (movedAfter !== undefined && done >= events) break;
    if (performance.now() - saidMs < SAY_MS) continue;
    saidMs = performance.now();
    console.log(
      `${seconds()} s: ${done.toLocaleString("en-US")} sealed${movedAfter === undefined ? "" : ", all moved"}`,
    );
  }
  const took = seconds();
  const used = cpuBetween(before, cpuMicroseconds(pids()));
  const leaves = await number("SELECT MAX(seq) + 1 AS n FROM archive_leaf");
  if (leaves < events) throw new Error(`${leaves} leaves for ${events} events`);
  const each = (name: string) => Math.round(((used[name] ?? 0) / events) * 10) / 10;
  console.log(
    JSON.stringify({
      events,
      movedAfterS: movedAfter,
      sealedAfterS: took,
      eventsPerSecond: Math.round(events / took),
      workerMicros: each("worker"),
      mariadbMicros: each("mariadb"),
    }),
  );
} finally {
  await database.close();
  await stack.stop();
}
