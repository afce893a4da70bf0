import { parseArgs } from "node:util";

export interface BenchArguments {
  readonly parts: readonly string[];
  /** Where the JSON lines go. */
  readonly jsonFile: string;
  /** Folder for CPU profiles; undefined: none. */
  readonly profileDir: string | undefined;
}

/** @throws Error with a sentence for whoever typed it */
export function readArguments(
  args: readonly string[],
  known: readonly string[],
  defaultFile: string,
): BenchArguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: "string" }, profile: { type: "string" } },
  });
  const unknown = positionals.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new Error(`There is no part "${unknown}": choose from ${known.join(", ")}.`);
  return {
    parts: positionals.length > 0 ? [...new Set(positionals)] : known,
    jsonFile: values.json ?? defaultFile,
    profileDir: values.profile,
  };
}
