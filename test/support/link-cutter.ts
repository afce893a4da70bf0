import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/**
 * Stands between a node and Kamailio, and hangs up on every call with a certain word in it, as Kamailio does on what it cannot read.
 * On Kamailio's own control address, since it takes calls from nowhere else.
 */
export async function startLinkCutter(
  control: { readonly host: string; readonly port: number },
  word: string,
) {
  let cuts = 0;
  const sockets = new Set<Socket>();
  const server = createServer((node) => {
    const kamailio = connect({ ...control, localAddress: control.host });
    for (const socket of [node, kamailio]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        node.destroy();
        kamailio.destroy();
      });
    }
    let tail = "";
    node.on("data", (data) => {
      const seen = tail + data.toString("latin1");
      tail = seen.slice(-word.length);
      if (seen.includes(word)) {
        cuts += 1;
        node.destroy();
      } else kamailio.write(data);
    });
    kamailio.on("data", (data) => node.write(data));
  });
  server.listen(0, control.host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    cuts: () => cuts,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
