import { setTimeout as pause } from "node:timers/promises";
import { createConnection } from "mysql2/promise";
import { cpuBetween, cpuMicroseconds } from "./cpu.ts";
import { TEXT_LENGTH } from "./load.ts";
import { type Round, roundOf } from "./round.ts";
import type { World } from "./world.ts";

/** What the database does without us: connections that each insert one row after the other, autocommit on. */
export interface Inserters {
  /** @throws Error when a row that was confirmed is not there */
  run(ms: number): Promise<Round>;
  close(): Promise<void>;
}

/** A table like `message`, and `count` connections, each with a room of its own. */
export async function openInserters(world: World, count: number): Promise<Inserters> {
  await world.sql("CREATE TABLE bench_insert LIKE message");
  const connections = await Promise.all(
    Array.from({ length: count }, () =>
      createConnection({ uri: world.stack.mysqlUrl, connectTimeout: 10_000 }),
    ),
  );
  const text = "x".repeat(TEXT_LENGTH);
  const statement =
    "INSERT INTO bench_insert (room_id, number, author_id, at_ms, alert, text, rtf) VALUES (?, ?, ?, ?, ?, ?, NULL)";
  const numbers = new Array<number>(count).fill(0);
  let rows = 0;
  return {
    async run(ms) {
      const pids = world.pids();
      const before = { cpu: cpuMicroseconds(pids), at: performance.now(), rows };
      const until = before.at + ms;
      const inserting = Promise.all(
        connections.map(async (connection, index) => {
          while (performance.now() < until) {
            const number = (numbers[index] ?? 0) + 1;
            numbers[index] = number;
            await connection.query(statement, [index + 1, number, index + 1, Date.now(), 0, text]);
            rows += 1;
          }
        }),
      );
      await Promise.race([inserting, pause(ms)]);
      await pause(Math.max(0, until - performance.now()));
      const round = roundOf(
        rows - before.rows,
        performance.now() - before.at,
        cpuBetween(before.cpu, cpuMicroseconds(pids)),
      );
      await inserting;
      const [stored] = await world.sql<{ n: number }>("SELECT COUNT(*) AS n FROM bench_insert");
      if (Number(stored?.n) !== rows) throw new Error(`${rows} rows confirmed, ${stored?.n} stored`);
      return round;
    },
    async close() {
      for (const connection of connections) connection.destroy();
    },
  };
}
