/** JSON-RPC 2.0 (https://www.jsonrpc.org/specification) as far as this link uses it: one object per frame. */

export type JsonObject = { readonly [name: string]: unknown };

export interface Notification {
  readonly kind: "notification";
  readonly method: string;
  readonly params: JsonObject;
}

export interface Request {
  readonly kind: "request";
  readonly id: number | string;
  readonly method: string;
  readonly params: JsonObject;
}

export interface Success {
  readonly kind: "success";
  readonly id: number | string | null;
  readonly result: unknown;
}

export interface Failure {
  readonly kind: "failure";
  readonly id: number | string | null;
  readonly code: number;
  readonly message: string;
}

/** The text is not what the specification allows; `reason` never repeats it. */
export class CodecError extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(`json-rpc: ${reason}`, options);
    this.name = "CodecError";
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Without the parser's own message: it quotes the text.
    throw new CodecError("not JSON");
  }
  if (!isJsonObject(value)) throw new CodecError("not an object");
  if (value.jsonrpc !== "2.0") throw new CodecError("version is not 2.0");
  return value;
}

function isId(value: unknown): value is number | string {
  return typeof value === "string" || (typeof value === "number" && Number.isFinite(value));
}

/**
 * A call as Kamailio sends it: params by name. Absent params become `{}`.
 * @throws CodecError
 */
export function decodeCall(text: string): Notification | Request {
  const value = parseObject(text);
  if (typeof value.method !== "string" || value.method === "") throw new CodecError("no method");
  const params = value.params ?? {};
  if (!isJsonObject(params)) throw new CodecError("params are not an object");
  if (value.id === undefined) return { kind: "notification", method: value.method, params };
  if (!isId(value.id)) throw new CodecError("id is neither number nor string");
  return { kind: "request", id: value.id, method: value.method, params };
}

/**
 * An answer to a call.
 * @throws CodecError
 */
export function decodeAnswer(text: string): Success | Failure {
  const value = parseObject(text);
  const id = value.id ?? null;
  if (id !== null && !isId(id)) throw new CodecError("id is neither number nor string");
  if (value.error === undefined) {
    if (!("result" in value)) throw new CodecError("neither result nor error");
    return { kind: "success", id, result: value.result };
  }
  const { error } = value;
  if (!isJsonObject(error) || typeof error.code !== "number" || typeof error.message !== "string")
    throw new CodecError("malformed error");
  return { kind: "failure", id, code: error.code, message: error.message };
}

/** @param params an object, or the JSON text of one that the caller has put together itself */
export function encodeRequest(id: number, method: string, params: JsonObject | string): string {
  if (typeof params !== "string") return JSON.stringify({ jsonrpc: "2.0", id, method, params });
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${params}}`;
}

export function encodeNotification(method: string, params: JsonObject): string {
  return JSON.stringify({ jsonrpc: "2.0", method, params });
}
