import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OperatorError } from "./operator-error.ts";
import { findFreePort, probePort } from "./ports.ts";

export interface StackPorts {
  readonly mysql: number;
  readonly redis: number;
  /** SIP over TCP and UDP; TLS is the next one. */
  readonly sip: number;
  readonly tls: number;
  /** Control listener of Kamailio, on its own loopback address. */
  readonly control: number;
  /** Link listener and web server of node n1, n2, … in this order. */
  readonly link: readonly number[];
  readonly http: readonly number[];
  /** Health and metrics of the worker. */
  readonly worker: number;
}

export interface PortWishes {
  readonly nodes: number;
  readonly controlAddress: string;
  /** A port somebody asked for: taken is an error then. */
  readonly sip?: number | undefined;
  readonly http?: number | undefined;
  /** Well-known ports first (5060, 8080), for a stack that people use. */
  readonly wellKnown: boolean;
}

const fileName = "ports.json";

/**
 * Chooses the ports of a stack: those of its last start as long as they are free, so that clients find it again;
 * free ones otherwise. Remembers the choice in the state folder.
 * @throws OperatorError when a port that was asked for is taken.
 */
export async function choosePorts(stateDir: string, wishes: PortWishes): Promise<StackPorts> {
  const last = readLast(stateDir);
  const chosen = new Set<number>();
  const pick = async (
    prefer: readonly unknown[],
    extra: { width?: number; udp?: boolean; host?: string } = {},
  ) => {
    const candidates = prefer.filter((port): port is number => Number.isInteger(port) && Number(port) > 0);
    const port = await findFreePort({ ...extra, prefer: candidates, avoid: chosen });
    for (let offset = 0; offset < (extra.width ?? 1); offset++) chosen.add(port + offset);
    return port;
  };
  const asked = async (port: number, flag: string, width: number, udp: boolean) => {
    for (let offset = 0; offset < width; offset++) {
      const problem = await probePort(port + offset, "127.0.0.1", udp);
      if (problem !== "") throw new OperatorError(refusal(port + offset, problem, flag));
      chosen.add(port + offset);
    }
    return port;
  };
  // What was asked for comes first, so that no free choice takes it.
  const askedSip = wishes.sip && (await asked(wishes.sip, "--sip-port", 2, true));
  const askedHttp = wishes.http && (await asked(wishes.http, "--http-port", 1, false));
  const sip =
    askedSip || (await pick([last.sip, ...(wishes.wellKnown ? [5060] : [])], { width: 2, udp: true }));
  const web = askedHttp || (await pick([last.http?.[0], ...(wishes.wellKnown ? [8080] : [])]));
  const http = [web];
  const link: number[] = [];
  for (let node = 0; node < wishes.nodes; node++) {
    if (node > 0) http.push(await pick([last.http?.[node]]));
    link.push(await pick([last.link?.[node]]));
  }
  const ports: StackPorts = {
    mysql: await pick([last.mysql]),
    redis: await pick([last.redis]),
    sip,
    tls: sip + 1,
    control: await pick([last.control], { host: wishes.controlAddress }),
    link,
    http,
    worker: await pick([last.worker]),
  };
  writeFileSync(join(stateDir, fileName), `${JSON.stringify(ports)}\n`, { mode: 0o600 });
  return ports;
}

/** The ports of the last start; a missing or damaged file only means that there was none. */
function readLast(stateDir: string): Partial<StackPorts> {
  try {
    const value: unknown = JSON.parse(readFileSync(join(stateDir, fileName), "utf8"));
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function refusal(port: number, problem: string, flag: string): string {
  if (problem === "EACCES") return `Port ${port} is for root only: choose one above 1023 with ${flag} N.`;
  if (problem !== "EADDRINUSE")
    return `Port ${port} cannot be used (${problem}): choose another with ${flag} N.`;
  return `Port ${port} is taken: end the program that uses it, or choose another with ${flag} N.`;
}
