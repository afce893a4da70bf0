import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** Source of the mounts, followed by the process that made them. */
const SOURCE = "parlance-test-";

/** A test that was killed leaves its file systems in memory mounted. */
function removeAbandoned(): void {
  for (const line of readFileSync("/proc/mounts", "utf8").split("\n")) {
    const [source = "", folder = ""] = line.split(" ");
    const owner = source.startsWith(SOURCE) ? source.slice(SOURCE.length) : undefined;
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) execFileSync("umount", ["--lazy", folder]);
  }
}

/** A folder on a file system of its own, small enough to be filled: what is written then fails with the real ENOSPC. */
export class SmallDisk {
  readonly folder: string;
  private readonly filler: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.filler = join(folder, "filler.tmp");
  }

  /** Puts the folder, with what is in it, on a file system in memory. Nobody may be writing there. @throws without the right to mount */
  static under(folder: string, megabytes: number): SmallDisk {
    removeAbandoned();
    const before = `${folder}.before`;
    mkdirSync(folder, { recursive: true });
    renameSync(folder, before);
    mkdirSync(folder, { mode: 0o700 });
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, `${SOURCE}${process.pid}`, folder]);
    execFileSync("cp", ["-a", `${before}/.`, folder]);
    rmSync(before, { recursive: true });
    return new SmallDisk(folder);
  }

  /** Not a byte is free any more. @returns how much was taken, megabytes */
  fill(): number {
    const file = openSync(this.filler, "a");
    let taken = 0;
    for (const size of [1 << 20, 4_096]) {
      const block = Buffer.alloc(size, "x");
      try {
        for (;;) taken += writeSync(file, block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error; // errors of node:fs carry a code
      }
    }
    closeSync(file);
    return Math.round(taken / (1 << 20));
  }

  empty(): void {
    rmSync(this.filler, { force: true });
  }

  /** Nobody may have it open any more. */
  remove(): void {
    execFileSync("umount", ["--lazy", this.folder]);
  }
}

/** Mounting needs a right that not every machine gives. */
export function mayMount(): boolean {
  try {
    execFileSync("unshare", ["--mount", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
