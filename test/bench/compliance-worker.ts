/**
 * How fast and at what price the compliance worker moves and archives. Run: node --import tsx test/bench/compliance-worker.ts [events]
 * Prints one JSON line a phase: events per second, microseconds of CPU per event of this process and of the servers.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStack } from "../../plugin/stack/stack.ts";
import { Mover } from "../../src/compliance/mover.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { migrate } from "../../src/store/mysql/migrate.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { JobConsumer } from "../../src/store/redis/job-consumer.ts";
import { ComplianceQueue } from "../../src/store/redis/job-queue.ts";
import { eventMaker, insertOutbox } from "../support/compliance-events.ts";
import { countRows, lyncAdapter, makeWorker, recordingWatch } from "../support/compliance-lab.ts";
import { until } from "../support/until.ts";

const total = Number(process.argv[2] ?? 40_000);
const text = "Text of ordinary length, as people write in rooms all day. ".repeat(3);
/** Events a flush of the chat commits together under load. */
const perFlush = 40;

const stack = await startStack({
  parts: ["mariadb", "redis"],
  mariadbOptions: { "innodb-buffer-pool-size": "256M" },
});
const root = mkdtempSync(join(tmpdir(), "parlance-bench-"));
await migrate(stack.mysqlUrl);
const database = new Database({ url: stack.mysqlUrl });

/** CPU of a process so far, in microseconds (proc(5): clock ticks of 10 ms). */
function cpuOf(name: string): number {
  const stat = readFileSync(`/proc/${stack.pids()[name]}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

async function fill(): Promise<string[]> {
  const make = eventMaker(`b${Math.random()}`);
  const ids: string[] = [];
  for (let done = 0; done < total; done += 2_000) {
    const events = Array.from({ length: 2_000 }, (_, index) =>
      make({
        roomId: 1 + (index % 50),
        fact: { kind: "CHAT", number: done + index + 1, alert: false, text, rtf: null },
      }),
    );
    await insertOutbox(database, events);
    for (const { eventId } of events) ids.push(eventId);
  }
  return ids;
}

async function measure(phase: string, events: number, work: () => Promise<unknown>): Promise<void> {
  const [own, mariadb, redis, from] = [
    process.cpuUsage(),
    cpuOf("mariadb"),
    cpuOf("redis"),
    performance.now(),
  ];
  await work();
  const seconds = (performance.now() - from) / 1_000;
  const { user, system } = process.cpuUsage(own);
  const each = (micros: number) => Math.round((micros / events) * 10) / 10;
  console.log(
    JSON.stringify({
      phase,
      events,
      perSecond: Math.round(events / seconds),
      workerMicros: each(user + system),
      mariadbMicros: each(cpuOf("mariadb") - mariadb),
      redisMicros: each(cpuOf("redis") - redis),
    }),
  );
}

const { watch, seen } = recordingWatch();
const mover = new Mover(new MysqlOutboxStore(database, false), watch);
const ids = await fill();
await measure("mover, ids at hand", total, async () => {
  for (let start = 0; start < total; start += 10_000) {
    const chunk = ids.slice(start, start + 10_000);
    const flushes: Promise<void>[] = [];
    for (let at = 0; at < chunk.length; at += perFlush)
      flushes.push(mover.announce(chunk.slice(at, at + perFlush)));
    await Promise.all(flushes);
  }
});

const { worker } = makeWorker(database, lyncAdapter(root), {
  archiver: { leaseMs: 60_000 },
  sweeper: { minAgeMs: -1_000_000, intervalMs: 5_000 },
});
await measure("archiver, lync-xml", total, () => worker.archiveNow());

await fill();
await measure("sweeper alone", total, () => worker.sweepNow());
await database.change("DELETE FROM compliance_handover");

const queue = new ComplianceQueue({ url: stack.redisUrl });
const consumer = new JobConsumer({ url: stack.redisUrl }, (found) => mover.announce(found));
queue.start();
consumer.start();
const more = await fill();
const before = seen.moved;
await measure(`through BullMQ, producer included, ${perFlush} ids a job`, total, async () => {
  for (let start = 0; start < total; start += perFlush) {
    queue.announce(more.slice(start, start + perFlush));
    if (queue.pending > 500) await until("queue takes more", () => queue.pending < 100);
  }
  await until("moved", () => seen.moved - before + queue.dropped >= total, 60_000);
});
await database.change("DELETE FROM compliance_handover");
const paced = 20_000;
const slow = (await fill()).slice(0, paced);
const moves = seen.moved;
await measure(`paced at 4000 a second, ${perFlush} ids a job`, paced, async () => {
  const from = performance.now();
  for (let start = 0; start < paced; start += perFlush) {
    queue.announce(slow.slice(start, start + perFlush));
    await until("its time", () => performance.now() - from >= (start / 4_000) * 1_000, 60_000);
  }
  await until("moved", () => seen.moved - moves >= paced, 60_000);
});

console.log(
  JSON.stringify({ dropped: queue.dropped, leftInOutbox: await countRows(database, "compliance_outbox") }),
);

await consumer.close();
await queue.close();
await worker.stop();
await database.close();
await stack.stop();
rmSync(root, { recursive: true, force: true });
