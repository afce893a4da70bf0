import { setTimeout as pause } from "node:timers/promises";
import type { SealedBatch } from "../../src/compliance/archive-ports.ts";
import type { Lease } from "../../src/compliance/ports.ts";
import { MysqlArchiveStore } from "../../src/store/mysql/archive-store.ts";
import { MysqlOutboxStore } from "../../src/store/mysql/outbox-store.ts";
import { JobConsumer } from "../../src/store/redis/job-consumer.ts";
import { ComplianceQueue } from "../../src/store/redis/job-queue.ts";
import { makeSealer, newSigner } from "../support/archive-lab.ts";
import { eventMaker, insertOutbox } from "../support/compliance-events.ts";
import { makeWorker } from "../support/compliance-lab.ts";
import { type ArchiveWorld, fillIntake, openArchiveWorld, TEXT } from "./archive-load.ts";
import { cpuBetween, cpuMicroseconds } from "./cpu.ts";
import type { Part, PartContext, PartResult } from "./part.ts";
import { percentile, round } from "./statistics.ts";

const BACKLOG = 200_000;
/** An hour of Redis away at 1,000 events/s. */
const HOUR = 3_600_000;
const PER_SECOND = 1_000;
const PER_FLUSH = 20;
const SECONDS = 30;
const BAR_MS = 5_000;

export const seal: Part = {
  name: "seal",
  about:
    "5 s / p99 of the time from an event's commit to its seal, at 1,000 events/s by way of BullMQ, mover and sealer",
  bar: 1,
  run,
};

/** Notes when each event was sealed. */
class TimedStore extends MysqlArchiveStore {
  readonly sealedAt = new Map<string, number>();

  override async seal(lease: Lease, batch: SealedBatch, leaseMs: number): Promise<void> {
    await super.seal(lease, batch, leaseMs);
    const now = performance.now();
    for (const { eventId } of batch.leaves) this.sealedAt.set(eventId, now);
  }
}

async function run(context: PartContext): Promise<PartResult> {
  const world = await openArchiveWorld();
  try {
    const signer = newSigner();
    const pids = () => ({ ...world.stack.pids(), sealer: process.pid });
    context.say(`a backlog of ${BACKLOG.toLocaleString("en-US")} events`);
    await fillIntake(world, BACKLOG);
    const backlog = makeSealer(world.database, signer);
    const before = cpuMicroseconds(pids());
    const from = performance.now();
    const { sealed } = await backlog.sealer.sealNow();
    const seconds = (performance.now() - from) / 1_000;
    const used = cpuBetween(before, cpuMicroseconds(pids()));
    await backlog.sealer.stop();
    if (sealed !== BACKLOG)
      throw new Error(`${sealed} of ${BACKLOG} were sealed: ${backlog.seen.troubles.join("; ")}`);
    context.say(`${PER_SECOND} events/s for ${SECONDS} s`);
    const lags = await steady(world, signer);
    const p99 = percentile(lags, 0.99);
    return {
      ratio: BAR_MS / p99,
      figures: {
        "backlog: events/s": round(BACKLOG / seconds),
        "backlog of an hour's outage at 1,000 events/s, s": round((HOUR / BACKLOG) * seconds),
        "backlog, CPU µs of the sealer per event": round((used.sealer ?? 0) / BACKLOG, 1),
        "backlog, CPU µs of mariadb per event": round((used.mariadb ?? 0) / BACKLOG, 1),
        "commit to seal: p50, ms": round(percentile(lags, 0.5)),
        "commit to seal: p99, ms": round(p99),
        "commit to seal: most, ms": round(Math.max(...lags)),
        "events measured": lags.length,
      },
    };
  } finally {
    await world.close();
  }
}

/** As flushes of the chat come: committed together, then announced. @returns milliseconds from commit to seal */
async function steady(
  { stack, database }: ArchiveWorld,
  signer: ReturnType<typeof newSigner>,
): Promise<number[]> {
  const queue = new ComplianceQueue({ url: stack.redisUrl });
  const store = new TimedStore(database);
  const { sealer } = makeSealer(database, signer, { store });
  const { worker } = makeWorker(database, undefined, {
    outbox: new MysqlOutboxStore(database, true),
    jobs: (handler) => new JobConsumer({ url: stack.redisUrl }, handler),
    sweeper: {},
  });
  queue.start();
  worker.start();
  sealer.start();
  const make = eventMaker("steady-");
  const committedAt = new Map<string, number>();
  const began = performance.now();
  const flushes: Promise<void>[] = [];
  for (let sent = 0; sent < PER_SECOND * SECONDS; sent += PER_FLUSH) {
    const due = began + (sent / PER_SECOND) * 1_000;
    if (due > performance.now()) await pause(due - performance.now());
    const events = Array.from({ length: PER_FLUSH }, (_, index) =>
      make({
        roomId: 1 + ((sent + index) % 200),
        fact: { kind: "CHAT", number: sent + index, alert: false, text: TEXT, rtf: null },
      }),
    );
    flushes.push(
      insertOutbox(database, events).then(() => {
        const now = performance.now();
        for (const { eventId } of events) committedAt.set(eventId, now);
        queue.announce(events.map(({ eventId }) => eventId));
      }),
    );
  }
  await Promise.all(flushes);
  const deadline = performance.now() + 60_000;
  while (store.sealedAt.size < committedAt.size && performance.now() < deadline) await pause(50);
  await worker.stop();
  await sealer.stop();
  await queue.close();
  const lags = [...committedAt].map(([eventId, at]) => (store.sealedAt.get(eventId) ?? Number.NaN) - at);
  if (lags.some(Number.isNaN)) throw new Error("not every event was sealed within a minute");
  return lags;
}
