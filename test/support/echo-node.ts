import { timingSafeEqual } from "node:crypto";
import { BatchClient } from "../../kamailio/jsonrpc/client.ts";
import type { JsonObject } from "../../kamailio/jsonrpc/codec.ts";
import { NotificationServer } from "../../kamailio/jsonrpc/server.ts";
import { eventually } from "./lab-ports.ts";

/** A `sip.request` with its texts decoded. */
export interface EdgeRequest {
  readonly raw: JsonObject;
  readonly method: string;
  readonly tx: string;
  readonly conid: number;
  readonly start: string;
  text(name: string): string;
  readonly body: Buffer;
}

export interface EchoAnswer {
  readonly code: number;
  readonly reason: string;
  readonly headers?: string;
  readonly body?: Buffer | string;
  readonly type?: string;
}

export interface EchoNodeOptions {
  readonly name: string;
  readonly key: string;
  readonly control: { readonly host: string; readonly port: number };
  readonly port?: number;
  /** What to answer; undefined keeps silent. 200 echoing nothing by default. */
  answer?: (request: EdgeRequest) => EchoAnswer | undefined;
}

/** A node that remembers what it is told and answers what it is told to. */
export interface EchoNode {
  readonly name: string;
  readonly port: number;
  readonly requests: EdgeRequest[];
  readonly closed: JsonObject[];
  readonly replies: JsonObject[];
  /** Notifications with a wrong key, and broken connections. */
  readonly strangers: string[];
  answer: ((request: EdgeRequest) => EchoAnswer | undefined) | undefined;
  batch(params: Omit<JsonObject, "copies"> & { readonly copies?: readonly Copies[] }): Promise<BatchResult>;
  /** A call as it travels. */
  send(params: JsonObject): Promise<BatchResult>;
  request(match: (request: EdgeRequest) => boolean, timeoutMs?: number): Promise<EdgeRequest>;
  stop(): Promise<void>;
}

/** A body and the dialogs it goes to: `[ruri, nexthop, from, to, callId, cseq, contact, conid]` each, and a route set. */
export interface Copies {
  readonly body: unknown;
  readonly dialogs: readonly (readonly unknown[])[];
}

let references = 0;

/** Copies as a call has them: every dialog told anew, under a reference of its own. */
export function told(copies: readonly Copies[]): JsonObject {
  const lines: unknown[] = [];
  const groups = copies.map(({ body, dialogs }) => {
    const to = dialogs.flatMap((entry) => {
      references += 1;
      lines.push([references, ...entry.slice(0, 5), ...entry.slice(6)]);
      return [references, entry[5]];
    });
    return { body, to };
  });
  return { life: "0", lines, copies: groups };
}

export interface BatchResult {
  readonly edge: string;
  readonly start: string;
  readonly answered: number;
  readonly gone: readonly (readonly [number, number])[];
  readonly sent: number;
  readonly dead: readonly number[];
  readonly refused: number;
  readonly unknown: readonly number[];
}

function decodeRequest(raw: JsonObject): EdgeRequest {
  const text = (name: string): string => Buffer.from(String(raw[name] ?? ""), "base64").toString("utf8");
  return {
    raw,
    text,
    method: String(raw.method),
    tx: String(raw.tx),
    conid: Number(raw.conid),
    start: String(raw.start),
    body: Buffer.from(String(raw.body ?? ""), "base64"),
  };
}

export async function startEchoNode(options: EchoNodeOptions): Promise<EchoNode> {
  const client = new BatchClient({
    ...options.control,
    path: "/parlance",
    key: options.key,
    localAddress: "127.0.0.2",
  });
  const [requests, closed, replies, strangers]: [EdgeRequest[], JsonObject[], JsonObject[], string[]] = [
    [],
    [],
    [],
    [],
  ];
  const expected = Buffer.from(options.key);
  const server = new NotificationServer({
    host: "127.0.0.1",
    port: options.port ?? 0,
    onProtocolError: (reason) => strangers.push(reason),
    onNotification(method, params, connection) {
      const given = Buffer.from(String(params.key));
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
        strangers.push("wrong key");
        connection.close();
        return;
      }
      if (method === "sip.closed") closed.push(params);
      if (method === "sip.reply") replies.push(params);
      if (method !== "sip.request") return;
      const request = decodeRequest(params);
      requests.push(request);
      const answer = node.answer === undefined ? { code: 200, reason: "OK" } : node.answer(request);
      if (answer === undefined) return;
      const [index, label] = request.tx.split(":").map(Number);
      const body = Buffer.from(answer.body ?? "").toString("base64");
      const entry = [
        index,
        label,
        answer.code,
        answer.reason,
        answer.headers ?? "",
        body,
        body === "" ? "" : (answer.type ?? "text/plain"),
      ];
      node
        .batch({ start: request.start, answers: [entry] })
        .catch((error: unknown) => strangers.push(String(error)));
    },
  });
  const node: EchoNode = {
    name: options.name,
    port: await server.listen(),
    requests,
    closed,
    replies,
    strangers,
    answer: options.answer,
    // The shape is Kamailio's part of the contract; the tests that read it would fail on another one.
    send: async (params) =>
      (await client.call(
        "parlance.batch",
        { node: options.name, start: "", ...params },
        { timeoutMs: 20_000 },
      )) as BatchResult,
    batch: ({ copies = [], ...params }) => node.send({ ...told(copies), ...params }),
    request: (match, timeoutMs = 20_000) =>
      eventually("request reaches the node", () => requests.find(match), timeoutMs),
    async stop() {
      client.close();
      await server.close();
    },
  };
  return node;
}
