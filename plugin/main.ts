import { parseArgs } from "node:util";
import { SchemaError } from "../src/store/mysql/migrate.ts";
import { EXIT, UsageError } from "./command-line.ts";
import { COMMANDS, usage } from "./commands.ts";
import { ConfigError } from "./config-error.ts";

/** The `parlance` command: the first words name the command, the rest are its arguments. */
async function main(argv: readonly string[]): Promise<number> {
  if (argv.length === 0 || argv.includes("--help") || argv.includes("-h") || argv[0] === "help") {
    process.stdout.write(usage(argv.filter((word) => !word.startsWith("-") && word !== "help")));
    return argv.length === 0 ? EXIT.usage : EXIT.ok;
  }
  const words =
    [3, 2].find((count) => argv.length >= count && argv.slice(0, count).join(" ") in COMMANDS) ?? 1;
  const name = argv.slice(0, words).join(" ");
  const command = COMMANDS[name];
  if (!command) {
    const family = Object.keys(COMMANDS).filter((known) => known.startsWith(`${name} `));
    if (family.length > 0) throw new UsageError(`"${name}" needs another word: ${family.join(", ")}`);
    throw new UsageError(`there is no command "${name}"; "parlance --help" lists them`);
  }
  const { values, positionals } = parse(name, argv.slice(words), command.options);
  return command.run(positionals, values);
}

function parse(
  name: string,
  args: readonly string[],
  options: Record<string, { type: "string" | "boolean" }>,
) {
  try {
    const config = { type: "string" as const, short: "c" };
    return parseArgs({
      args: [...args],
      options: { config, ...options },
      allowPositionals: true,
      strict: true,
    });
  } catch (cause) {
    const [sentence = "wrong arguments"] = cause instanceof Error ? cause.message.split(". ") : [];
    throw new UsageError(`${sentence}; "parlance ${name} --help" explains it`);
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof ConfigError || error instanceof SchemaError) return EXIT.config;
  return EXIT.failed;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`parlance: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(exitCodeOf(error)); // whatever was half opened goes with the process
  },
);
