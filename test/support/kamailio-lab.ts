import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { edgeCommandLine } from "../../kamailio/edge-command-line.ts";
import { writeEdgeDirectory } from "../../kamailio/edge-directory.ts";
import type { EdgeNode } from "../../kamailio/edge-settings.ts";
import { eventually, freePort } from "./lab-ports.ts";
import type { LabProcess } from "./lab-process.ts";
import { startProcess } from "./lab-process.ts";

const SOURCE_DIR = fileURLToPath(new URL("../../kamailio", import.meta.url));
const run = promisify(execFile);

export interface LabEdge {
  readonly host: string;
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly tlsPort: number;
  readonly control: { readonly host: string; readonly port: number };
  readonly key: string;
  /** `kamcmd` with these arguments. */
  rpc(...command: string[]): Promise<string>;
  /** A counter of the table parlance_count; 0 when it has not been counted yet. */
  counter(name: string): Promise<number>;
  log(): Promise<string>;
  kill(): Promise<void>;
  /** Starts it again on the same ports. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface LabEdgeOptions {
  readonly dir: string;
  readonly nodes: readonly EdgeNode[];
  readonly databaseUrl: string;
  readonly domains?: readonly string[];
  readonly peers?: readonly string[];
  /** Further addresses on which it listens by UDP, on the port of the first. */
  readonly moreUdp?: readonly string[];
  /** Settings of parlance.cfg, as on the command line: `NAME=VALUE`. */
  readonly defines?: readonly string[];
}

export function waitForTcp(host: string, port: number, timeoutMs = 30_000): Promise<true> {
  return eventually(
    `${host}:${port} accepts`,
    () =>
      new Promise<true | undefined>((resolve) => {
        const socket = connect({ host, port });
        socket.once("connect", () => {
          socket.destroy();
          resolve(true);
        });
        socket.once("error", () => resolve(undefined));
      }),
    timeoutMs,
  );
}

/** The stack's own Kamailio (kamailio.cfg) with UDP, TCP and TLS on free loopback ports. */
export async function startEdge(options: LabEdgeOptions): Promise<LabEdge> {
  const { dir } = options;
  const host = "127.0.0.1";
  const [tcpPort, tlsPort, controlPort] = [await freePort(), await freePort(), await freePort("127.0.0.2")];
  const key = randomBytes(32).toString("hex");
  const tls = { keyFile: join(dir, "tls.key"), certificateFile: join(dir, "tls.crt") };
  await run("openssl", [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=example.com",
    "-keyout",
    tls.keyFile,
    "-out",
    tls.certificateFile,
  ]);
  const rpcSocketFile = join(dir, "rpc.sock");
  const files = await writeEdgeDirectory(join(dir, "edge"), SOURCE_DIR, {
    edge: "edge1",
    key,
    domains: options.domains ?? ["example.com"],
    sip: { host, tcpPort, udpPort: tcpPort, tlsPort },
    control: { host: "127.0.0.2", port: controlPort },
    nodes: options.nodes,
    databaseUrl: options.databaseUrl,
    tls,
    rpcSocketFile,
    ...(options.peers && { peers: options.peers }),
  });
  const argv = edgeCommandLine({
    configFile: files.configFile,
    runDir: dir,
    sharedMemoryMb: 256,
    privateMemoryMb: 16,
  });
  for (const address of options.moreUdp ?? []) argv.push("-l", `udp:${address}:${tcpPort}`);
  for (const define of options.defines ?? []) argv.push("-A", define);
  let server: LabProcess | undefined;
  const edge: LabEdge = {
    host,
    tcpPort,
    udpPort: tcpPort,
    tlsPort,
    key,
    control: { host: "127.0.0.2", port: controlPort },
    async rpc(...command) {
      return (await run("kamcmd", ["-s", `unix:${rpcSocketFile}`, ...command])).stdout;
    },
    async counter(name) {
      const text = await edge.rpc("htable.get", "parlance_count", name).catch(() => "");
      return Number(/value: ([0-9]+)/.exec(text)?.[1] ?? 0);
    },
    log: async () => (await server?.log()) ?? "",
    kill: async () => server?.stop("SIGKILL"),
    async start() {
      server = startProcess("kamailio", argv, join(dir, "kamailio.log"));
      const started = server;
      await eventually(
        "Kamailio is up",
        async () => {
          if (started.exitCode() !== undefined) throw new Error(`Kamailio ended: ${await started.log()}`);
          return waitForTcp("127.0.0.2", controlPort, 200).catch(() => undefined);
        },
        15_000,
      );
    },
    stop: async () => server?.stop(),
  };
  await edge.start();
  return edge;
}
