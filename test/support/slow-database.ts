import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Stands between a node and the database; every answer takes as much longer as it is told. */
export interface SlowDatabase {
  readonly port: number;
  /** Milliseconds added to each answer from now on. */
  slowDown(ms: number): void;
  stop(): Promise<void>;
}

export async function startSlowDatabase(target: URL): Promise<SlowDatabase> {
  let delayMs = 0;
  const sockets = new Set<Socket>();
  const server = createServer((node) => {
    const database = connect(Number(target.port), target.hostname);
    for (const socket of [node, database]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        node.destroy();
        database.destroy();
      });
    }
    node.on("data", (data) => database.write(data));
    // One timer each, all of one length or growing shorter: never out of order, since a shorter one only begins when told so.
    let lastMs = 0;
    database.on("data", (data) => {
      lastMs = Math.max(lastMs, performance.now() + delayMs);
      setTimeout(() => node.write(data), lastMs - performance.now());
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    slowDown: (ms) => {
      delayMs = ms;
    },
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
