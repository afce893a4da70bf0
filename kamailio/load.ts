import type { OutgoingDialog } from "../src/ports.ts";
import type { Incarnation } from "../src/sip/dialog.ts";
import { encodeAnswer, type PendingAnswer } from "./batch.ts";
import { LIFE, type Told } from "./lines.ts";

/** What goes out in one call. */
export interface Load {
  readonly answers: readonly PendingAnswer[];
  /** Bodies as JSON text. */
  readonly copies: readonly Group[];
}

/** One body, and to whom it goes. */
export interface Group {
  readonly body: string;
  readonly dialogs: readonly OutgoingDialog[];
}

/** Answers and copies in it. */
export function sizeOf({ answers, copies }: Load): number {
  return copies.reduce((sum, { dialogs }) => sum + dialogs.length, answers.length);
}

/** The same in two loads, in the same order. @param load of two or more */
export function halves(load: Load): [Load, Load] {
  const middle = Math.ceil(sizeOf(load) / 2);
  const { answers, copies } = load;
  const first: Group[] = [];
  const second: Group[] = [];
  let left = Math.max(0, middle - answers.length);
  for (const { body, dialogs } of copies) {
    const [before, after] = [dialogs.slice(0, left), dialogs.slice(left)];
    left -= before.length;
    if (before.length > 0) first.push({ body, dialogs: before });
    if (after.length > 0) second.push({ body, dialogs: after });
  }
  return [
    { answers: answers.slice(0, middle), copies: first },
    { answers: answers.slice(middle), copies: second },
  ];
}

/** What a call says besides its load. */
export interface About {
  readonly node: string;
  /** A life that Kamailio has heard a successor of says nothing any more: it was paused in the middle of a call, perhaps. */
  readonly me: Incarnation;
  /** The life of Kamailio it is meant for; "": any. */
  readonly start: string;
  readonly homes: ReadonlyMap<Incarnation, string> | undefined;
  readonly hello: boolean;
}

/** What of it goes to connections that still stand. @param edgeStart the life of Kamailio they belong to */
export function standing({ answers, copies }: Load, edgeStart: string): Load {
  const groups = copies.map(({ body, dialogs }) => ({
    body,
    dialogs: dialogs.filter(({ flow }) => flow.edgeStart === edgeStart),
  }));
  return { answers, copies: groups.filter(({ dialogs }) => dialogs.length > 0) };
}

/** JSON text of a call's parameters, joined from what each part has ready. */
export function encodeCall({ answers, copies }: Load, about: About, told: Told): string {
  const groups = told.encode(copies);
  const { node, me, start, homes, hello } = about;
  const head = `"node":${JSON.stringify(node)},"incarnation":${JSON.stringify(me)},"life":"${LIFE}","start":${JSON.stringify(start)}${hello ? ',"hello":true' : ""}`;
  const tail = homes ? `,"homes":${JSON.stringify(Object.fromEntries(homes))}` : "";
  const waiting = JSON.stringify(answers.map(encodeAnswer));
  return `{${head},"answers":${waiting},"lines":${groups.lines},"copies":${groups.copies}${tail}}`;
}
