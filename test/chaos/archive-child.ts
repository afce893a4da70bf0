import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Stack } from "../../plugin/stack/stack-options.ts";

const READY_MS = 60_000;

/** The worker of `archive-process.ts` as a process that can be killed and started again. */
export class ArchiveChild {
  private readonly stack: Stack;
  private child: ChildProcess | undefined;

  constructor(stack: Stack) {
    this.stack = stack;
  }

  async start(): Promise<void> {
    const log = openSync(join(this.stack.stateDir, "log", "archive.log"), "a", 0o600);
    const program = join(import.meta.dirname, "archive-process.ts");
    // The kernel ends it with this process, however that one ends.
    const args = [
      "--pdeathsig",
      "KILL",
      "--",
      process.execPath,
      "--import",
      import.meta.resolve("tsx"),
      program,
    ];
    const child = spawn("setpriv", [...args, this.stack.configFiles.n1 ?? ""], {
      stdio: ["ignore", "pipe", log],
    });
    closeSync(log);
    this.child = child;
    if (child.stdout) await once(child.stdout, "data", { signal: AbortSignal.timeout(READY_MS) });
    child.stdout?.resume();
  }

  async kill(): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
}
