import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/**
 * Forwards to the database. A COMMIT for which it was told to cuts the connection: before it arrives, or before its answer does. Then
 * nobody gets through for as long as it was told.
 */
export async function startCutter(target: URL, afterwards: boolean) {
  let armed = false;
  let cuts = 0;
  let closedMs = 0;
  let closedUntilMs = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    if (performance.now() < closedUntilMs) return client.destroy();
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
    let cutting = false;
    client.on("data", (data) => {
      if (armed && data.includes("COMMIT")) {
        armed = false;
        cuts += 1;
        cutting = true;
        closedUntilMs = performance.now() + closedMs;
        if (!afterwards) return client.destroy();
      }
      upstream.write(data);
    });
    upstream.on("data", (data) => (cutting ? client.destroy() : client.write(data)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    cutNextCommit: (thenClosedMs = 0) => {
      armed = true;
      closedMs = thenClosedMs;
    },
    cuts: () => cuts,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
