import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { mkdir, open, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { convertMgc } from "../../src/transfer/mgc/convert.ts";
import { CONFLICT_RULES } from "../../src/transfer/ports.ts";
import { UsageError } from "../command-line.ts";
import type { CliCommand } from "../configured.ts";
import { list, text, verb } from "../verb.ts";
import { importFrom } from "./transfer.ts";

const usage = `parlance import mgc DIR|DUMP.sql [--domain-map OLD=NEW,…] [--work DIR] [--report FILE] [--on-conflict ${CONFLICT_RULES.join("|")}] [--from-start] [--dry-run] [--json]`;

/** What the tables were converted from and how: another conversion is not carried on with. */
const ABOUT = "about.json";

export const mgcCommands: Readonly<Record<string, CliCommand>> = {
  "import mgc": verb(
    "take over rooms and history of Lync Server 2013 or Skype for Business 2015: the tables of their database mgc",
    usage,
    ["DIR|DUMP.sql"],
    ["domain-map", "work", "report", "on-conflict"],
    async (stores, [given = ""], values, progress) => {
      const source = resolve(given);
      const work = resolve(text(values.work) ?? `${source}.parlance`);
      const domains = domainMap(list(values["domain-map"]) ?? []);
      const files = join(work, "files");
      const report = text(values.report) ?? join(work, "report.txt");
      const about = await prepared(source, work, { served: stores.servedDomain, domains: [...domains] });
      if (!existsSync(join(files, "manifest.json"))) {
        rmSync(files, { recursive: true, force: true });
        const notes = await open(report, "w", 0o600);
        let written = Promise.resolve();
        try {
          await convertMgc({
            source,
            target: files,
            scratch: join(work, "sorting"),
            served: stores.servedDomain,
            domains,
            note: (line) => {
              written = written.then(() => notes.appendFile(`${line}\n`));
            },
            onProgress: progress,
          });
          await written;
          await notes.sync();
        } finally {
          await notes.close();
        }
        await writeFile(join(work, ABOUT), about, { mode: 0o600 });
      }
      const noted = readFileSync(report, "utf8").split("\n").slice(0, -1);
      const shown = await importFrom(stores, files, { ...values, report }, progress, noted);
      return { ...shown, work: [{ files, report }] };
    },
    {
      switches: ["from-start", "dry-run"],
      details: [
        "DIR holds one file a table with its column names in the first line: tblNode.csv, tblPrincipal.csv, tblChat.csv, tblRoleType.csv, …",
        "(commas, semicolons or tabs; UTF-8 or UTF-16); DUMP.sql is a script of INSERT statements, as Generate Scripts writes it.",
        "--domain-map  domains in addresses that are called otherwise here, e.g. contoso.local=example.com",
        "--work        folder for what is made of the tables: an export in the folder files, kept; SOURCE.parlance unless given",
        "--report      file for everything that has no place here; report.txt in the work folder unless given",
        "--on-conflict, --from-start, --dry-run  as for parlance import; a dry run converts the tables too",
        "e.g. parlance import mgc ./mgc-tables --domain-map contoso.local=example.com --dry-run",
      ],
    },
  ),
};

/** @throws {UsageError} */
function domainMap(pairs: readonly string[]): Map<string, string> {
  return new Map(
    pairs.map((pair): [string, string] => {
      const [, from = "", to = ""] = /^([a-z0-9.-]+)=([a-z0-9.-]+)$/i.exec(pair) ?? [];
      if (from === "")
        throw new UsageError(`--domain-map is OLD=NEW such as contoso.local=example.com, not ${pair}`);
      return [from.toLowerCase(), to.toLowerCase()];
    }),
  );
}

/**
 * The work folder is empty, or of the same conversion, which may be half done.
 * @returns what is written there when it is done @throws {UsageError}
 */
async function prepared(source: string, work: string, how: object): Promise<string> {
  if (!existsSync(source)) throw new UsageError(`${source} does not exist`);
  const inputs = statSync(source).isDirectory()
    ? readdirSync(source).map((name) => join(source, name))
    : [source];
  const seen = inputs.sort().map((path) => [path, statSync(path).size, statSync(path).mtimeMs]);
  const about = createHash("sha256").update(JSON.stringify({ seen, how })).digest("hex");
  await mkdir(work, { recursive: true, mode: 0o700 });
  const names = readdirSync(work);
  const ours = [ABOUT, "files", "sorting", "report.txt"];
  const foreign = names.find((name) => !ours.includes(name));
  if (foreign !== undefined)
    throw new UsageError(`${work} is not empty, ${foreign} is in it: give another folder by --work`);
  const known = names.includes(ABOUT) ? readFileSync(join(work, ABOUT), "utf8") : undefined;
  // Half a conversion has no such file; one of other tables is made anew only in a folder of its own.
  if (known === undefined) rmSync(join(work, "files"), { recursive: true, force: true });
  else if (known !== about)
    throw new UsageError(
      `${work} holds what was made of other tables, or with other options: remove it, or give another folder by --work`,
    );
  return about;
}
