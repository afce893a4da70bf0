import { userInfo } from "node:os";
import { CHAT_ERRORS, ChatError } from "../src/chat/errors.ts";
import type { Recorded } from "../src/store/mysql/management-records.ts";
import { openStores, type Stores } from "../src/store/mysql/stores.ts";
import { changeRows, isChange } from "./administration/changes.ts";
import { EXIT, UsageError } from "./command-line.ts";
import { type CliCommand, configOf, expectWords, type Values } from "./configured.ts";
import { progressOn, type ShowProgress } from "./progress.ts";
import { print, type Row, type Shown } from "./table.ts";

export type Work = (
  stores: Stores,
  words: readonly string[],
  values: Values,
  progress: ShowProgress,
  /** What the changes made so far gave, took and changed, or would have. */
  changes: () => Row[],
) => Promise<Shown | undefined>;

export interface More {
  /** Options without a value. */
  readonly switches?: readonly string[];
  /** Lines that help shows below: examples, and what more there is to know. */
  readonly details?: readonly string[];
  /** Other spellings of the command. */
  readonly aliases?: readonly string[];
  /** Offers --dry-run: the change is made, answered for, and undone. */
  readonly rehearsed?: boolean;
}

/**
 * A verb of the administrator. What its work does not show itself is shown for it: what the change gave, took and changed. It opens the
 * stores with the configuration's secrets, which is the right it needs.
 * @param said its usage; --dry-run, where it is offered, and --json are added to it
 */
export function verb(
  summary: string,
  said: string,
  names: readonly string[],
  options: readonly string[],
  work: Work,
  more: More = {},
): CliCommand {
  const { switches = [], details = [], aliases = [], rehearsed = false } = more;
  const flags = Object.fromEntries(options.map((option) => [option, { type: "string" as const }]));
  const dryRun = "dry-run";
  const usage = [
    said,
    ...(rehearsed && !said.includes(`--${dryRun}`) ? [`[--${dryRun}]`] : []),
    ...(said.includes("--json") ? [] : ["[--json]"]),
  ].join(" ");
  const off = [...switches, "json", ...(rehearsed ? [dryRun] : [])];
  return {
    summary,
    usage,
    details: rehearsed
      ? [...details, "--dry-run says what would be done, or refused, and does nothing."]
      : details,
    aliases,
    options: { ...flags, ...Object.fromEntries(off.map((option) => [option, { type: "boolean" as const }])) },
    run: async (words, values) => {
      const given = expectWords(words, names, usage);
      const config = configOf(values);
      const progress = progressOn(process.stderr);
      const isRehearsal = rehearsed && values[dryRun] === true;
      const recorded: Recorded[] = [];
      const stores = await openStores({
        url: config.mysqlUrl,
        domain: config.domain,
        compliance: config.compliance.enabled,
        connections: 2,
        administrator: userInfo().username,
        rehearsal: isRehearsal,
        onRecorded: (facts) => void recorded.push(...facts.filter(({ fact }) => isChange(fact))),
        onProgress: progress.show,
      });
      try {
        const changes = () => changeRows(recorded, isRehearsal);
        const shown = (await work(stores, given, values, progress.show, changes)) ?? changes();
        progress.clear();
        print(shown, values.json === true);
        return EXIT.ok;
      } catch (error) {
        progress.clear();
        // What the administrator has to decide differently; anything else is the database's trouble.
        if (error instanceof ChatError && CHAT_ERRORS[error.code].status < 500)
          throw new UsageError(
            error.message.startsWith("There is no user, group or domain")
              ? `${error.message} See parlance user add, group add, domain add.`
              : error.message,
          );
        throw error;
      } finally {
        await stores.close();
      }
    },
  };
}

/** Beside what is shown, where scripts that read it are not troubled: something of it was left out. */
export function remark(sentence: string): void {
  process.stderr.write(`parlance: ${sentence}\n`);
}

type Given = string | boolean | undefined;

/** @throws {UsageError} */
export function oneOf<T extends string>(value: Given, allowed: readonly T[], name: string): T | undefined {
  if (value === undefined) return undefined;
  const found = allowed.find((word) => word === value);
  if (found) return found;
  throw new UsageError(`${name} is one of ${allowed.join(", ")}, not "${value}"`);
}

/** @throws {UsageError} */
export function onOff(value: Given, name: string): boolean | undefined {
  const word = oneOf(value, ["on", "off"] as const, name);
  return word === undefined ? undefined : word === "on";
}

/** @throws {UsageError} */
export function wholeNumber(value: Given, name: string, least: number, most: number): number | undefined {
  if (value === undefined) return undefined;
  const number = /^[0-9]{1,9}$/.test(String(value)) ? Number(value) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`${name} is a whole number from ${least} to ${most}, not "${value}"`);
}

/** A date alone is its first moment in UTC. @throws {UsageError} */
export function moment(value: Given, name: string): number | undefined {
  const said = text(value);
  if (said === undefined) return undefined;
  const form = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/;
  const atMs = form.test(said) ? Date.parse(said) : Number.NaN;
  if (Number.isNaN(atMs))
    throw new UsageError(`${name} is a date such as 2026-11-23 or 2026-11-23T08:15:00Z, not ${said}`);
  return atMs;
}

export const text = (value: Given): string | undefined => (typeof value === "string" ? value : undefined);

/** `a,b` as a list; the empty text is the empty list. */
export const list = (value: Given): string[] | undefined =>
  text(value)
    ?.split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");

/** `exactOptionalPropertyTypes`: what was not given is left out, not undefined. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof given<T>
  >; // only undefined left out
}

/** All of a list that comes page by page; `after` is the key of the last one. */
export async function allPages<Item, Key = string>(
  page: (atMost: number, after: Key | undefined) => Promise<readonly Item[]>,
  keyOf: (item: Item) => Key,
): Promise<Item[]> {
  const all: Item[] = [];
  for (;;) {
    const last = all.at(-1);
    const items = await page(PAGE, last === undefined ? undefined : keyOf(last));
    all.push(...items);
    if (items.length < PAGE) return all;
  }
}

const PAGE = 1_000;
