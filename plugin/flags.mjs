// Flags of plugin/up, plugin/down and plugin/test. Plain JavaScript: wrong flags are refused before anything is
// installed or built. `node plugin/flags.mjs <command> …` ends with 0 (fine), 2 (refused), 3 (help was printed).
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const state = {
  type: "string",
  value: "DIR",
  text: "where data, configuration, secrets and logs live (default: var)",
};
const help = { type: "boolean", short: "h", text: "print this" };

const commands = {
  up: {
    synopsis: "plugin/up [flags]",
    purpose: "Brings the whole system up and shows that it works; ends it on Ctrl-C.",
    options: {
      state,
      detach: { type: "boolean", text: "return when ready; plugin/down ends it" },
      "sip-port": {
        type: "string",
        value: "N",
        text: "SIP over TCP and UDP; TLS on N+1 (default: 5060 or a free one)",
      },
      "http-port": {
        type: "string",
        value: "N",
        text: "web server of the first node (default: 8080 or a free one)",
      },
      nodes: { type: "string", value: "N", text: "application nodes, 1 to 16 (default: 1)" },
      domain: { type: "string", value: "D", text: "SIP domain (default: example.com)" },
      "no-demo": { type: "boolean", text: "no demo users, rooms and conversation" },
      help,
    },
  },
  down: {
    synopsis: "plugin/down [--state DIR]",
    purpose: "Ends exactly what plugin/up started; the data stays.",
    options: { state, help },
  },
  test: {
    synopsis: "plugin/test [FILE.test.ts …]",
    purpose:
      "Installs what is missing, checks, and runs every test (or the given ones) against real servers.",
    options: { help },
    files: true,
  },
};

/** A flag that cannot be obeyed: one sentence with the way out. */
export class FlagError extends Error {}

/** Flags of plugin/up. @throws FlagError */
export function parseUpFlags(args) {
  const { values } = parse("up", args);
  const sipPort = port("--sip-port", values["sip-port"], 65_534);
  const httpPort = port("--http-port", values["http-port"], 65_535);
  if (httpPort !== undefined && (httpPort === sipPort || httpPort === (sipPort ?? 0) + 1)) {
    throw new FlagError(
      `--http-port ${httpPort} is also a SIP port (TLS is --sip-port plus 1): choose another.`,
    );
  }
  const domain = values.domain?.toLowerCase();
  const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
  if (
    domain !== undefined &&
    (domain.length > 253 || !new RegExp(`^${label}(?:\\.${label})+$`).test(domain))
  ) {
    throw new FlagError(
      `--domain ${shown(values.domain)} is no domain name: give one like chat.example.com.`,
    );
  }
  return {
    stateDir: stateOf(values),
    detach: values.detach ?? false,
    demo: !(values["no-demo"] ?? false),
    sipPort,
    httpPort,
    nodes: number("--nodes", values.nodes, 1, 16) ?? 1,
    domain,
  };
}

/** Flags of plugin/down. @throws FlagError */
export function parseDownFlags(args) {
  return { stateDir: stateOf(parse("down", args).values) };
}

/** Test files given to plugin/test. @throws FlagError */
export function parseTestFlags(args) {
  const { positionals } = parse("test", args);
  const wrong = positionals.find((file) => !file.endsWith(".test.ts"));
  if (wrong !== undefined)
    throw new FlagError(`${shown(wrong)} is no test file: give files that end in .test.ts.`);
  return { files: positionals };
}

function parse(command, args) {
  const { options, files = false } = commands[command];
  const known = Object.fromEntries(
    Object.entries(options).map(([name, { type, short }]) => [name, short ? { type, short } : { type }]),
  );
  try {
    return parseArgs({ args, options: known, allowPositionals: files, strict: true });
  } catch (error) {
    throw new FlagError(explain(command, args, error));
  }
}

function explain(command, args, error) {
  const tail = `see plugin/${command} --help.`;
  const { options } = commands[command];
  switch (error.code) {
    case "ERR_PARSE_ARGS_UNKNOWN_OPTION": {
      const flag = /'(--?[^']*?)'/.exec(error.message)?.[1] ?? "a flag";
      const near = Object.keys(options).find((name) => distance(flag.replace(/^--?/, ""), name) <= 2);
      return `There is no flag ${shown(flag)}${near ? `; did you mean --${near}?` : ":"} ${near ? `S${tail.slice(1)}` : tail}`;
    }
    case "ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL": {
      const word = /'([^']*)'/.exec(error.message)?.[1] ?? "";
      return `${shown(word)} is not understood: ${tail}`;
    }
    case "ERR_PARSE_ARGS_INVALID_OPTION_VALUE": {
      const name = /--([a-z-]+)/.exec(error.message)?.[1] ?? "";
      const value = options[name]?.value;
      return value
        ? `--${name} needs a value (--${name} ${value}): ${tail}`
        : `--${name} takes no value: ${tail}`;
    }
    default:
      return `The flags ${shown(args.join(" "))} are not understood: ${tail}`;
  }
}

function stateOf(values) {
  if (values.state === "") throw new FlagError("--state needs the name of a folder.");
  return values.state;
}

function port(flag, text, max) {
  return number(flag, text, 1, max);
}

function number(flag, text, min, max) {
  if (text === undefined) return undefined;
  const value = /^[0-9]{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new FlagError(`${flag} ${shown(text)} is not a number from ${min} to ${max}.`);
  return value;
}

/** What somebody typed, short and without control characters. */
function shown(text) {
  return `"${text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 60)}"`;
}

/** Edit distance (Levenshtein), for suggestions. */
function distance(left, right) {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= Math.min(left.length, 40); i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const cost = left[i - 1] === right[j - 1] ? 0 : 1;
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + cost);
    }
    row = next;
  }
  return row[right.length];
}

function helpText({ synopsis, purpose, options }) {
  const lines = Object.entries(options).map(([name, { value, text }]) => {
    return `  ${`--${name}${value ? ` ${value}` : ""}`.padEnd(16)} ${text}`;
  });
  return `Usage: ${synopsis}\n${purpose}\n\n${lines.join("\n")}\n`;
}

function main([command, ...args]) {
  const parsers = { up: parseUpFlags, down: parseDownFlags, test: parseTestFlags };
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(helpText(commands[command]));
    return 3;
  }
  try {
    parsers[command](args);
    return 0;
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = main(process.argv.slice(2));
}
