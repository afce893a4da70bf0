import type { Stack } from "../../plugin/stack/stack-options.ts";

const LOOK_MS = 200;

/** Starts again what has ended by itself, as a service manager would. What a strike has taken down stays down until it says so. */
export class Supervisor {
  /** Processes that ended by themselves and were started again, in order. */
  readonly revived: string[] = [];
  private readonly stack: Stack;
  private readonly expected: readonly string[];
  private readonly down = new Set<string>();
  private readonly busy = new Map<string, Promise<void>>();
  private readonly timer: NodeJS.Timeout;

  constructor(stack: Stack) {
    this.stack = stack;
    this.expected = Object.keys(stack.pids());
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  async kill(name: string): Promise<void> {
    this.down.add(name);
    await this.stack.kill(name, "SIGKILL");
  }

  /** Who cannot begin on a machine that is too busy is started again at the next look. */
  async restart(name: string): Promise<void> {
    await this.stack.restart(name).catch(() => undefined);
    this.down.delete(name);
  }

  /** Everything that should run does. */
  get complete(): boolean {
    const pids = this.stack.pids();
    return this.busy.size === 0 && this.down.size === 0 && this.expected.every((name) => name in pids);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.allSettled(this.busy.values());
  }

  private look(): void {
    const pids = this.stack.pids();
    for (const name of this.expected) {
      if (name in pids || this.down.has(name) || this.busy.has(name)) continue;
      this.revived.push(name);
      const work = this.stack
        .restart(name)
        .catch(() => undefined) // tried again at the next look
        .finally(() => this.busy.delete(name));
      this.busy.set(name, work);
    }
  }
}
