import { type PutAside, type Quarantine, whyNotAgain } from "../../src/compliance/quarantine.ts";
import { Database, PATIENT_MS } from "../../src/store/mysql/database.ts";
import { requireSchema } from "../../src/store/mysql/migrate.ts";
import { MysqlQuarantine } from "../../src/store/mysql/quarantine-store.ts";
import { EXIT, UsageError } from "../command-line.ts";
import type { Config } from "../config.ts";
import { type CliCommand, configOf, expectWords, type Values } from "../configured.ts";
import { print, type Row } from "../table.ts";
import { remark } from "../verb.ts";
import { neededReasonOf, recorder } from "./recorder.ts";

const LIST = "parlance compliance quarantine list [--all] [--json]";
const RETRY = "parlance compliance quarantine retry EVENT|--all [--dry-run] [--json]";
const ACCEPT = "parlance compliance quarantine accept EVENT|--all --reason TEXT [--dry-run] [--json]";
/** At once; of more a line on stderr says so. */
const MOST = 10_000;

const FLAGS = {
  all: { type: "boolean" },
  json: { type: "boolean" },
} as const;
const WHICH = "EVENT is an event's id, 32 hex digits, as list shows it. --all: every one that is open.";

export const quarantineCommands: Readonly<Record<string, CliCommand>> = {
  "compliance quarantine list": {
    summary: "show the events that were put aside because they could not be archived as they are, and why",
    usage: LIST,
    details: [
      "Those that nobody has accepted: while there are any, the alert event-quarantined stands. --all: also those that were accepted.",
      "What was said in them is not shown.",
      "e.g. parlance compliance quarantine list --json",
    ],
    options: FLAGS,
    run: async (words, values) => {
      expectWords(words, [], LIST);
      return withQuarantine(configOf(values), async (quarantine) => {
        const found = await atMost(quarantine, values.all === true ? "all" : "open");
        const rows = found.map((event): Row => {
          const { quarantinedMs, accepted } = event;
          const row = { ...about(event), since: new Date(quarantinedMs).toISOString() };
          if (values.all !== true) return row;
          const at = accepted ? new Date(accepted.atMs).toISOString() : null;
          return { ...row, accepted: at, by: accepted?.by ?? null, because: accepted?.why ?? null };
        });
        print(rows, values.json === true);
      });
    },
  },
  "compliance quarantine retry": {
    summary: "put events that were put aside back to hand-over: the adapter's next run tries them again",
    usage: RETRY,
    details: [
      "After an upgrade, say, that knows how to express them. One that still does not fit is put aside again, and the alert comes back.",
      "What is another event under an id or number that is taken is never delivered: it can only be accepted.",
      WHICH,
      "--dry-run says what would be put back, and does nothing.",
      "e.g. parlance compliance quarantine retry --all",
    ],
    options: { ...FLAGS, "dry-run": { type: "boolean" } },
    run: async (words, values) =>
      settle(words, values, RETRY, "put back", whyNotAgain, (quarantine, events) => quarantine.retry(events)),
  },
  "compliance quarantine accept": {
    summary: "put on the record that events that were put aside stay so, and why",
    usage: ACCEPT,
    details: [
      "The adapter's files lack them for good. ASIDE_ACCEPTED holds each one's id and hash, your name and the reason; it stays in the archive",
      "for ever, where the events themselves are too, unless they are another one under an id or number that is taken. Their rows are kept.",
      WHICH,
      "--dry-run says what would be accepted, and does nothing.",
      'e.g. parlance compliance quarantine accept 019ab3c45d6e7f8091a2b3c4d5e6f708 --reason "no files for this one, ticket 4711"',
    ],
    options: { ...FLAGS, reason: { type: "string" }, "dry-run": { type: "boolean" } },
    run: async (words, values) => {
      const reason = neededReasonOf(values);
      return settle(words, values, ACCEPT, "accepted", whyNotAccepted, (quarantine, events) =>
        quarantine.accept(events, { ...recorder(), reason }),
      );
    },
  },
};

function whyNotAccepted({ accepted }: PutAside): string | undefined {
  return accepted && `accepted already, by ${accepted.by}: ${accepted.why}`;
}

async function settle(
  words: readonly string[],
  values: Values,
  usage: string,
  done: string,
  whyNot: (event: PutAside) => string | undefined,
  work: (quarantine: Quarantine, events: readonly PutAside[]) => Promise<PutAside[]>,
): Promise<number> {
  const all = values.all === true;
  const [eventId] = expectWords(words, all ? [] : ["EVENT"], usage);
  const config = configOf(values);
  if (eventId !== undefined && !/^[0-9a-f]{32}$/.test(eventId))
    throw new UsageError(`an event is an id of 32 hex digits, not "${eventId}"`);
  if (!config.compliance.enabled)
    throw new UsageError("nothing is recorded or delivered here: compliance.enabled is off");
  return withQuarantine(config, async (quarantine) => {
    const found = await atMost(quarantine, eventId === undefined ? "open" : { eventId });
    const able = found.filter((event) => whyNot(event) === undefined);
    const [unable] = found.filter((event) => whyNot(event) !== undefined);
    if (eventId !== undefined && able.length === 0)
      throw new UsageError(
        unable ? `${eventId}: ${whyNot(unable)}` : `no event ${eventId} is in the quarantine`,
      );
    if (unable) remark(`${found.length - able.length} were left as they are: ${whyNot(unable)}`);
    const isRehearsal = values["dry-run"] === true;
    const settled = isRehearsal ? able : await work(quarantine, able);
    if (settled.length < able.length)
      remark(
        `${able.length - settled.length} were left as they are: somebody else has settled them, or another event under their id waits`,
      );
    const what = isRehearsal ? `would be ${done}` : done;
    print(
      settled.map((event) => ({ ...about(event), done: what })),
      values.json === true,
    );
  });
}

async function atMost(quarantine: Quarantine, which: Parameters<Quarantine["list"]>[0]): Promise<PutAside[]> {
  const found = await quarantine.list(which, MOST + 1);
  if (found.length > MOST) remark(`these are the first ${MOST}; there are more`);
  return found.slice(0, MOST);
}

function about({ eventId, kind, stream, streamSeq, reason }: PutAside): Row {
  return { event: eventId, kind, stream, number: streamSeq, why: reason };
}

async function withQuarantine(
  config: Config,
  work: (quarantine: Quarantine) => Promise<void>,
): Promise<number> {
  await requireSchema(config.mysqlUrl);
  const database = new Database({ url: config.mysqlUrl, connections: 2, statementMs: PATIENT_MS });
  try {
    await work(new MysqlQuarantine(database));
    return EXIT.ok;
  } finally {
    await database.close();
  }
}
