import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";
import { JobConsumer } from "../../src/store/redis/job-consumer.ts";
import { ComplianceQueue } from "../../src/store/redis/job-queue.ts";
import { redisAdmin } from "../support/redis-admin.ts";
import { until } from "../support/until.ts";

const idOf = (number: number) => number.toString(16).padStart(32, "0");
const range = (count: number, from = 1) => Array.from({ length: count }, (_, index) => idOf(from + index));

describe("wake-up jobs", { timeout: 120_000 }, () => {
  let stack: Stack;
  const open: { close(): Promise<void> }[] = [];
  before(async () => {
    stack = await startStack({ parts: ["redis"] });
  });
  after(() => stack.stop());
  afterEach(async () => {
    await Promise.all(open.splice(0).map((part) => part.close()));
  });

  async function producer(): Promise<ComplianceQueue> {
    const queue = new ComplianceQueue({ url: stack.redisUrl });
    open.push(queue);
    queue.start();
    await until("the queue takes jobs", async () => {
      const before = queue.dropped;
      queue.announce([idOf(0)]);
      await until("answered", () => queue.pending === 0);
      return queue.dropped === before;
    });
    return queue;
  }

  function consumer(handler?: (ids: readonly string[]) => Promise<void>) {
    const jobs: (readonly string[])[] = [];
    const take = async (ids: readonly string[]) => {
      await handler?.(ids);
      jobs.push(ids);
    };
    const part = new JobConsumer({ url: stack.redisUrl }, take);
    open.push(part);
    part.start();
    const seen = () => new Set(jobs.flat());
    return { part, jobs, seen };
  }

  test("every id announced reaches the handler, at most 256 a job, and nothing stays in Redis", async () => {
    const queue = await producer();
    const { jobs, seen } = consumer();
    const dropped = queue.dropped;
    queue.announce(range(600));
    queue.announce([]);
    await until("all seen", () => range(600).every((id) => seen().has(id)));
    assert.ok(jobs.every((ids) => ids.length <= 256));
    assert.equal(queue.dropped, dropped);
    const left = await leftovers(stack);
    await until("no job is kept", async () => (await leftovers(stack)).length === 0);
    assert.ok(left.length <= 16);
  });

  test("a job whose handler fails is gone and does not come again", async () => {
    const queue = await producer();
    let calls = 0;
    const { part } = consumer(async (ids) => {
      if (ids.includes(idOf(7_000))) {
        calls++;
        throw new Error("no database");
      }
    });
    queue.announce([idOf(7_000)]);
    await until("failed", () => part.failed === 1);
    await until("no job is kept", async () => (await leftovers(stack)).length === 0);
    assert.equal(calls, 1);
  });

  test("Redis away: announcing drops at once and is counted; back again: jobs flow to the same consumer", async () => {
    const queue = await producer();
    const { seen } = consumer();
    queue.announce(range(10, 100));
    await until("first", () => seen().has(idOf(109)));
    await stack.kill("redis", "SIGKILL");
    const from = performance.now();
    const dropped = queue.dropped;
    for (let turn = 0; turn < 2_000; turn++) queue.announce(range(300, 10_000));
    assert.ok(performance.now() - from < 12_000, "nobody waits");
    await until("all given up", () => queue.pending === 0 && queue.dropped === dropped + 600_000);
    await stack.restart("redis");
    await until("flows again", async () => {
      queue.announce([idOf(200)]);
      await until("answered", () => queue.pending === 0);
      return seen().has(idOf(200));
    });
  });

  test("no more than a thousand jobs wait for an answer", async () => {
    const queue = await producer();
    const pid = stack.pids().redis ?? 0;
    const dropped = queue.dropped;
    process.kill(pid, "SIGSTOP");
    try {
      for (let turn = 0; turn < 1_500; turn++) queue.announce([idOf(turn)]);
      assert.equal(queue.pending, 1_000);
      assert.equal(queue.dropped, dropped + 500);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await until("answered", () => queue.pending === 0);
  });

  test("started before Redis is there, both ends find it when it comes", async () => {
    await stack.kill("redis", "SIGKILL");
    const queue = new ComplianceQueue({ url: stack.redisUrl });
    open.push(queue);
    queue.start();
    const { seen } = consumer();
    queue.announce([idOf(1)]);
    assert.equal(queue.dropped, 1);
    await stack.restart("redis");
    await until("flows", async () => {
      queue.announce([idOf(300)]);
      await until("answered", () => queue.pending === 0);
      return seen().has(idOf(300));
    });
  });

  test("FLUSHALL under a waiting consumer loses what it held and nothing after", async () => {
    const queue = await producer();
    const { seen } = consumer();
    queue.announce([idOf(400)]);
    await until("first", () => seen().has(idOf(400)));
    await redisAdmin(stack.redisUrl, (client) => client.flushAll());
    queue.announce([idOf(401)]);
    await until("next", () => seen().has(idOf(401)));
  });

  test("closing with Redis away ends within seconds", async () => {
    const queue = await producer();
    const { part, seen } = consumer();
    queue.announce([idOf(500)]);
    await until("flows", () => seen().has(idOf(500)));
    await stack.kill("redis", "SIGKILL");
    const from = performance.now();
    await Promise.all([queue.close(), part.close()]);
    assert.ok(performance.now() - from < 15_000, "closed");
    await stack.restart("redis");
  });
});

/** Keys of jobs: ours have names that BullMQ numbers. */
async function leftovers(stack: Stack): Promise<string[]> {
  const keys = await redisAdmin(stack.redisUrl, (client) => client.keys("parlance:{jobs}:*"));
  return keys.filter((key) => /:\d+(:lock)?$/.test(key));
}
