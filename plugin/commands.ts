import { prepareDatabase } from "../src/store/mysql/prepare-database.ts";
import { addInCommands } from "./administration/add-ins.ts";
import { alertCommands } from "./administration/alerts.ts";
import { categoryCommands } from "./administration/categories.ts";
import { complianceCommands } from "./administration/compliance.ts";
import { domainCommands } from "./administration/domains.ts";
import { groupCommands } from "./administration/groups.ts";
import { mgcCommands } from "./administration/mgc.ts";
import { moderationCommands } from "./administration/moderation.ts";
import { policyCommands } from "./administration/policies.ts";
import { reportCommands } from "./administration/report.ts";
import { roleFamilies } from "./administration/roles.ts";
import { roomCommands } from "./administration/rooms.ts";
import { selftestCommands } from "./administration/selftest.ts";
import { settingCommands } from "./administration/settings.ts";
import { statusCommands } from "./administration/status.ts";
import { transferCommands } from "./administration/transfer.ts";
import { userCommands } from "./administration/users.ts";
import { EXIT } from "./command-line.ts";
import { bashCompletion } from "./completion.ts";
import { type CliCommand, configOf, expectWords } from "./configured.ts";

/** Loading all that a node needs takes longer than most commands do. */
const serving = () => import("./serve.ts");

/** Everything `parlance` can do. */
export const COMMANDS: Readonly<Record<string, CliCommand>> = {
  serve: {
    summary: "run an application node",
    usage: "parlance serve --config FILE",
    options: {},
    run: async (words, values) => (await serving()).serveNode(words, values),
  },
  worker: {
    summary: "run the compliance worker",
    usage: "parlance worker --config FILE",
    options: {},
    run: async (words, values) => (await serving()).serveWorker(words, values),
  },
  migrate: {
    summary: "create or update the database schema",
    usage: "parlance migrate --config FILE",
    options: {},
    run: async (words, values) => {
      expectWords(words, [], "parlance migrate --config FILE");
      const { mysqlUrl: url, compliance } = configOf(values);
      const { applied, unguarded, archiveBegins } = await prepareDatabase(
        url,
        compliance.archive.enabled,
        // A large table may take minutes; a pipe or a log need not know.
        ({ version, name }) => void (process.stderr.isTTY && process.stderr.write(`${version} ${name} …\n`)),
      );
      if (unguarded !== undefined)
        process.stdout.write(
          `note: the database does not refuse changes to the sealed archive by itself: ${unguarded}\n`,
        );
      process.stdout.write(
        applied.length > 0
          ? `schema brought up to date, applied: ${applied.join(", ")}\n`
          : "the schema is up to date\n",
      );
      if (archiveBegins)
        process.stdout.write("the archive begins here: what was recorded before goes to the adapter alone\n");
      return EXIT.ok;
    },
  },
  "check-config": {
    summary: "check the configuration file and show what it says, with the defaults, secrets masked",
    usage: "parlance check-config --config FILE",
    options: {},
    run: async (words, values) => {
      expectWords(words, [], "parlance check-config --config FILE");
      const config = configOf(values);
      process.stdout.write(
        `${JSON.stringify({ ...config, key: "***", mysqlUrl: "***", redisUrl: "***", alertSecrets: "***", ...(config.directoryPassword === undefined ? {} : { directoryPassword: "***" }) }, undefined, 2)}\n`,
      );
      return EXIT.ok;
    },
  },
  "completion bash": {
    summary: "print what bash needs to complete commands, options and their values",
    usage: "parlance completion bash",
    details: [
      "e.g. source <(parlance completion bash)",
      "e.g. parlance completion bash > /etc/bash_completion.d/parlance",
    ],
    options: {},
    run: async (words) => {
      expectWords(words, [], "parlance completion bash");
      process.stdout.write(bashCompletion(SPELLINGS, Object.keys(COMMANDS)));
      return EXIT.ok;
    },
  },
  ...statusCommands,
  ...alertCommands,
  ...selftestCommands,
  ...settingCommands,
  ...policyCommands,
  ...userCommands,
  ...domainCommands,
  ...categoryCommands,
  ...roomCommands,
  ...reportCommands,
  ...roleFamilies,
  ...addInCommands,
  ...groupCommands,
  ...moderationCommands,
  ...complianceCommands,
  ...transferCommands,
  ...mgcCommands,
};

/** Every command by every spelling. */
export const SPELLINGS: Readonly<Record<string, CliCommand>> = {
  ...COMMANDS,
  ...Object.fromEntries(
    Object.values(COMMANDS).flatMap((command) =>
      (command.aliases ?? []).map((alias) => [alias, command] as const),
    ),
  ),
};

/** The command that the first three, two or one words spell. */
export function findCommand(
  words: readonly string[],
): { readonly name: string; readonly length: number; readonly command: CliCommand } | undefined {
  for (const length of [3, 2, 1]) {
    const name = words.slice(0, length).join(" ");
    const command = words.length >= length ? SPELLINGS[name] : undefined;
    if (command) return { name, length, command };
  }
  return undefined;
}

/** Help: of one command, or the list. */
export function usage(words: readonly string[]): string {
  const found = findCommand(words);
  if (found) return helpOf(found.command);
  const named = [2, 1].map((count) => words.slice(0, count).join(" "));
  const prefix = named.find((name) => Object.keys(COMMANDS).some((known) => known.startsWith(`${name} `)));
  const family = Object.entries(COMMANDS).filter(([name]) => prefix && name.startsWith(`${prefix} `));
  if (family.length > 0)
    return family.map(([, { usage: line, summary }]) => `${line}\n  ${summary}\n`).join("");
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `parlance COMMAND [ARGUMENTS] [--config FILE]\n\n${lines.join("\n")}\n\n${CLOSING}`;
}

const CLOSING = `The configuration is ./parlance.yaml unless --config says otherwise. "parlance COMMAND --help" explains one, with examples;
with --json what is shown comes as JSON. "parlance --version" says which Parlance this is.
Exit codes: 0 done, 1 failed, 64 wrong command line or a name that does not fit, 69 the database is away, 70 a node or worker
that must begin anew, 78 wrong configuration or schema.
`;

function helpOf({ usage: line, summary, details = [], aliases = [] }: CliCommand): string {
  const also =
    aliases.length > 0 ? [`  Also: ${aliases.map((alias) => `parlance ${alias}`).join(", ")}`] : [];
  return [line, `  ${summary}`, ...details.map((detail) => `  ${detail}`), ...also, ""].join("\n");
}
