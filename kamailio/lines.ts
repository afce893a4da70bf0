import { randomBytes } from "node:crypto";
import type { OutgoingDialog } from "../src/ports.ts";
import type { Flow } from "../src/sip/dialog.ts";
import { contactUri } from "./batch.ts";
import type { Group } from "./load.ts";

/** Names this process: a reference of another one means something else. */
export const LIFE = randomBytes(8).toString("hex");

/** What a copy needs of its dialog. All of it stays the same while the client keeps its connection, so it is told once. */
interface Line {
  readonly flow: Flow;
  /** Stands for it in the calls of this process. */
  readonly reference: number;
  /**
   * JSON text: `[reference, ruri, nexthop, from, to, callId, contact, conid]`, then where there is one the route set, and method and
   * headers of what is no INFO.
   */
  readonly json: string;
  readonly bytes: number;
  /** Spreads dialogs evenly, and always the same way. */
  readonly spread: number;
}

const LINES = new WeakMap<OutgoingDialog, Line>();
let lastReference = 0;
/** Digits of a reference and a CSeq with their commas. */
const COPY_BYTES = 30;
/** Bytes around a body. */
export const GROUP_BYTES = 30;
/** References remembered for each socket; Kamailio remembers as many for each node. */
const MAX_TOLD = 65_536;

/** Which of `shards` sockets carries this dialog: always the same one, so that its messages stay in order. */
export function shardOf(dialog: OutgoingDialog, shards: number): number {
  return lineOf(dialog).spread % shards;
}

/**
 * What the process at the far end of one socket has been told. It may forget, or another process may have taken the socket over: it
 * names what it does not know, and is told again.
 */
export class Told {
  private readonly references = new Set<number>();

  /** Bytes of a copy in a call: most of them are names that the client chose, until they have been told. */
  copyBytes(dialog: OutgoingDialog): number {
    const { reference, bytes } = lineOf(dialog);
    return this.references.has(reference) ? COPY_BYTES : bytes + COPY_BYTES;
  }

  /** Bytes of all these in a call. */
  groupsBytes(groups: readonly Group[]): number {
    let bytes = 0;
    for (const { body, dialogs } of groups) {
      bytes += Buffer.byteLength(body) + GROUP_BYTES;
      for (const dialog of dialogs) bytes += this.copyBytes(dialog);
    }
    return bytes;
  }

  /** JSON texts of the lines to be told and of the groups of copies. Each copy gets the dialog's next CSeq. */
  encode(groups: readonly Group[]): { lines: string; copies: string } {
    if (this.references.size > MAX_TOLD) this.references.clear();
    const lines: string[] = [];
    const copies = groups.map(({ body, dialogs }) => {
      let to = "";
      for (const dialog of dialogs) {
        const { reference, json } = lineOf(dialog);
        if (!this.references.has(reference)) {
          this.references.add(reference);
          lines.push(json);
        }
        // RFC 3261 §12.2.1.1: given when it leaves, so it rises in the order of leaving
        to += `${to === "" ? "" : ","}${reference},${dialog.nextCSeq()}`;
      }
      return `{"body":${body},"to":[${to}]}`;
    });
    return { lines: `[${lines.join(",")}]`, copies: `[${copies.join(",")}]` };
  }

  /** What was not known there, and so has not been sent. @returns it, to be told and sent again */
  unknown(references: readonly number[], groups: readonly Group[]): Group[] {
    if (references.length === 0) return [];
    const wanted = new Set(references);
    for (const reference of wanted) this.references.delete(reference);
    return groups.flatMap(({ body, dialogs }) => {
      const some = dialogs.filter((dialog) => wanted.has(lineOf(dialog).reference));
      return some.length > 0 ? [{ body, dialogs: some }] : [];
    });
  }
}

function lineOf(dialog: OutgoingDialog): Line {
  const earlier = LINES.get(dialog);
  if (earlier?.flow === dialog.flow) return earlier;
  const { state, flow, form } = dialog;
  lastReference += 1;
  const json = JSON.stringify([
    lastReference,
    state.remoteTarget,
    `sip:${flow.source};transport=${flow.transport}`,
    // COMPAT(SIPE, 1.25): From is exactly the URI it invited, or the request is not answered at all.
    `<${state.localUri}>;tag=${state.localTag}`,
    `<${state.remoteUri}>;tag=${state.remoteTag}`,
    state.callId,
    `<${contactUri(state, flow)}>`,
    flow.conid,
    ...(state.routeSet === "" && !form ? [] : [state.routeSet]),
    ...(form ? [form.method, form.headers.map((header) => `${header}\r\n`).join("")] : []),
  ]);
  const line: Line = {
    flow,
    reference: lastReference,
    json,
    bytes: Buffer.byteLength(json),
    spread: Number.parseInt(state.token.slice(0, 8), 16),
  };
  LINES.set(dialog, line);
  return line;
}
