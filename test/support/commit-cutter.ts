import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Forwards to the database. A COMMIT for which it was told to cuts the connection: before it arrives, or before its answer does. */
export async function startCutter(target: URL, afterwards: boolean) {
  let armed = false;
  let cuts = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
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
    cutNextCommit: () => {
      armed = true;
    },
    cuts: () => cuts,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
