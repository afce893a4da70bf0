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
    const child = spawn(program, args, {
      stdio: ["pipe", "pipe", "pipe"],
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    const out: Buffer[] = [];
    let bytes = 0;
    let complaint = "";
    const fail = (why: string) => reject(new Error(`${program} ${why}`));
    child.stdout.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxOutput) child.kill("SIGKILL");
      else out.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      if (complaint.length < 500) complaint += chunk.toString("utf8");
    });
    // A command that does not read its input is no fault; its answer decides.
    child.stdin.on("error", () => undefined);
    child.once("error", (error: NodeJS.ErrnoException) =>
      fail(error.code === "ENOENT" ? "does not exist" : `cannot be run (${error.code ?? error.message})`),
    );
    child.once("close", (code, signal) => {
      if (bytes > maxOutput) fail(`wrote more than ${maxOutput} bytes`);
      else if (signal !== null)
        fail(`was ended by ${signal}${signal === "SIGKILL" ? ` after ${timeoutMs / 1_000} s` : ""}`);
      else if (code === 0) resolve(Buffer.concat(out));
      else {
        const said = (tellsComplaint ? complaint : "").replace(/\s+/g, " ").trim().slice(0, 200);
        fail(`ended with code ${code}${said === "" ? "" : `: ${said}`}`);
      }
    });
    child.stdin.end(input);
  });
}
