import { DELIVERY } from "../../src/compliance/delivery.ts";
import type { ActRecord, ArchivedMessage, Evidence, Excuses, SealedEvent } from "./evidence.ts";

/** What must be on record of one act, or only may be when its client was not told how it ended. */
interface Demand {
  readonly kind: string;
  readonly room: string;
  readonly who: string;
  readonly session: string;
  /** What was asked for. */
  readonly asked: string;
  /** What was shown; undefined when the client does not know, and the act may have been recorded or not. */
  readonly told: string | undefined;
}

type Recorded = Demand & { readonly told: string };

/** Kinds of the archive that only a client, or the administrator, brings about. */
const ASKED_FOR = ["JOIN", "PART left", "PART signed-off", "BACKCHAT", "SEARCH", "ROLE_CHANGED"];
/** Of these the ones that can be told from others there. */
const IN_FILES = ["JOIN", "BACKCHAT", "SEARCH", "ROLE_CHANGED"];

/**
 * Comings, goings, readings, searches and changes as their clients know them, against the sealed log and against the adapter's files: what was answered is
 * there once, as it was answered; what was not, at most as often as it was asked for; nothing else is. Then both archives against each other.
 */
export function actFaults(evidence: Evidence): string[] {
  const { acts, sealed, archived } = evidence;
  const heirs = inheritance(sealed);
  const log = sealed.flatMap(recordedEvent);
  const known = new Set(acts.map(({ session }) => session));
  const ofClients = log.filter(
    ({ kind, session }) => ASKED_FOR.includes(kind) || (kind === "LOGIN" && known.has(session)),
  );
  const files = archived.flatMap(filedEvent);
  // The files do not say in which session, nor why somebody went.
  const inFiles = demands(acts, heirs, true).filter(({ kind }) => IN_FILES.includes(kind));
  return [
    ...compare("sealed", demands(acts, heirs, false), ofClients, ({ session }) => session),
    ...compare("in the files", inFiles, files, () => ""),
    ...unlike(sealed, archived),
    ...falselyShown(evidence),
  ];
}

/** 503 is the only refusal, and shows nothing. A command has no answer when the node that had taken it died, or its connection broke. */
export function actAnswerFaults(acts: readonly ActRecord[], { takeovers = 0, lostConnections }: Excuses) {
  const mayBeLost = takeovers > 0 || lostConnections === true;
  return acts.flatMap(({ kind, room, who, answer, shown }) => {
    const about = `${kind} of ${who} in ${room} was answered ${answer}`;
    if (answer !== 200 && shown.length > 0) return [`${about} and shown ${shown.length} messages`];
    return answer === 200 || answer === 503 || (answer === "none" && mayBeLost) ? [] : [about];
  });
}

function demands(
  acts: readonly ActRecord[],
  inherited: (session: string) => ReadonlySet<string>,
  asFiled: boolean,
): Demand[] {
  const found: Demand[] = [];
  for (const [session, own] of groups(acts, ({ session }) => session)) {
    const before = inherited(session);
    const entered = own.filter(({ kind }) => kind === "JOIN").map(({ room }) => room);
    for (const room of new Set([...entered, ...before]))
      found.push(...attendance(own, room, before.has(room) ? "maybe" : "out"));
    for (const act of own) {
      const { kind, room, who, answer } = act;
      if (kind === "JOIN" || kind === "PART" || kind === "SIGN_OFF") continue;
      const [asked, told] = wording(act, asFiled);
      found.push({ kind, room, who, session, asked, told: answer === 200 ? told : undefined });
    }
  }
  return found;
}

/** Entering a room one is in changes nothing, and so does leaving one where one is not: neither is recorded. */
function attendance(acts: readonly ActRecord[], room: string, begin: "out" | "maybe"): Demand[] {
  const found: Demand[] = [];
  let place: "in" | "out" | "maybe" = begin;
  for (const { kind, who, session, answer, ...act } of acts) {
    if (kind !== "SIGN_OFF" && (act.room !== room || (kind !== "JOIN" && kind !== "PART"))) continue;
    const [from, to] = kind === "JOIN" ? (["out", "in"] as const) : (["in", "out"] as const);
    if (place === to) continue;
    const recorded = kind === "JOIN" ? kind : `PART ${kind === "PART" ? "left" : "signed-off"}`;
    const isCertain = answer === 200 && place === from;
    found.push({ kind: recorded, room, who, session, asked: "", told: isCertain ? "" : undefined });
    place = answer === 200 ? to : "maybe";
  }
  return found;
}

/** @returns what was asked for and what was shown, in the words of the log or of the files */
function wording({ kind, limit, text, shown }: ActRecord, asFiled: boolean): [string, string] {
  const numbers = shown.map(({ number }) => number).sort((a, b) => a - b);
  const span = `${numbers[0] ?? 0}-${numbers.at(-1) ?? 0}/${numbers.length}`;
  if (kind === "BACKCHAT") return [`${limit}`, span];
  if (kind === "SEARCH") return [`${text} ${limit}`, asFiled ? span : numbers.join()];
  return [text, ""];
}

function recordedEvent({ kind, room, author: who, session, detail }: SealedEvent): Recorded[] {
  const event = { kind, room, who, session, asked: "", told: "" };
  const { reason, limit, from, to, count, criteria, shown, after } = detail;
  switch (kind) {
    case "LOGIN":
    case "JOIN":
      return [event];
    case "PART":
      return [{ ...event, kind: `PART ${reason}` }];
    case "BACKCHAT":
      return [{ ...event, asked: `${limit}`, told: `${from}-${to}/${count}` }];
    case "SEARCH": {
      const { text, limit: most } = criteria as { text: string; limit: number }; // canonical body
      return [{ ...event, asked: `${text} ${most}`, told: String(shown) }];
    }
    case "ROLE_CHANGED":
      return [{ ...event, asked: JSON.stringify(after) }];
    default:
      return [];
  }
}

