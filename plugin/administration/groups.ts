import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { DirectoryTrouble } from "../../src/directory/ports.ts";
import { refreshNow, takeTurnAtOnce } from "../../src/directory/refresher.ts";
import type { ImportLine } from "../../src/store/mysql/group-import.ts";
import { openStores } from "../../src/store/mysql/stores.ts";
import { EXIT, UsageError } from "../command-line.ts";
import { ConfigError } from "../config-error.ts";
import { type CliCommand, configOf, expectWords } from "../configured.ts";
import { CsvError, parseCsv } from "../csv.ts";
import { progressOn } from "../progress.ts";
import { printRows } from "../table.ts";
import { allPages, text, verb } from "../verb.ts";
import { directoryOf, summaryOf } from "../wire-directory.ts";

const MOST_BYTES = 64_000_000;

const importUsage = "parlance group import FILE.csv [--replace] [--dry-run] [--json]";
const syncUsage = "parlance group sync [--dry-run] [--force] [--json]";

export const groupCommands: Readonly<Record<string, CliCommand>> = {
  "group list": verb(
    "list groups: where they come from, how many are in them directly and in all",
    "parlance group list [--json]",
    [],
    [],
    async ({ administration }) =>
      (
        await allPages(
          (atMost, after) => administration.listGroups(atMost, after),
          ({ uri }) => uri,
        )
      ).map(({ uri, displayName, dn, members, users }) => ({
        group: displayName,
        address: uri,
        from: dn === null ? "here" : "directory",
        members,
        users,
      })),
  ),
  "group show": verb(
    "show who is in a group and why: by hand, by the directory, or by way of another group",
    "parlance group show GROUP [--json]",
    ["GROUP"],
    [],
    async ({ administration }, [name = ""]) => {
      const { group, members } = await administration.inspectGroup(name);
      const about = { group: group.displayName, address: group.uri, directory: group.dn ?? "" };
      return members.length === 0
        ? [{ ...about, member: "", kind: "", by: "" }]
        : members.map(({ uri, kind, sources }) => ({
            ...about,
            member: uri,
            kind,
            by: sources === null ? "another group" : sources.join(" and "),
          }));
    },
    {
      details: [
        "GROUP is a group's address, or its name where only one has it.",
        "e.g. parlance group show Operators --json",
      ],
    },
  ),
  "group add": verb(
    "add a group, empty; it can be named wherever a user can",
    "parlance group add NAME [--address ma-grp:…] [--dry-run] [--json]",
    ["NAME"],
    ["address"],
    async ({ administration }, [name = ""], values) => {
      const address = text(values.address) ?? `ma-grp:${randomUUID()}`;
      await administration.addGroup(address, name);
      return values["dry-run"] === true ? undefined : [{ group: name, address }];
    },
    { rehearsed: true, details: ["e.g. parlance group add Operators --address ma-grp:operators"] },
  ),
  "group remove": verb(
    "remove a group: it is out of every list, and who had a right only by it has it no longer",
    "parlance group remove GROUP [--dry-run] [--json]",
    ["GROUP"],
    [],
    async ({ administration }, [name = ""], values) => {
      const group = await administration.viewGroup(name);
      const { listings } = await administration.removeGroup(group.uri);
      const done = values["dry-run"] === true ? "would be taken away" : "taken away";
      const about = { group: group.displayName, address: group.uri };
      return [
        { ...about, list: "itself", as: `group of ${group.users} users`, done },
        ...listings.rooms.map(({ name: list, word }) => ({ ...about, list, as: word, done })),
        ...listings.categories.map((one) => ({ ...about, list: `category ${one.name}`, as: one.word, done })),
      ];
    },
    {
      aliases: ["group delete"],
      rehearsed: true,
      details: [
        "e.g. parlance group remove Operators --dry-run",
        "It cannot be undone: a group that is added again is in no list, and nobody is in it.",
      ],
    },
  ),
  "group member add": verb(
    "put a user, or another group with all who are in it, into a group",
    "parlance group member add GROUP ADDRESS [--dry-run] [--json]",
    ["GROUP", "ADDRESS"],
    [],
    async ({ administration }, [group = "", member = ""]) => {
      await administration.addToGroup(group, [member]);
      return undefined;
    },
    { rehearsed: true, details: ["e.g. parlance group member add Operators sip:alice@example.com"] },
  ),
  "group member remove": verb(
    "take a user or a group out of a group; who loses the right to a room he is in is out of it",
    "parlance group member remove GROUP ADDRESS [--dry-run] [--json]",
    ["GROUP", "ADDRESS"],
    [],
    async ({ administration }, [group = "", member = ""]) => {
      await administration.removeFromGroup(group, member);
      return undefined;
    },
    {
      rehearsed: true,
      details: [
        "Who is in it by the directory has to be taken out there.",
        "e.g. parlance group member remove Operators sip:alice@example.com",
      ],
    },
  ),
  "group import": verb(
    "put many into groups at once, from a list; all of it or nothing",
    importUsage,
    ["FILE.csv"],
    [],
    async ({ administration }, [file = ""], values) => {
      const { replace, "dry-run": dryRun } = values;
      const lines = importLines(file);
      return [
        {
          ...(await administration.importMemberships(lines, {
            replace: replace === true,
            dryRun: dryRun === true,
          })),
        },
      ];
    },
    {
      switches: ["replace", "dry-run"],
      details: [
        "The first line says what stands where: group,member or group,name,member. A group is an address or a name, a member a",
        "user's address or another group. Groups that are missing are added, with the name given; users of served domains too.",
        "--replace   each group in the list has exactly the members that the list gives it; the directory's stay",
        "--dry-run   say what would change, and change nothing",
        "e.g. parlance group import shifts.csv --dry-run",
      ],
    },
  ),
  "group sync": {
    summary: "read the LDAP directory now",
    usage: syncUsage,
    details: [
      "--dry-run   say what would change, and change nothing",
      "--force     even if more goes than max-removal allows",
      "Exit codes: 0 done, 1 nothing changed (directory away, not wholly shown, or more would go than may), 69 a node reads it",
      "just now, 78 no directory is configured.",
    ],
    options: { "dry-run": { type: "boolean" }, force: { type: "boolean" }, json: { type: "boolean" } },
    run: async (words, values) => {
      expectWords(words, [], syncUsage);
      return syncNow(configOf(values), {
        dryRun: values["dry-run"] === true,
        force: values.force === true,
        json: values.json === true,
      });
    },
  },
};

