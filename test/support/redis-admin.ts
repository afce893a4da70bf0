import assert from "node:assert/strict";
import { type RedisClient, RedisConnection } from "../../src/store/redis/connection.ts";
import { until } from "./until.ts";

/** Does something to Redis behind the back of the parts under test. */
export async function redisAdmin<T>(url: string, work: (client: RedisClient) => Promise<T>): Promise<T> {
  const redis = new RedisConnection({ url });
  redis.start();
  try {
    await until("connected", () => redis.connected);
    const answer = await redis.within(work, 10_000);
    assert.ok(answer !== undefined, "Redis answered");
    return answer;
  } finally {
    redis.close();
  }
}
