import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Stack } from "../../plugin/stack/stack-options.ts";

const HOOK = `--import=${import.meta.resolve("./clock-hook.mjs")}`;

/** From here on every Node.js process that this one starts can be given another time. */
export function makeClocksAdjustable(): void {
  const known = process.env.NODE_OPTIONS ?? "";
  if (!known.includes(HOOK)) process.env.NODE_OPTIONS = `${known} ${HOOK}`.trim();
}

/** The wall clock of a node, of the worker or of the archive's process jumps by so much, and back when asked. */
export function setClock(stack: Stack, name: string, offsetMs: number): () => void {
  const role = name === "worker" || name === "archive" ? name : "serve";
  const file = `${stack.configFiles[role === "serve" ? name : "n1"]}.${role}.clock`;
  writeFileSync(file, String(offsetMs));
  return () => rmSync(file, { force: true });
}

/** Debian's multiarch folders. */
const LIBRARIES = "/usr/lib";

/** The database's wall clock, as libfaketime shows it to it: file and monotonic clocks stay as they are. */
export class DatabaseClock {
  private readonly file: string;

  private constructor(stack: Stack) {
    this.file = join(stack.stateDir, "mariadb.clock");
    this.set(0);
  }

  /** Starts the database again, under libfaketime. @throws where that is not installed */
  static async of(stack: Stack): Promise<DatabaseClock> {
    const library = readdirSync(LIBRARIES)
      .map((folder) => join(LIBRARIES, folder, "faketime", "libfaketimeMT.so.1"))
      .find((path) => existsSync(path));
    if (library === undefined) throw new Error("libfaketime is not installed (Debian: faketime)");
    const clock = new DatabaseClock(stack);
    const given = {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: clock.file,
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    await stack.kill("mariadb", "SIGKILL");
    Object.assign(process.env, given);
    try {
      await stack.restart("mariadb");
    } finally {
      for (const name of Object.keys(given)) delete process.env[name];
    }
    return clock;
  }

  /** Holds within a second. */
  set(seconds: number): void {
    writeFileSync(this.file, `${seconds < 0 ? "" : "+"}${seconds}\n`);
  }
}
