import { canonicalJson } from "../../chat/compliance-event.ts";
import { Frontier } from "../log/frontier.ts";
import { sha256 } from "../log/hashes.ts";
import type { Signer } from "../log/note.ts";
import { signNote } from "../log/note.ts";

/** A day of UTC, YYYY-MM-DD. */
export type Day = string & { readonly __brand: "Day" };

const DAY_MS = 86_400_000;

/** @returns undefined for what is no day of the calendar */
export function asDay(text: string): Day | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined;
  const ms = Date.parse(`${text}T00:00:00.000Z`);
  return !Number.isNaN(ms) && dayOf(ms) === text ? dayOf(ms) : undefined;
}

export function dayOf(ms: number): Day {
  return new Date(ms).toISOString().slice(0, 10) as Day; // ISO 8601 begins with it
}

export function beginOf(day: Day): number {
  return Date.parse(`${day}T00:00:00.000Z`);
}

export function endOf(day: Day): number {
  return beginOf(day) + DAY_MS;
}

/** What was sealed of a stream on that day. Numbers are dense: count = last - first + 1, and first follows the day before. */
export interface StreamStatement {
  readonly stream: string;
  /** The room's; null for other streams, and for rooms that are gone. */
  readonly name: string | null;
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** Of these, messages that were posted. */
  readonly messages: number;
  /** Of these, events in the place of others whose loss was accepted; statements of older versions do not say it. */
  readonly missing?: number;
  /** Its numbers do not follow one another in the log, which is broken then; absent when they do. */
  readonly broken?: true;
  /** Root after RFC 6962 over the leaf hashes of these events, base64. */
  readonly root: string;
}

/** How the books stand when the statement is made. */
export interface Standing {
  readonly madeMs: number;
  /** Age of the oldest recorded event that is not sealed; 0 when none waits. */
  readonly oldestUnsealedMs: number;
  readonly unsealed: number;
  /** Streams that wait for an event, and for which one. */
  readonly gaps: readonly { readonly stream: string; readonly missing: number }[];
  readonly differences: readonly {
    readonly what: string;
    readonly stream: string;
    readonly first: number;
    readonly last: number;
  }[];
  /** Of the last comparison of chat and archive; null when there was none. */
  readonly balance: {
    readonly atMs: number;
    readonly committed: number;
    readonly sealed: number;
    readonly pending: number;
  } | null;
}

/** The balance sheet of a day: everything that was sealed in it, stream by stream, and what is open. */
export interface Statement {
  readonly v: 1;
  readonly day: Day;
  /** False: the day is not over, or the archive not signed beyond it. */
  readonly final: boolean;
  /** Numbers of the log; `to` is not included. Each event belongs to exactly one day: the one in which it was sealed. */
  readonly from: number;
  readonly to: number;
  /** Root of the log at `to`, base64. */
  readonly root: string;
  readonly streams: readonly StreamStatement[];
  readonly standing: Standing;
}

export interface SealedLeaf {
  readonly streamId: number;
  readonly streamSeq: number;
  readonly hash: Buffer;
  readonly isMessage: boolean;
  /** It stands for an event that is lost. */
  readonly isMissing: boolean;
}

/** Adds up leaves in the order of the log. */
export class DaySum {
  readonly #streams = new Map<
    number,
    { first: number; last: number; messages: number; missing: number; frontier: Frontier }
  >();
  /** Streams of which a number is missing in between: the log itself is broken then. */
  readonly #broken = new Set<number>();

  add({ streamId, streamSeq, hash, isMessage, isMissing }: SealedLeaf): void {
    let sum = this.#streams.get(streamId);
    if (!sum) {
      sum = { first: streamSeq, last: streamSeq - 1, messages: 0, missing: 0, frontier: new Frontier() };
      this.#streams.set(streamId, sum);
    }
    if (streamSeq !== sum.last + 1) this.#broken.add(streamId);
    sum.last = streamSeq;
    sum.messages += isMessage ? 1 : 0;
    sum.missing += isMissing ? 1 : 0;
    sum.frontier.append(hash);
  }

  get streamIds(): number[] {
    return [...this.#streams.keys()];
  }

  statements(names: ReadonlyMap<number, { stream: string; name: string | null }>): StreamStatement[] {
    const list = [...this.#streams].map(
      ([id, { first, last, messages, missing, frontier }]): StreamStatement => {
        const { stream = `stream ${id}`, name = null } = names.get(id) ?? {};
        const root = frontier.root().toString("base64");
        const broken = this.#broken.has(id) ? ({ broken: true } as const) : {};
        return { stream, name, first, last, count: frontier.size, messages, missing, ...broken, root };
      },
    );
    return list.sort((a, b) => (a.stream < b.stream ? -1 : 1));
  }
}

/** Sealing takes a moment: what is younger is under way. */
const UNDER_WAY_MS = 60_000;

/**
 * Nothing is missing and nothing was open when it was made: no event waited for more than a minute, and chat and archive had been
 * compared, with equal sums.
 */
export function isComplete({ streams, standing }: Statement): boolean {
  const { gaps, differences, oldestUnsealedMs, balance } = standing;
  return (
    gaps.length === 0 &&
    differences.length === 0 &&
    oldestUnsealedMs <= UNDER_WAY_MS &&
    balance !== null &&
    balance.committed === balance.sealed + balance.pending &&
    streams.every(({ first, last, count, broken }) => count === last - first + 1 && !broken)
  );
}

/** The bytes that the signature is about: keys sorted, no blanks. */
export function statementBody(statement: Statement): string {
  return canonicalJson(statement);
}

/** A text that no checkpoint can be mistaken for: its second line is no number. */
export function statementText(origin: string, { day, from, to }: Statement, body: string): string {
  return `${origin}\ncompleteness ${day}\nevents ${from} ${to}\nsha256 ${sha256(body).toString("base64")}\n`;
}

/** @returns a C2SP signed note over the statement's hash */
export function signStatement(statement: Statement, signer: Signer): Promise<string> {
  return signNote(statementText(signer.name, statement, statementBody(statement)), signer);
}
