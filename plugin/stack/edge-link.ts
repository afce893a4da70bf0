import { readFileSync } from "node:fs";
import { get } from "node:http";

/** Socket states in /proc/net/tcp (proc(5), include/net/tcp_states.h). */
const established = "01";
const listening = "0A";

/**
 * True when Kamailio has opened its connections to every node that listens now: one for the pool, and one under each node's
 * name because every node stands by for the others. Its own answer to a request would come before they are there.
 */
export function isLinked(linkPorts: readonly number[]): boolean {
  const sockets = readSockets();
  const listeners = linkPorts.filter((port) =>
    sockets.some((socket) => socket.port === port && socket.state === listening),
  );
  return listeners.every((port) => {
    const open = sockets.filter((socket) => socket.port === port && socket.state === established);
    return open.length >= 1 + linkPorts.length;
  });
}

/** True when every node that runs says that requests reach it: after its start Kamailio's first connections are ended by the nodes. */
export async function isReached(httpPorts: readonly number[]): Promise<boolean> {
  const states = await Promise.all(httpPorts.map((port) => metricsOf(port).catch(() => "")));
  return states.every((text) => text === "" || /^parlance_edge_reached\{.*\} 1$/m.test(text));
}

function metricsOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path: "/metrics", timeout: 2_000, agent: false };
    const request = get(options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
      response.on("error", reject);
    });
    request.on("timeout", () => request.destroy(new Error("no answer")));
    request.on("error", reject);
  });
}

/** Local port and state of every IPv4 TCP socket of this host. */
function readSockets(): { port: number; state: string }[] {
  const lines = readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1);
  return lines.flatMap((line) => {
    const [, local = "", , state = ""] = line.trim().split(/\s+/);
    const port = Number.parseInt(local.split(":")[1] ?? "", 16);
    return Number.isNaN(port) ? [] : [{ port, state }];
  });
}
