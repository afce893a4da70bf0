import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { edgeCommandLine } from "../../kamailio/edge-command-line.ts";
import { writeEdgeDirectory } from "../../kamailio/edge-directory.ts";
import { EdgeSettingError } from "../../kamailio/edge-settings.ts";
import { isLinked, isReached } from "./edge-link.ts";
import { OperatorError } from "./operator-error.ts";
import { locate, type ProcessPlan } from "./process.ts";
import type { StackPorts } from "./remembered-ports.ts";
import type { StateFolder } from "./state.ts";

export interface StackEdgeSettings extends StateFolder {
  readonly domain: string;
  readonly ports: StackPorts;
  readonly controlAddress: string;
  readonly edgeMysqlUrl: string;
  readonly peers: readonly string[];
  readonly parentDeathSignal: "KILL" | "TERM" | undefined;
}

const host = "127.0.0.1";
/** The .cfg and .lua files lie beside the modules, in the sources and in the build. */
const sourceDir = join(import.meta.dirname, "..", "..", "kamailio");

/**
 * Writes Kamailio's configuration and certificate and returns how to start it.
 * @throws OperatorError when the certificate cannot be made or a path cannot stand in the configuration
 */
export async function prepareEdge(settings: StackEdgeSettings): Promise<ProcessPlan> {
  const { stateDir, socketDir, ports, controlAddress, parentDeathSignal } = settings;
  const directory = join(stateDir, "kamailio");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const tls = await ensureCertificate(join(stateDir, "secret"), settings.domain);
  const { configFile } = await writeEdgeDirectory(directory, sourceDir, {
    edge: "edge1",
    key: settings.secrets.linkKey,
    domains: [settings.domain],
    sip: { host, tcpPort: ports.sip, udpPort: ports.sip, tlsPort: ports.tls },
    control: { host: controlAddress, port: ports.control },
    nodes: ports.link.map((port, index) => ({ name: `n${index + 1}`, host, port })),
    databaseUrl: settings.edgeMysqlUrl,
    tls,
    rpcSocketFile: join(socketDir, "kamailio_rpc.sock"),
    peers: settings.peers,
  }).catch((error: unknown) => {
    if (!(error instanceof EdgeSettingError)) throw error;
    throw new OperatorError(
      `Kamailio cannot be configured (${error.message}): choose another --state or --domain.`,
      {
        cause: error,
      },
    );
  });
  return {
    name: "kamailio",
    command: locate("kamailio", "kamailio"),
    args: edgeCommandLine({ configFile, runDir: socketDir }),
    logFile: join(stateDir, "log", "kamailio.log"),
    runDir: join(stateDir, "run"),
    answers: async () =>
      (await answersOptions(ports.sip)) && isLinked(ports.link) && (await isReached(ports.http)),
    readyTimeoutMs: 30_000,
    stopTimeoutMs: 10_000,
    // Only SIGTERM reaches Kamailio's children through their parent.
    parentDeathSignal: parentDeathSignal === undefined ? undefined : "TERM",
  };
}

/** A self-signed certificate for the domain, made once. */
async function ensureCertificate(folder: string, domain: string) {
  const tls = { keyFile: join(folder, "tls.key"), certificateFile: join(folder, "tls.crt") };
  if (existsSync(tls.keyFile) && existsSync(tls.certificateFile)) return tls;
  const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  args.push(
    "-days",
    "3650",
    "-subj",
    "/CN=parlance",
    "-addext",
    `subjectAltName=DNS:${domain},DNS:localhost,IP:${host}`,
  );
  args.push("-keyout", `${tls.keyFile}.new`, "-out", `${tls.certificateFile}.new`);
  try {
    await promisify(execFile)(locate("openssl", "openssl"), args, { timeout: 30_000 });
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError(
      'openssl could not make the certificate for SIP over TLS: try "openssl version".',
      { cause: error },
    );
  }
  renameSync(`${tls.keyFile}.new`, tls.keyFile);
  renameSync(`${tls.certificateFile}.new`, tls.certificateFile);
  return tls;
}

/** OPTIONS over TCP: any SIP answer means that a worker reads the script (RFC 3261 §11). */
function answersOptions(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.setTimeout(2_000, () => socket.destroy(new Error("no answer")));
    socket.on("error", reject);
    socket.on("close", () => resolve(false));
    socket.on("data", (chunk) => {
      resolve(chunk.toString("latin1").startsWith("SIP/2.0 "));
      socket.destroy();
    });
    const id = `${process.pid}-${performance.now()}`;
    const lines = [
      `OPTIONS sip:${host}:${port};transport=tcp SIP/2.0`,
      `Via: SIP/2.0/TCP ${host}:${socket.localPort ?? 5060};branch=z9hG4bK${id}`,
      `From: <sip:ready@${host}>;tag=${id}`,
      `To: <sip:${host}:${port}>`,
      `Call-ID: ${id}`,
      "CSeq: 1 OPTIONS",
      "Max-Forwards: 1",
      "Content-Length: 0",
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  });
}