function filedEvent({ type, room, author: who, text }: ArchivedMessage): Recorded[] {
  const event = { kind: type, room, who, session: "", asked: "", told: "" };
  if (type === "JOIN") return [event];
  if (type === "ROLE_CHANGED") return [{ ...event, asked: text }];
  if (type !== "BACKCHAT") return [];
  const search = /^search:(.*);limit=(\d+);returned=(.*)$/s.exec(text);
  if (search)
    return [{ ...event, kind: "SEARCH", asked: `${search[1]} ${search[2]}`, told: search[3] ?? "" }];
  const read = /^since=\d+;limit=(\d+);returned=(.*)$/.exec(text);
  return [{ ...event, asked: read?.[1] ?? text, told: read?.[2] ?? "" }];
}

function compare(
  where: string,
  asked: readonly Demand[],
  recorded: readonly Recorded[],
  sessionOf: (demand: Demand) => string,
): string[] {
  const key = (one: Demand) => `${one.kind} ${one.asked} of ${one.who} in ${one.room} ${sessionOf(one)}`;
  const faults: string[] = [];
  const demanded = groups(asked, key);
  const found = groups(recorded, key);
  for (const what of new Set([...demanded.keys(), ...found.keys()])) {
    const [wanted, there] = [demanded.get(what) ?? [], found.get(what) ?? []];
    const rest = there.map(({ told }) => told);
    for (const { told } of wanted) {
      if (told === undefined) continue;
      const place = rest.indexOf(told);
      if (place === -1) faults.push(`${what} was answered with ${told || "yes"} and is NOT ${where}`);
      else rest.splice(place, 1);
    }
    const unanswered = wanted.filter(({ told }) => told === undefined).length;
    if (rest.length > unanswered)
      faults.push(
        `${what} is ${where} ${there.length} times, asked for ${wanted.length} times: ${rest.join(" ")}`,
      );
  }
  return faults;
}

/** Both archives hold the same but the log's own word on each run: of each kind as many, by the same people in the same rooms. */
function unlike(sealed: readonly SealedEvent[], archived: readonly ArchivedMessage[]): string[] {
  const times = new Map<string, [number, number]>();
  const count = (side: 0 | 1, kind: string, room: string, who: string) => {
    const key = `${kind} by ${who} in ${room || "no room"}`;
    const pair = times.get(key) ?? [0, 0];
    pair[side] += 1;
    times.set(key, pair);
  };
  const filedAs: Readonly<Record<string, string>> = { SEARCH: "BACKCHAT", STORY: "CHAT" };
  for (const { kind, room, author } of sealed)
    if (kind !== DELIVERY) count(0, filedAs[kind] ?? kind, room, author);
  for (const { type, room, author } of archived) count(1, type, room, author);
  return [...times].flatMap(([what, [inLog, inFiles]]) =>
    inLog === inFiles ? [] : [`${what} is sealed ${inLog} times and in the files ${inFiles} times`],
  );
}

/** Each run of the adapter is on record once, and its manifest is the one that is on record. */
export function deliveryFaults({ runs, sealed }: Evidence): string[] {
  const said = sealed.filter(({ kind }) => kind === DELIVERY).map(({ detail }) => manifestOf(detail));
  const there = new Set(runs.map(({ run, sha256 }) => `${run} ${sha256}`));
  return [
    ...[...there].flatMap((run) => {
      const times = said.filter((other) => other === run).length;
      return times === 1 ? [] : [`run ${run} is on record ${times} times`];
    }),
    ...said
      .filter((run) => !there.has(run))
      .map((run) => `run ${run} is on record, and no such folder is there`),
  ];
}

function manifestOf({ runId, files }: SealedEvent["detail"]): string {
  const manifest = (files as { name: string; sha256: string }[]).at(-1); // canonical body: the manifest last
  return `${runId} ${manifest?.sha256}`;
}

function falselyShown({ acts, stored }: Evidence): string[] {
  const truth = new Map(stored.map((message) => [`${message.room} ${message.number}`, message]));
  return acts.flatMap(({ who, room, shown }) =>
    shown.flatMap(({ number, text, author }) => {
      const message = truth.get(`${room} ${number}`);
      return message?.text === text && message.author === author
        ? []
        : [`${who} was shown ${number} of ${room} as ${text}, stored is ${message?.text ?? "nothing"}`];
    }),
  );
}

/** Which rooms a session may have been in from its beginning: those in which the sessions were that it goes on for. */
function inheritance(sealed: readonly SealedEvent[]): (session: string) => ReadonlySet<string> {
  const before = new Map<string, string[]>();
  const entered = new Map<string, Set<string>>();
  for (const { kind, session, room, detail } of sealed) {
    if (kind === "JOIN") entered.set(session, (entered.get(session) ?? new Set()).add(room));
    if (kind !== "LOGOUT" || detail.reason !== "replaced") continue;
    const heir = String(detail.successor);
    before.set(heir, [...(before.get(heir) ?? []), session]);
  }
  const roomsBefore = (session: string): Set<string> =>
    new Set(
      (before.get(session) ?? []).flatMap((older) => [...(entered.get(older) ?? []), ...roomsBefore(older)]),
    );
  return roomsBefore;
}

function groups<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const list = found.get(key);
    if (list) list.push(item);
    else found.set(key, [item]);
  }
  return found;
}
