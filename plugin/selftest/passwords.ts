import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { UsageError } from "../command-line.ts";
import { readSecret } from "../config.ts";

/**
 * A password from its file, else from the environment, else asked for at the terminal. Never from the command line: every user
 * of the host can read that.
 * @throws {UsageError | ConfigError}
 */
export async function passwordOf(
  who: string,
  { file, option, variable }: { file: string | undefined; option: string; variable: string },
): Promise<string> {
  if (file !== undefined)
    return readSecret(process.cwd(), file, option, /^[^\r\n]{1,512}$/, "a password, one line");
  const given = process.env[variable];
  if (given !== undefined && given !== "") return given;
  if (process.stdin.isTTY !== true)
    throw new UsageError(`no password for ${who}: give a file with ${option}, or set ${variable}`);
  return ask(who);
}

async function ask(who: string): Promise<string> {
  process.stderr.write(`Password of ${who}: `);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await terminal.question("");
  } finally {
    terminal.close();
    process.stderr.write("\n");
  }
}
