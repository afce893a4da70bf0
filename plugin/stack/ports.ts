import { createSocket } from "node:dgram";
import { createServer, type Server } from "node:net";
import { errorCode, OperatorError } from "./operator-error.ts";

/** Below the range Linux hands to outgoing connections (32768–60999), so that none of those takes a chosen port. */
const firstPort = 20_000;
const lastPort = 32_000;
const maxAttempts = 400;

/** Ports promised in this process, each with the socket that says so to the others. */
const claims = new Map<number, Server>();

/** Tries to bind the TCP port on the address, and with `udp` the UDP port too; empty when that works, else the error code. */
export async function probePort(port: number, host = "127.0.0.1", udp = false): Promise<string> {
  const tcp = await listen(port, host);
  return tcp === "" && udp ? bindDatagram(port, host) : tcp;
}

/**
 * A free loopback port, `width` consecutive ones when several belong together (SIP and SIP over TLS).
 * Preferred ports are tried first and in order; the first of the run is returned. Until this process ends no other that chooses
 * here gets one of the run, though nothing listens yet; the process itself gets it again only as a preferred one.
 * @throws OperatorError when no run of free ports was found.
 */
export async function findFreePort(
  options: {
    host?: string;
    width?: number;
    udp?: boolean;
    prefer?: readonly number[];
    avoid?: ReadonlySet<number>;
  } = {},
): Promise<number> {
  const { host = "127.0.0.1", width = 1, udp = false, prefer = [], avoid = new Set<number>() } = options;
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const port = prefer[attempt] ?? firstPort + Math.floor(Math.random() * (lastPort - firstPort - width));
    const run = Array.from({ length: width }, (_, offset) => port + offset);
    if (run.some((candidate) => avoid.has(candidate) || candidate > 65_535)) continue;
    const isPreferred = attempt < prefer.length;
    if (!isPreferred && run.some((candidate) => claims.has(candidate))) continue;
    if (!(await claimAll(run))) continue;
    const free = await Promise.all(run.map((candidate) => probePort(candidate, host, udp)));
    if (free.every((code) => code === "")) return port;
  }
  throw new OperatorError(
    `No free port between ${firstPort} and ${lastPort} on ${host}: end programs that listen there.`,
  );
}

/** Whether all of them are this process's now. One that is not keeps the others from being chosen here again, which costs nothing. */
async function claimAll(ports: readonly number[]): Promise<boolean> {
  const claimed = await Promise.all(ports.map(claim));
  return claimed.every(Boolean);
}

/** A name in the abstract namespace of Unix sockets has one holder and ends with it; like the ports it belongs to the network namespace. */
function claim(port: number): Promise<boolean> {
  if (claims.has(port)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", () => resolve(false));
    server.listen(`\0parlance-port-${port}`, () => {
      claims.set(port, server.unref());
      resolve(true);
    });
  });
}

function listen(port: number, host: string): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(errorCode(error) || "unknown"));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve("")));
  });
}

function bindDatagram(port: number, host: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", (error) => socket.close(() => resolve(errorCode(error) || "unknown")));
    socket.bind({ port, address: host, exclusive: true }, () => socket.close(() => resolve("")));
  });
}
