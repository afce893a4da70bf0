import { z } from "zod";
import type { OutgoingDialog } from "../src/ports.ts";
import type { Answer } from "../src/session.ts";
import type { Flow } from "../src/sip/dialog.ts";

/** An answer to a suspended transaction, on its way to Kamailio. */
export interface PendingAnswer {
  readonly index: number;
  readonly label: number;
  readonly answer: Answer;
  /** Called when the transaction no longer existed: the client has been told 503. */
  readonly onGone: (() => void) | undefined;
}

/**
 * What Kamailio says to a batch. `dead` are connections that are gone, `gone` transactions that no longer exist, `age` the whole
 * seconds it has been running, `nodes` how many it knows.
 */
export const batchResult = z.object({
  edge: z.string(),
  start: z.string().min(1),
  answered: z.number(),
  gone: z.array(z.tuple([z.number(), z.number()])),
  sent: z.number(),
  dead: z.array(z.number()),
  age: z.number(),
  nodes: z.number(),
});

export type BatchResult = z.infer<typeof batchResult>;

/** `[index, label, code, reason, headers, body, contentType]`; the body is base64. */
export function encodeAnswer({ index, label, answer }: PendingAnswer): unknown[] {
  const headers = (answer.headers ?? []).map((header) => `${header}\r\n`).join("");
  const body = answer.body === undefined ? "" : Buffer.from(answer.body).toString("base64");
  return [index, label, answer.status, answer.reason, headers, body, answer.contentType ?? ""];
}

/** Bytes of an answer in a call, a little more rather than less. */
export function answerBytes(answer: PendingAnswer): number {
  return Buffer.byteLength(JSON.stringify(encodeAnswer(answer))) + 1;
}

interface Known {
  readonly flow: Flow;
  /** JSON text before and after the CSeq. */
  readonly head: string;
  readonly tail: string;
  readonly bytes: number;
  /** Spreads dialogs evenly, and always the same way. */
  readonly spread: number;
}

const KNOWN = new WeakMap<OutgoingDialog, Known>();
/** A CSeq's digits, and the comma after the line. */
const CSEQ_BYTES = 12;

/**
 * JSON text of the list of copies: `[ruri, nexthop, from, to, callId, cseq, contact, conid]` each, and the route set where there is
 * one. All but the CSeq stays the same while the client keeps its connection, and is written once.
 */
export function encodeCopies(dialogs: readonly OutgoingDialog[]): string {
  let lines = "";
  for (const dialog of dialogs) {
    const { head, tail } = knownOf(dialog);
    // RFC 3261 §12.2.1.1: given when it leaves, so it rises in the order of leaving
    lines += (lines === "" ? "" : ",") + head + dialog.nextCSeq() + tail;
  }
  return `[${lines}]`;
}

/** Bytes of a copy's line in a call: mostly names that the client chose. */
export function copyBytes(dialog: OutgoingDialog): number {
  return knownOf(dialog).bytes;
}

/** Which of `shards` sockets carries this dialog: always the same one, so that its messages stay in order. */
export function shardOf(dialog: OutgoingDialog, shards: number): number {
  return knownOf(dialog).spread % shards;
}

function knownOf(dialog: OutgoingDialog): Known {
  const earlier = KNOWN.get(dialog);
  if (earlier?.flow === dialog.flow) return earlier;
  const { state, flow } = dialog;
  const addresses = [
    state.remoteTarget,
    `sip:${flow.source};transport=${flow.transport}`,
    // COMPAT(SIPE, 1.25): From is exactly the URI it invited, or the request is not answered at all.
    `<${state.localUri}>;tag=${state.localTag}`,
    `<${state.remoteUri}>;tag=${state.remoteTag}`,
    state.callId,
  ];
  const head = `${JSON.stringify(addresses).slice(0, -1)},`;
  const routes = state.routeSet === "" ? [] : [state.routeSet];
  const tail = `,${JSON.stringify([`<${contactUri(state, flow)}>`, flow.conid, ...routes]).slice(1)}`;
  const bytes = Buffer.byteLength(head) + CSEQ_BYTES + Buffer.byteLength(tail);
  const known = { flow, head, tail, bytes, spread: Number.parseInt(state.token.slice(0, 8), 16) };
  KNOWN.set(dialog, known);
  return known;
}

/** Our Contact: the token in it is how the client's requests find their dialog. */
export function contactUri(state: OutgoingDialog["state"], flow: Flow): string {
  return `sip:${state.issuedBy}.${state.token}@${state.localAddress};transport=${flow.transport}`;
}
