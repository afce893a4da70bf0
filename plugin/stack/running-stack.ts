import { rmSync } from "node:fs";
import { join } from "node:path";
import { isAlive, type OwnedPid, signalAll, signalLeader } from "./owned-pid.ts";
import { forgetPid, starterName } from "./pid-files.ts";
import { type ProcessPlan, startProcess, stopProcess, untilGone } from "./process.ts";
import { removeSocketDir, type StateFolder } from "./state.ts";

/** The processes of a stack from their start to their end. */
export class RunningStack {
  readonly #state: StateFolder;
  readonly #temporary: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #plans = new Map<string, ProcessPlan>();
  readonly #owned = new Map<string, OwnedPid>();
  #stopped: Promise<void> | undefined;

  constructor(state: StateFolder, temporary: boolean, signal: AbortSignal | undefined) {
    this.#signal = signal;
    this.#state = state;
    this.#temporary = temporary;
  }

  async start(plan: ProcessPlan): Promise<void> {
    this.#plans.set(plan.name, plan);
    this.#owned.set(plan.name, await startProcess(plan, this.#signal));
  }

  pids(): Record<string, number> {
    const living = [...this.#owned.values()].filter(isAlive);
    return Object.fromEntries(living.map((owned) => [owned.name, owned.pid]));
  }

  async kill(name: string, signal: NodeJS.Signals): Promise<void> {
    const owned = this.#owned.get(name);
    if (owned === undefined) throw new Error(`no process ${name} in this stack`);
    if (signal !== "SIGKILL") {
      signalLeader(owned, signal);
      return;
    }
    signalAll(owned, signal);
    if (!(await untilGone(owned, 10_000))) throw new Error(`${name} survived SIGKILL for 10 s`);
  }

  async restart(name: string): Promise<void> {
    const plan = this.#plans.get(name);
    if (plan === undefined) throw new Error(`no process ${name} in this stack`);
    const owned = this.#owned.get(name);
    if (owned !== undefined) await stopProcess(owned, plan.runDir);
    this.#owned.set(name, await startProcess(plan));
  }

  leave(): void {
    this.#stopped ??= Promise.resolve();
    forgetPid(join(this.#state.stateDir, "run"), starterName);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  async #end(): Promise<void> {
    const runDir = join(this.#state.stateDir, "run");
    const errors: unknown[] = [];
    for (const owned of [...this.#owned.values()].reverse()) {
      // What is thrown away needs no orderly end.
      await stopProcess(owned, runDir, this.#temporary ? "once" : "leisure").catch((error) =>
        errors.push(error),
      );
    }
    removeSocketDir(this.#state.stateDir);
    if (this.#temporary) rmSync(this.#state.stateDir, { recursive: true, force: true, maxRetries: 3 });
    else forgetPid(runDir, starterName);
    if (errors.length > 0) throw errors[0];
  }
}
