import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { locate, type ProcessPlan } from "./process.ts";

export interface RedisSettings {
  readonly stateDir: string;
  readonly port: number;
  readonly password: string;
  readonly parentDeathSignal: "KILL" | "TERM" | undefined;
}

/** `redis://:…@127.0.0.1:PORT/0`: holds the password, never to be logged. */
export function redisUrl(port: number, password: string): string {
  return `redis://:${encodeURIComponent(password)}@127.0.0.1:${port}/0`;
}

/** Writes the configuration and returns how to start the server on it. */
export function prepareRedis(settings: RedisSettings): ProcessPlan {
  const { stateDir, port, password } = settings;
  const dataDir = join(stateDir, "redis");
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const file = join(stateDir, "secret", "redis.conf");
  const lines = [
    "bind 127.0.0.1",
    `port ${port}`,
    "protected-mode yes",
    `requirepass ${password}`,
    "daemonize no",
    // Its new process title would overwrite the mark by which forked processes are known.
    "set-proc-title no",
    `dir ${JSON.stringify(dataDir)}`,
    "appendonly yes",
    "appendfsync everysec",
    'save ""',
    // BullMQ loses jobs when keys are evicted.
    "maxmemory-policy noeviction",
    "",
  ];
  writeFileSync(file, lines.join("\n"), { mode: 0o600 });
  return {
    name: "redis",
    command: locate("redis-server", "redis-server"),
    args: [file],
    logFile: join(stateDir, "log", "redis.log"),
    runDir: join(stateDir, "run"),
    answers: () => answers(port, password),
    readyTimeoutMs: 60_000,
    stopTimeoutMs: 10_000,
    parentDeathSignal: settings.parentDeathSignal,
  };
}

/** AUTH and PING over a plain connection: +PONG comes only when the data is loaded. */
function answers(port: number, password: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port });
    let received = "";
    socket.setTimeout(2_000, () => socket.destroy(new Error("no answer")));
    socket.on("error", reject);
    socket.on("close", () => resolve(false));
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (received.split("\r\n").length < 3) return;
      resolve(received === "+OK\r\n+PONG\r\n");
      socket.destroy();
    });
    socket.write(`AUTH ${password}\r\nPING\r\n`);
  });
}
