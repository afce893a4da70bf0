import { UsageError } from "./command-line.ts";
import { type Config, loadConfig } from "./config.ts";

/** Options as the command line gave them. */
export type Values = Readonly<Record<string, string | boolean | undefined>>;

/** One command of `parlance`. */
export interface CliCommand {
  readonly summary: string;
  readonly usage: string;
  /** Lines that help shows below: examples, and what more there is to know. */
  readonly details?: readonly string[];
  /** Other spellings of the command. */
  readonly aliases?: readonly string[];
  /** Options besides --config. */
  readonly options: Record<string, { type: "string" | "boolean" }>;
  /** @returns the exit code */
  readonly run: (positionals: readonly string[], values: Values) => Promise<number>;
}

/** The configuration that --config names. */
export function configOf(values: Values): Config {
  return loadConfig(typeof values.config === "string" ? values.config : "parlance.yaml");
}

/** These positional arguments; those in brackets may be left out. @throws {UsageError} */
export function expectWords(words: readonly string[], names: readonly string[], usage: string): string[] {
  const least = names.filter((name) => !name.startsWith("[")).length;
  if (words.length >= least && words.length <= names.length) return [...words];
  throw new UsageError(`expected ${names.join(" ") || "no arguments"}; usage: ${usage}`);
}
