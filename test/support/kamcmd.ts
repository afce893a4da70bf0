import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Stack } from "../../plugin/stack/stack-options.ts";

/** `kamcmd` with these arguments on a stack's Kamailio. @returns what it prints */
export async function kamcmd({ stateDir }: Stack, ...command: string[]): Promise<string> {
  const run = join(stateDir, "run");
  const elsewhere = join(run, "socket-dir"); // when the state folder's path is too long for a socket
  const folder = existsSync(elsewhere) ? readFileSync(elsewhere, "utf8").trim() : run;
  const socket = `unix:${join(folder, "kamailio_rpc.sock")}`;
  return (await promisify(execFile)("kamcmd", ["-s", socket, ...command])).stdout;
}
