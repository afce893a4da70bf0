import { chmodSync, existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateSecretKey } from "../../src/compliance/log/note.ts";
import { prepareEdge } from "./edge.ts";
import { edgeMysqlUrl, mysqlUrl, prepareMariadb } from "./mariadb.ts";
import { migrate } from "./migrate.ts";
import { type NodeSettings, nodePlan, poolUri, workerPlan, writeNodeConfig } from "./node.ts";
import { removeReadyFile } from "./ready-file.ts";
import { prepareRedis, redisUrl } from "./redis.ts";
import { chooseDomain } from "./remembered-domain.ts";
import { choosePorts, type StackPorts } from "./remembered-ports.ts";
import { RunningStack } from "./running-stack.ts";
import { allParts, type Part, type Stack, type StackOptions } from "./stack-options.ts";
import { openState, type StateFolder } from "./state.ts";

/** Control listener's own loopback address: on a shared one the kernel may give the node's socket a client's address. */
const controlAddress = "127.0.0.2";

/**
 * Starts the servers of one stack in order and waits until each answers. If one does not, those already started are
 * ended before the error is thrown.
 * @throws OperatorError with one sentence for the operator.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const temporary = options.stateDir === undefined;
  const state = openState(options.stateDir ?? mkdtempSync(join(tmpdir(), "parlance-stack-")), !temporary);
  const running = new RunningStack(state, temporary, options.signal);
  try {
    // Whoever waits for it shall not see the one of a start that was killed.
    removeReadyFile(state.stateDir);
    const ports = await choosePorts(state.stateDir, {
      nodes: options.nodes ?? 1,
      controlAddress,
      sip: options.sipPort,
      http: options.httpPort,
      wellKnown: options.wellKnownPorts ?? false,
    });
    return await startParts(options, state, ports, running, temporary);
  } catch (error) {
    await running.stop();
    throw error;
  }
}

async function startParts(
  options: StackOptions,
  state: StateFolder,
  ports: StackPorts,
  running: RunningStack,
  temporary: boolean,
): Promise<Stack> {
  const { stateDir, secrets } = state;
  const parts = new Set<Part>(options.parts ?? allParts);
  const domain = temporary ? (options.domain ?? "example.com") : chooseDomain(stateDir, options.domain);
  const deathSignal: "KILL" | "TERM" = temporary ? "KILL" : "TERM";
  const parentDeathSignal: "KILL" | "TERM" | undefined = options.outliveStarter ? undefined : deathSignal;
  const urls = {
    mysqlUrl: mysqlUrl(ports.mysql, secrets.mysqlPassword),
    redisUrl: redisUrl(ports.redis, secrets.redisPassword),
    edgeMysqlUrl: edgeMysqlUrl(ports.mysql, secrets.edgePassword),
  };
  writeSecret(stateDir, "mysql.url", urls.mysqlUrl);
  writeSecret(stateDir, "redis.url", urls.redisUrl);
  const archiveKey = join(stateDir, "secret", "archive.key");
  if (!existsSync(archiveKey)) writeSecret(stateDir, "archive.key", generateSecretKey(`${domain}/pchat`));
  const settings: NodeSettings = {
    stateDir,
    domain,
    ports,
    controlAddress,
    fromSources: options.fromSources ?? (temporary && process.env.PARLANCE_RUN_BUILD === undefined),
    logLevel: options.logLevel ?? "info",
    parentDeathSignal,
  };
  const configFiles: Record<string, string> = {};
  for (const index of ports.link.keys()) configFiles[`n${index + 1}`] = writeNodeConfig(settings, index);
  const first = configFiles.n1 ?? "";

  const step = async (text: string, work: () => Promise<unknown>) => {
    const from = performance.now();
    await work();
    options.report?.({ text, elapsedMs: performance.now() - from });
  };
  const stores: Promise<void>[] = [];
  if (parts.has("mariadb")) {
    const { mysqlRootPassword: rootPassword, mysqlPassword: password, edgePassword } = secrets;
    const accounts = { rootPassword, password, edgePassword };
    const own = { stateDir, runDir: state.socketDir, port: ports.mysql, ...accounts, parentDeathSignal };
    const given = { disposable: temporary, options: options.mariadbOptions ?? {} };
    stores.push(
      step(`MariaDB on 127.0.0.1:${ports.mysql}`, async () =>
        running.start(await prepareMariadb({ ...own, ...given })),
      ),
    );
  }
  if (parts.has("redis")) {
    const plan = prepareRedis({
      stateDir,
      port: ports.redis,
      password: secrets.redisPassword,
      parentDeathSignal,
    });
    stores.push(step(`Redis on 127.0.0.1:${ports.redis}`, () => running.start(plan)));
  }
  await allOrFirstError(stores);
  if (parts.has("nodes") || parts.has("worker")) {
    await step("database schema", () => migrate(urls.mysqlUrl, options.signal));
  }
  const programs: Promise<void>[] = [];
  if (parts.has("nodes")) {
    for (const [name, file] of Object.entries(configFiles)) {
      const index = Number(name.slice(1)) - 1;
      const where = `link 127.0.0.1:${ports.link[index]}, web 127.0.0.1:${ports.http[index]}`;
      programs.push(step(`node ${name} (${where})`, () => running.start(nodePlan(settings, index, file))));
    }
  }
  if (parts.has("worker")) {
    programs.push(step("compliance worker", () => running.start(workerPlan(settings, first))));
  }
  await allOrFirstError(programs);
  if (parts.has("kamailio")) {
    const peers = options.peers ?? [];
    const plan = await prepareEdge({
      ...state,
      ...urls,
      domain,
      ports,
      controlAddress,
      peers,
      parentDeathSignal,
    });
    await step(`Kamailio on 127.0.0.1:${ports.sip} (TLS ${ports.tls})`, () => running.start(plan));
  }
  return {
    stateDir,
    domain,
    poolUri: poolUri(domain),
    ports,
    secrets,
    ...urls,
    configFiles,
    pids: () => running.pids(),
    kill: (name, signal) => running.kill(name, signal),
    restart: (name) => running.restart(name),
    leave: () => running.leave(),
    stop: () => running.stop(),
  };
}

/** Waits for all of them, so that nothing starts behind the back of a failed start, and then fails with the first error. */
async function allOrFirstError(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

function writeSecret(stateDir: string, name: string, value: string): void {
  const file = join(stateDir, "secret", name);
  writeFileSync(file, `${value}\n`, { mode: 0o600 });
  chmodSync(file, 0o600);
}
