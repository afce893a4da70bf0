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

/** What Kamailio says to a batch. `dead` are connections that are gone, `gone` transactions that no longer exist. */
export const batchResult = z.object({
  edge: z.string(),
  start: z.string().min(1),
  answered: z.number(),
  gone: z.array(z.tuple([z.number(), z.number()])),
  sent: z.number(),
  dead: z.array(z.number()),
});

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

type CopyFields = [
  ruri: string,
  nexthop: string,
  from: string,
  to: string,
  callId: string,
  cseq: number,
  contact: string,
  conid: number,
];

interface Known {
  readonly flow: Flow;
  readonly fields: CopyFields;
  readonly bytes: number;
}

const FIELDS = new WeakMap<OutgoingDialog, Known>();
/** A CSeq's digits, and the comma after the line. */
const CSEQ_BYTES = 12;

/** One line per copy. All but the CSeq stays the same while the client keeps its connection, and is built once. */
export function encodeCopies(dialogs: readonly OutgoingDialog[]): CopyFields[] {
  return dialogs.map((dialog) => {
    const fields: CopyFields = [...knownOf(dialog).fields];
    fields[5] = dialog.nextCSeq(); // RFC 3261 §12.2.1.1: given when it leaves, so it rises in the order of leaving
    return fields;
  });
}

/** Bytes of a copy's line in a call: mostly names that the client chose. */
export function copyBytes(dialog: OutgoingDialog): number {
  return knownOf(dialog).bytes;
}

function knownOf(dialog: OutgoingDialog): Known {
  const earlier = FIELDS.get(dialog);
  if (earlier?.flow === dialog.flow) return earlier;
  const fields = fieldsOf(dialog);
  const bytes = Buffer.byteLength(JSON.stringify(fields)) + CSEQ_BYTES;
  const known = { flow: dialog.flow, fields, bytes };
  FIELDS.set(dialog, known);
  return known;
}

function fieldsOf({ state, flow }: OutgoingDialog): CopyFields {
  const transport = `;transport=${flow.transport}`;
  return [
    state.remoteTarget,
    `sip:${flow.source}${transport}`,
    // COMPAT(SIPE, 1.25): From is exactly the URI it invited, or the request is not answered at all.
    `<${state.localUri}>;tag=${state.localTag}`,
    `<${state.remoteUri}>;tag=${state.remoteTag}`,
    state.callId,
    0,
    `<${contactUri(state, flow)}>`,
    flow.conid,
  ];
}

/** Our Contact: the token in it is how the client's requests find their dialog. */
export function contactUri(state: OutgoingDialog["state"], flow: Flow): string {
  return `sip:${state.issuedBy}.${state.token}@${state.localAddress};transport=${flow.transport}`;
}
