import { existsSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { stringify } from "yaml";
import { OperatorError } from "./operator-error.ts";
import type { ProcessPlan } from "./process.ts";
import type { StackPorts } from "./remembered-ports.ts";
import { repositoryRoot } from "./repository.ts";

export interface NodeSettings {
  readonly stateDir: string;
  readonly domain: string;
  readonly ports: StackPorts;
  readonly controlAddress: string;
  /** Runs the TypeScript sources through tsx instead of the build. */
  readonly fromSources: boolean;
  readonly logLevel: string;
  readonly parentDeathSignal: "KILL" | "TERM" | undefined;
}

/** `sip:pchat@<domain>`: where clients send their INVITE. */
export function poolUri(domain: string): string {
  return `sip:pchat@${domain}`;
}

/** Writes the configuration of node `index` (0 is n1) and returns its path; relative paths in it start at the state folder. */
export function writeNodeConfig(settings: NodeSettings, index: number): string {
  const { ports, controlAddress } = settings;
  const control = `http://${controlAddress}:${ports.control}`;
  const config = {
    domain: settings.domain,
    "pool-uri": poolUri(settings.domain),
    node: { name: `n${index + 1}`, listen: `127.0.0.1:${ports.link[index]}` },
    link: {
      "key-file": "./secret/link.key",
      edges: [{ name: "edge1", control, "local-address": controlAddress }],
    },
    mysql: { "url-file": "./secret/mysql.url" },
    redis: { "url-file": "./secret/redis.url" },
    http: { listen: `127.0.0.1:${ports.http[index]}` },
    compliance: { enabled: true, "output-directory": "./compliance", "run-interval": "15m" },
    log: { level: settings.logLevel },
  };
  const file = join(settings.stateDir, index === 0 ? "parlance.yaml" : `parlance-n${index + 1}.yaml`);
  writeFileSync(
    file,
    `# Written at each start by plugin/up; changes made here are lost.\n${stringify(config)}`,
    { mode: 0o600 },
  );
  return file;
}

/** How to start an application node on a configuration. */
export function nodePlan(settings: NodeSettings, index: number, configFile: string): ProcessPlan {
  return {
    ...commonPlan(settings, `n${index + 1}`),
    args: [...programArgs(settings.fromSources), "serve", "--config", configFile],
    answers: () => isReady(settings.ports.http[index] ?? 0),
  };
}

/** How to start the compliance worker on a configuration. */
export function workerPlan(settings: NodeSettings, configFile: string): ProcessPlan {
  return {
    ...commonPlan(settings, "worker"),
    args: [...programArgs(settings.fromSources), "worker", "--config", configFile],
    // It listens nowhere: its first line at level info says that it has its database and its queue.
    answers: async (readLog) => readLog().includes("compliance worker is ready"),
  };
}

/**
 * Node.js arguments that run the `parlance` command.
 * @throws OperatorError when the build is missing.
 */
export function programArgs(fromSources: boolean): string[] {
  if (fromSources) return ["--import", import.meta.resolve("tsx"), join(repositoryRoot, "plugin", "main.ts")];
  const built = join(repositoryRoot, "dist", "plugin", "main.js");
  if (!existsSync(built)) throw new OperatorError(`${built} is missing: run "npm run build".`);
  return ["--enable-source-maps", built];
}

function commonPlan(settings: NodeSettings, name: string) {
  return {
    name,
    command: process.execPath,
    cwd: settings.stateDir,
    logFile: join(settings.stateDir, "log", `${name}.log`),
    runDir: join(settings.stateDir, "run"),
    readyTimeoutMs: 30_000,
    stopTimeoutMs: 15_000,
    parentDeathSignal: settings.parentDeathSignal,
  };
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const request = get(
      { host: "127.0.0.1", port, path: "/health/ready", timeout: 2_000, agent: false },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    request.on("timeout", () => request.destroy(new Error("no answer")));
    request.on("error", reject);
  });
}
