import { DEFAULT_REPLACEMENT, type MessageFilter, TEXT_MATCHES } from "../../src/chat/message-filter.ts";
import { UsageError } from "../command-line.ts";
import type { CliCommand, Values } from "../configured.ts";
import type { ShowProgress } from "../progress.ts";
import { given, list, moment, oneOf, text, verb } from "../verb.ts";

const WHICH = ["number", "author", "from", "until", "words", "match"] as const;
const WHICH_USAGE =
  "[--number N,N,…] [--author SIP-ADDRESS] [--from DATE] [--until DATE] [--words TEXT [--match all|any|exact] [--case-sensitive]]";

/** What is said of it cannot be taken back: each wants a reason, and each can be tried out first. */
export const moderationCommands: Readonly<Record<string, CliCommand>> = {
  "message remove": verb(
    "remove messages of a room for good; at least one of the options says which, each further one narrows it",
    `parlance message remove ROOM ${WHICH_USAGE} --reason TEXT [--dry-run] [--json]`,
    ["ROOM"],
    [...WHICH, "reason"],
    async ({ administration }, [room = ""], values, progress) => {
      const wanted = {
        filter: filterOf(values),
        replacement: null,
        ...motive(values),
        onProgress: shown(progress),
      };
      const { messages } = await administration.moderateMessages(room, wanted);
      return [{ room, [values["dry-run"] === true ? "would be removed" : "removed"]: messages }];
    },
    {
      switches: ["case-sensitive", "dry-run"],
      details: [
        'e.g. parlance message remove "Night Shift" --author sip:bob@example.com --reason "sent by mistake" --dry-run',
      ],
    },
  ),
  "message replace": verb(
    "put another text in the place of messages of a room; without --text the one of Lync",
    `parlance message replace ROOM ${WHICH_USAGE} [--text TEXT] --reason TEXT [--dry-run] [--json]`,
    ["ROOM"],
    [...WHICH, "text", "reason"],
    async ({ administration }, [room = ""], values, progress) => {
      const replacement = text(values.text) ?? DEFAULT_REPLACEMENT;
      const wanted = {
        filter: filterOf(values),
        replacement,
        ...motive(values),
        onProgress: shown(progress),
      };
      const { messages } = await administration.moderateMessages(room, wanted);
      return [{ room, [values["dry-run"] === true ? "would be replaced" : "replaced"]: messages }];
    },
    {
      switches: ["case-sensitive", "dry-run"],
      details: ['e.g. parlance message replace "Night Shift" --number 4711 --reason "held a password"'],
    },
  ),
  "room clear": verb(
    "remove all messages of a room for good, or those before a moment; the room itself stays",
    "parlance room clear ROOM --before DATE | --all --reason TEXT [--dry-run] [--json]",
    ["ROOM"],
    ["before", "reason"],
    async ({ administration }, [room = ""], values, progress) => {
      const beforeMs = moment(values.before, "--before");
      if ((beforeMs === undefined) === (values.all !== true))
        throw new UsageError("say which messages: --before DATE, or --all of them");
      const wanted = { ...given({ beforeMs }), ...motive(values), onProgress: shown(progress) };
      const { messages } = await administration.clearRoom(room, wanted);
      return [{ room, [values["dry-run"] === true ? "would be removed" : "removed"]: messages }];
    },
    {
      switches: ["all", "dry-run"],
      details: ['e.g. parlance room clear "Night Shift" --before 2026-01-01 --reason "kept long enough"'],
    },
  ),
};

const shown = (progress: ShowProgress) => (looked: number, all?: number) =>
  progress("messages looked at", looked, all);

function motive(values: Values): { readonly reason: string; readonly dryRun: boolean } {
  const reason = text(values.reason);
  const dryRun = values["dry-run"] === true;
  if (reason === undefined && !dryRun)
    throw new UsageError("--reason is missing: the archive keeps why messages were taken away");
  return { reason: reason ?? "dry run", dryRun };
}

function filterOf(values: Values): MessageFilter {
  return given({
    numbers: list(values.number)?.map(numberOf),
    author: text(values.author),
    fromMs: moment(values.from, "--from"),
    untilMs: moment(values.until, "--until"),
    words: text(values.words),
    match: oneOf(values.match, TEXT_MATCHES, "--match"),
    caseSensitive: values["case-sensitive"] === true ? true : undefined,
  });
}

function numberOf(word: string): number {
  if (!/^[1-9]\d{0,9}$/.test(word)) throw new UsageError(`${word} is no number of a message`);
  return Number(word);
}
