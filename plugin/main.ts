import { parseArgs } from "node:util";
import { ChatError } from "../src/chat/errors.ts";
import { SchemaError } from "../src/store/mysql/migrate.ts";
import { StoreError } from "../src/store/mysql/store-error.ts";
import { TransferError } from "../src/transfer/transfer-error.ts";
import { EXIT, UsageError } from "./command-line.ts";
import { COMMANDS, findCommand, usage } from "./commands.ts";
import { ConfigError } from "./config-error.ts";
import { readVersion } from "./stack/repository.ts";

/** The `parlance` command: the first words name the command, the rest are its arguments. */
async function main(argv: readonly string[]): Promise<number> {
  if (argv.length === 0 || argv.includes("--help") || argv.includes("-h") || argv[0] === "help") {
    process.stdout.write(usage(argv.filter((word) => !word.startsWith("-") && word !== "help")));
    return argv.length === 0 ? EXIT.usage : EXIT.ok;
  }
  if (argv[0] === "--version") {
    process.stdout.write(`parlance ${readVersion()}\n`);
    return EXIT.ok;
  }
  const found = findCommand(argv);
  if (!found) throw unknownCommand(argv);
  const { name, length, command } = found;
  const { values, positionals } = parse(name, argv.slice(length), command.options);
  return command.run(positionals, values);
}

/** Says the way out: the verbs of the noun, or what was probably meant. */
function unknownCommand([noun = "", word]: readonly string[]): UsageError {
  const family = Object.keys(COMMANDS).filter((known) => known.startsWith(`${noun} `));
  if (family.length === 0)
    return new UsageError(`there is no command "${noun}"; "parlance --help" lists them`);
  const verbs = family.join(", ");
  return word === undefined || word.startsWith("-")
    ? new UsageError(`"${noun}" needs a second word: ${verbs}`)
    : new UsageError(`there is no command "${noun} ${word}"; there are ${verbs}`);
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
  if (error instanceof UsageError || error instanceof TransferError) return EXIT.usage;
  if (error instanceof ConfigError || error instanceof SchemaError) return EXIT.config;
  if (error instanceof ChatError && ["STORE_DOWN", "OVERLOADED"].includes(error.code))
    return EXIT.unavailable;
  return EXIT.failed;
}

/** What an administrator can act on: of a database that is away also which error it was. */
function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof StoreError ? `${error.message} (${error.cause.message})` : error.message;
}

// `parlance … | head` has read enough: nothing went wrong.
process.stdout.on("error", (error: NodeJS.ErrnoException) =>
  process.exit(error.code === "EPIPE" ? 0 : EXIT.failed),
);

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`parlance: ${sentenceOf(error)}\n`);
    process.exit(exitCodeOf(error)); // whatever was half opened goes with the process
  },
);
