import { isUtf8 } from "node:buffer";

/** What stands in a leaf for everybody to read. */
export interface LeafHead {
  /** 32 hex digits. */
  readonly eventId: string;
  readonly stream: string;
  readonly streamSeq: number;
  readonly kind: string;
  readonly atMs: number;
  readonly roomId: number;
  /** These three are null when the body is not one of ours and only kept. */
  readonly actorId: number | null;
  readonly node: string | null;
  readonly session: string | null;
}

/** A part of the body that the leaf only commits to: its name, and its JSON, byte for byte as it stands in the body. */
export type CommittedPart = readonly [name: string, json: string | Uint8Array];

/** An event taken apart: together, head and parts say every byte of the body. */
export interface Content {
  readonly head: LeafHead;
  /** In the order of their names. */
  readonly parts: readonly CommittedPart[];
}

/** Columns of an event's row, and its body. */
export interface EventRow {
  readonly eventId: string;
  readonly stream: string;
  readonly streamSeq: number;
  readonly kind: string;
  readonly atMs: number;
  readonly roomId: number;
  readonly body: Uint8Array;
}

export const MAX_PARTS = 16;
const HEAD_MEMBERS = new Set(["at", "eventId", "kind", "node", "session", "stream", "streamSeq", "v"]);
/** Short, without quotes and backslashes: so that a leaf has a limited size. */
const WORD = /^[!#-[\]-~]{0,128}$/;
/** Levels of a canonical body. Where a stack ends would depend on who looks. */
const MAX_DEPTH = 50;
const PART_NAME = /^[a-z][A-Za-z]{0,31}$/;
/** Names that stand for parts of the detail with commitments of their own, and for a whole body. */
const RESERVED = new Set(["rtf", "text", "body"]);

/**
 * Takes an event apart. A body that is not in canonical form, or says something else than its row, is committed to as a
 * whole: it was recorded, so it is kept and sealed, whatever it is.
 */
export function takeApart(row: EventRow): Content {
  return (
    canonical(row) ?? {
      head: { ...headOf(row), actorId: null, node: null, session: null },
      parts: [["body", row.body]],
    }
  );
}

/** Of a body whose row is not known: undefined when it is not in canonical form. */
export function canonicalContent(body: Uint8Array): Content | undefined {
  if (!isUtf8(body)) return undefined;
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || isDeeper(value, MAX_DEPTH) || !isSorted(Object.keys(value))) return undefined;
  const head = readHead(value);
  const read = head && readParts(value);
  // Each member is spelled once: put together again they must be the body, byte for byte.
  return head && read?.text === text ? { head, parts: read.parts } : undefined;
}

/** What an event of this kind tells of itself; undefined for another kind, and for a body that is not in canonical form. */
export function detailOf(body: Uint8Array, kind: string): Readonly<Record<string, unknown>> | undefined {
  const content = canonicalContent(body);
  const json = content?.parts.find(([name]) => name === "detail")?.[1];
  return content?.head.kind === kind && typeof json === "string" ? JSON.parse(json) : undefined;
}

function canonical(row: EventRow): Content | undefined {
  const content = canonicalContent(row.body);
  if (!content) return undefined;
  const { head } = content;
  const fits =
    head.eventId === row.eventId &&
    head.stream === row.stream &&
    head.streamSeq === row.streamSeq &&
    head.kind === row.kind &&
    head.atMs === row.atMs &&
    head.roomId === row.roomId;
  return fits ? content : undefined;
}

function headOf({ eventId, stream, streamSeq, kind, atMs, roomId }: EventRow) {
  return { eventId, stream, streamSeq, kind, atMs, roomId };
}

function readHead(value: Readonly<Record<string, unknown>>): LeafHead | undefined {
  const { at, eventId, kind, node, session, stream, streamSeq, v, actor, room } = value;
  const actorId = isObject(actor) ? actor.id : undefined;
  const roomId = isObject(room) ? room.id : undefined;
  if (v !== 1 || !isWhole(at) || !isWhole(streamSeq) || !isWhole(actorId) || !isWhole(roomId))
    return undefined;
  if (!isWord(eventId) || !isWord(kind) || !isWord(node) || !isWord(session) || !isWord(stream))
    return undefined;
  return { eventId, stream, streamSeq, kind, atMs: at, roomId, actorId, node, session };
}

interface ReadParts {
  readonly parts: readonly CommittedPart[];
  /** Of the body that they make up together with the head. */
  readonly text: string;
}

function readParts(value: Readonly<Record<string, unknown>>): ReadParts | undefined {
  const parts: CommittedPart[] = [];
  const members: string[] = [];
  for (const name of Object.keys(value)) {
    let json: string;
    if (name === "detail") {
      const detail = readDetail(value[name], parts);
      if (detail === undefined) return undefined;
      json = detail;
    } else {
      json = JSON.stringify(value[name]);
      if (!HEAD_MEMBERS.has(name)) {
        if (!PART_NAME.test(name) || RESERVED.has(name)) return undefined;
        parts.push([name, json]);
      }
    }
    members.push(`"${name}":${json}`);
  }
  if (parts.length > MAX_PARTS) return undefined;
  parts.sort(([a], [b]) => (a < b ? -1 : 1));
  return { parts, text: `{${members.join(",")}}` };
}

/** Adds its parts. @returns its JSON */
function readDetail(value: unknown, parts: CommittedPart[]): string | undefined {
  if (!isObject(value)) return undefined;
  const names = Object.keys(value);
  if (!isSorted(names)) return undefined;
  const all: string[] = [];
  const rest: string[] = [];
  for (const name of names) {
    const json = JSON.stringify(value[name]);
    const member = `${JSON.stringify(name)}:${json}`;
    all.push(member);
    if (name === "rtf" || name === "text") parts.push([name, json]);
    else rest.push(member);
  }
  parts.push(["detail", `{${rest.join(",")}}`]);
  return `{${all.join(",")}}`;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  for (const member of Object.values(value)) if (isDeeper(member, levels - 1)) return true;
  return false;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isWord(value: unknown): value is string {
  return typeof value === "string" && WORD.test(value);
}

function isSorted(names: readonly string[]): boolean {
  return names.every((name, index) => index === 0 || (names[index - 1] ?? "") < name);
}