async function syncNow(
  config: ReturnType<typeof configOf>,
  { json, ...how }: { dryRun: boolean; force: boolean; json: boolean },
): Promise<number> {
  if (!config.directory.enabled) throw new ConfigError("directory.enabled", `is off in ${config.file}`);
  const progress = progressOn(process.stderr);
  const stores = await openStores({
    url: config.mysqlUrl,
    domain: config.domain,
    compliance: config.compliance.enabled,
    connections: 3,
    onProgress: progress.show,
  });
  try {
    const directory = directoryOf(config, stores, `${hostname()}-${process.pid}`);
    if (!directory) throw new ConfigError("directory", `does not say where it is, in ${config.file}`);
    const turn = how.dryRun ? undefined : await takeTurnAtOnce(directory.ports);
    if (!turn && !how.dryRun) {
      process.stderr.write("parlance: a node reads the directory just now; try again in a minute\n");
      return EXIT.unavailable;
    }
    const result = await refreshNow(directory.ports, turn, {
      ...directory.settings,
      ...how,
      onProgress: progress.show,
    });
    progress.clear();
    printRows(
      Object.entries(summaryOf(result)).map(([what, count]) => ({ what, count })),
      json,
    );
    return EXIT.ok;
  } catch (error) {
    progress.clear();
    if (!(error instanceof DirectoryTrouble)) throw error;
    process.stderr.write(`parlance: ${error.message}\n`);
    return EXIT.failed;
  } finally {
    await stores.close();
  }
}

/** @throws {UsageError} */
function importLines(file: string): ImportLine[] {
  try {
    if (statSync(file).size > MOST_BYTES)
      throw new UsageError(`${file} is larger than ${MOST_BYTES / 1e6} MB`);
    const rows = parseCsv(readFileSync(file, "utf8"));
    const [first] = rows;
    if (first && !("group" in first.fields && "member" in first.fields))
      throw new UsageError(`${file}: the first line must name the columns, such as group,name,member`);
    return rows.map(({ line, fields }) => {
      const { group = "", name = "", member = "" } = fields;
      if (group === "") throw new UsageError(`${file}: line ${line}: no group is named`);
      return { line, group, name, member };
    });
  } catch (error) {
    if (error instanceof CsvError) throw new UsageError(`${file}: ${error.message}`);
    if (error instanceof UsageError) throw error;
    const code = (error as NodeJS.ErrnoException).code; // what fs throws
    throw new UsageError(
      `${file} cannot be read${code === "ENOENT" ? ": it does not exist" : code ? ` (${code})` : ""}`,
    );
  }
}
