import { execFile } from "node:child_process";
import { programArgs } from "../../plugin/stack/node.ts";

export interface CliAnswer {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the `parlance` command, as it was built (`plugin/test` builds it first), on a configuration. */
export function parlance(configFile: string, ...words: string[]): Promise<CliAnswer> {
  return parlanceIn({}, configFile, ...words);
}

/** The same, with more in its environment. */
export function parlanceIn(
  more: Readonly<Record<string, string>>,
  configFile: string,
  ...words: string[]
): Promise<CliAnswer> {
  return new Promise((resolve) => {
    const args = [...programArgs(false), ...words, "--config", configFile];
    const env = { ...process.env, ...more };
    execFile(process.execPath, args, { timeout: 60_000, env, maxBuffer: 64_000_000 }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, out, err });
    });
  });
}
