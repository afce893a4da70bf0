import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TransferError } from "./transfer-error.ts";

export const LOCK = "writer.lock";

/**
 * One process at a time writes into a folder. What a process that was killed has left is taken over.
 * @returns gives it back @throws {TransferError}
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const file = join(folder, LOCK);
  const me = `${process.pid} ${await beginningOf(process.pid)}`;
  for (let attempt = 0; ; attempt++) {
    try {
      await writeFile(file, me, { flag: "wx", mode: 0o600 });
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || attempt > 0) throw error; // what fs throws
      const holder = await readFile(file, "utf8").catch(() => "");
      if (await isAlive(holder))
        throw new TransferError(`${folder}: another process (${holder.split(" ", 1)}) writes into it`);
      await rm(file, { force: true });
    }
  }
}

async function isAlive(holder: string): Promise<boolean> {
  const [, pid, began] = /^(\d+) (.*)$/.exec(holder) ?? [];
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false; // what kill throws
  }
  // The number may have been given to another process since.
  return (await beginningOf(Number(pid))) === began;
}

/** When the process was started, in the kernel's own count; empty where that is not told. */
async function beginningOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
