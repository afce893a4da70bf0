import { z } from "zod";
import type { Answer } from "../src/session.ts";
import type { DialogState, Flow } from "../src/sip/dialog.ts";

/** An answer to a suspended transaction, on its way to Kamailio. */
export interface PendingAnswer {
  readonly index: number;
  readonly label: number;
  readonly answer: Answer;
  /** Called when the transaction no longer existed: the client has been told 503. */
  readonly onGone: (() => void) | undefined;
}

/**
 * What Kamailio says to a batch. `dead` are connections that are gone, `gone` transactions that no longer exist, `unknown`
 * references whose lines it has not been told or has forgotten, `age` the whole seconds it has been running, `nodes` how many it
 * knows, `readBuffer` its `tcp_rd_buf_size` in answer to a ping (0: not known).
 */
export const batchResult = z.object({
  edge: z.string(),
  start: z.string().min(1),
  answered: z.number(),
  gone: z.array(z.tuple([z.number(), z.number()])),
  sent: z.number(),
  dead: z.array(z.number()),
  unknown: z.array(z.number()),
  age: z.number(),
  nodes: z.number(),
  readBuffer: z.number().optional(),
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

/** Our Contact: the token in it is how the client's requests find their dialog. */
export function contactUri(state: DialogState, flow: Flow): string {
  return `sip:${state.issuedBy}.${state.token}@${state.localAddress};transport=${flow.transport}`;
}
