import type { OutgoingDialog } from "../src/ports.ts";
import type { Incarnation } from "../src/sip/dialog.ts";
import { encodeAnswer, encodeCopies, type PendingAnswer } from "./batch.ts";

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
  /** The life of Kamailio it is meant for; "": any. */
  readonly start: string;
  readonly homes: ReadonlyMap<Incarnation, string> | undefined;
  readonly hello: boolean;
}

/**
 * JSON text of a call's parameters, joined from what each part has ready: a call holds a hundred lines that hardly change.
 * @param edgeStart the life of Kamailio whose connections still stand
 */
export function encodeCall({ answers, copies }: Load, about: About, edgeStart: string): string {
  const groups = copies.map(({ body, dialogs }) => {
    const reachable = dialogs.filter(({ flow }) => flow.edgeStart === edgeStart);
    return `{"body":${body},"dialogs":${encodeCopies(reachable)}}`;
  });
  const { node, start, homes, hello } = about;
  const head = `"node":${JSON.stringify(node)},"start":${JSON.stringify(start)}${hello ? ',"hello":true' : ""}`;
  const told = homes ? `,"homes":${JSON.stringify(Object.fromEntries(homes))}` : "";
  return `{${head},"answers":${JSON.stringify(answers.map(encodeAnswer))},"copies":[${groups.join(",")}]${told}}`;
}
