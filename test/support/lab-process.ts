import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";

/** A server started by a test: it ends with `stop`, or with the test process. */
export interface LabProcess {
  readonly pid: number;
  readonly logFile: string;
  /** Undefined while it runs. */
  exitCode(): number | undefined;
  log(): Promise<string>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export function startProcess(command: string, args: readonly string[], logFile: string): LabProcess {
  const log = createWriteStream(logFile, { flags: "a" });
  // A group of its own, so that a killed parent's children can be ended with it.
  const child: ChildProcess = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  let code: number | undefined;
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => {
      code = 127;
      resolve();
    });
    child.once("exit", (status) => {
      code = status ?? 1;
      resolve();
    });
  });
  const killGroup = (signal: NodeJS.Signals): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // already gone
    }
  };
  const atExit = (): void => killGroup("SIGKILL");
  process.once("exit", atExit);
  return {
    pid: child.pid ?? 0,
    logFile,
    exitCode: () => code,
    log: () => readFile(logFile, "utf8"),
    async stop(signal = "SIGTERM") {
      if (code === undefined) {
        // Kamailio's main process passes SIGTERM on itself; the group is for SIGKILL and what is left over.
        if (signal === "SIGTERM") child.kill(signal);
        else killGroup(signal);
        const timer = setTimeout(() => killGroup("SIGKILL"), 5_000);
        await ended;
        clearTimeout(timer);
      }
      killGroup("SIGKILL");
      process.off("exit", atExit);
      log.end();
    },
  };
}
