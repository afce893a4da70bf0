import { spawn } from "node:child_process";

export interface CommandLimits {
  /** Bytes of its output. */
  readonly maxOutput?: number;
  /** False: what it complains about is not told, for it may hold what was said in a room. */
  readonly tellsComplaint?: boolean;
}

/**
 * Runs a command of the operator's, without a shell: gives it `input` on its standard input and returns what it wrote.
 * @throws Error in one sentence when it cannot be run, takes too long, ends with another code than 0 or writes too much
 */
export function runCommand(
  command: readonly string[],
  input: string | Uint8Array,
  timeoutMs: number,
  { maxOutput = 65_536, tellsComplaint = true }: CommandLimits = {},
): Promise<Buffer> {
  const [program = "", ...args] = command;
  return new Promise((resolve, reject) => {
    // A group of its own: what it has started ends with it.
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
    const out: Buffer[] = [];
    let bytes = 0;
    let complaint = "";
    const fail = (why: string) => reject(new Error(`${program} ${why}`));
    const stop = (why: string) => {
      clearTimeout(limit);
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy(); // whoever holds its other end is not waited for
      fail(why);
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // all of it has ended meanwhile
      }
    };
    const limit = setTimeout(() => stop(`was ended after ${timeoutMs / 1_000} s`), timeoutMs);
    child.stdout.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxOutput) stop(`wrote more than ${maxOutput} bytes`);
      else out.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      if (complaint.length < 500) complaint += chunk.toString("utf8");
    });
    // A command that does not read its input is no fault; its answer decides.
    child.stdin.on("error", () => undefined);
    child.once("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(limit);
      fail(error.code === "ENOENT" ? "does not exist" : `cannot be run (${error.code ?? error.message})`);
    });
    child.once("close", (code, signal) => {
      clearTimeout(limit);
      if (signal !== null) fail(`was ended by ${signal}`);
      else if (code === 0) resolve(Buffer.concat(out));
      else {
        const said = (tellsComplaint ? complaint : "").replace(/\s+/g, " ").trim().slice(0, 200);
        fail(`ended with code ${code}${said === "" ? "" : `: ${said}`}`);
      }
    });
    child.stdin.end(input);
  });
}
