import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import type { SipeEvent } from "./sipe-event.ts";

const STOP_WAIT_MS = 5_000;
const LOG_TAIL_LINES = 40;
const LAST_EVENTS = 5;
const MAX_LINE_LENGTH = 400;

interface Waiter {
  look: () => void;
  fail: (error: Error) => void;
}

/**
 * The client's process: commands in, events out. A wait fails as soon as the process dies, e.g. of a segmentation fault,
 * with the end of its debug log.
 */
export class SipeProcess {
  readonly events: SipeEvent[] = [];
  readonly #name: string;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #waiters = new Set<Waiter>();
  #death: string | undefined;
  #stopping = false;

  /** `folder` belongs to the process, is removed by stop() and holds `debug.log`; `env` is its whole environment. */
  constructor(name: string, program: string, folder: string, env: Record<string, string>) {
    this.#name = name;
    this.#folder = folder;
    this.#child = spawn(program, [], { cwd: folder, stdio: ["pipe", "pipe", "ignore"], env });
    this.#child.once("error", (error) => this.#ended(`does not start: ${error.message}`));
    // 'close', not 'exit': what it said last has been read by then.
    this.#child.once("close", (code, signal) =>
      this.#ended(signal ? `was ended by ${signal}` : `ended with code ${code}`),
    );
    this.#child.stdin?.on("error", () => undefined); // a dead client is reported by its end
    const { stdout } = this.#child;
    if (stdout) createInterface({ input: stdout }).on("line", (line) => this.#heard(line));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  command(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** See SipeClient.waitFor. */
  waitFor<E extends SipeEvent>(
    fits: (event: SipeEvent) => event is E,
    timeoutMs: number,
    since: number,
    what: string,
  ): Promise<E> {
    let next = since;
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        look: () => {
          while (next < this.events.length) {
            const event = this.events[next++];
            if (event === undefined || !fits(event)) continue;
            settle();
            resolve(event);
            return;
          }
        },
        fail: (error) => {
          settle();
          reject(error);
        },
      };
      const timer = setTimeout(
        () => this.#failLater(waiter, `waited ${timeoutMs} ms in vain for ${what}`),
        timeoutMs,
      );
      const settle = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
      };
      this.#waiters.add(waiter);
      waiter.look();
      if (this.#death !== undefined) this.#failLater(waiter, this.#death);
    });
  }

  /** @throws Error when the process had died by itself, or does not end cleanly. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    let failure = this.#death;
    if (failure === undefined) {
      const closed = once(this.#child, "close");
      this.command("quit");
      const kill = setTimeout(() => this.#child.kill("SIGKILL"), STOP_WAIT_MS);
      await closed;
      clearTimeout(kill);
      if (this.#child.exitCode !== 0) failure = this.#death ?? "did not end";
    }
    const error = failure === undefined ? undefined : await this.explain(failure);
    await rm(this.#folder, { recursive: true, force: true });
    if (error) throw error;
  }

  /** An error that tells what the client said and did last. */
  async explain(reason: string): Promise<Error> {
    const log = await readFile(path.join(this.#folder, "debug.log"), "utf8").catch(() => "");
    const lines = log.trimEnd().split("\n").slice(-LOG_TAIL_LINES);
    const tail = lines.map((line) => line.slice(0, MAX_LINE_LENGTH)).join("\n");
    const last = this.events
      .slice(-LAST_EVENTS)
      .map((event) => JSON.stringify(event).slice(0, MAX_LINE_LENGTH));
    return new Error(
      `${this.#name}: ${reason}\nlast events:\n${last.join("\n")}\nend of its debug log:\n${tail}`,
    );
  }

  #heard(line: string): void {
    try {
      this.events.push(JSON.parse(line) as SipeEvent); // our own driver's words, see driver-ui.c
    } catch {
      this.#ended("broke off in the middle of an event"); // it crashed while writing
    }
    for (const waiter of [...this.#waiters]) waiter.look();
  }

  #ended(how: string): void {
    this.#death ??= `the SIPE client ${how}`;
    for (const waiter of [...this.#waiters]) this.#failLater(waiter, this.#death);
  }

  #failLater(waiter: Waiter, reason: string): void {
    this.explain(reason).then(waiter.fail, waiter.fail);
  }
}
