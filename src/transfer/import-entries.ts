import type { z } from "zod";
import {
  type CategoryLine,
  categoryLine,
  messageLine,
  type PartKind,
  type PeopleLine,
  peopleLine,
  type RoomLine,
  roomLine,
} from "./format.ts";
import type { SettledLine } from "./import-people.ts";
import { checked, parsed } from "./manifest.ts";
import type { Line } from "./part-reader.ts";

type Value = PeopleLine | CategoryLine | RoomLine | z.infer<typeof messageLine>;

/** A line, understood. */
export interface Entry {
  readonly line: number;
  readonly text: string;
  readonly value: Value;
}

/** @throws {TransferError} */
export function entryOf(kind: PartKind, path: string, { line, text }: Line): Entry {
  const value = parsed(text, path, line);
  return { line, text, value: checkedValue(kind, value, path, line) };
}

function checkedValue(kind: PartKind, value: unknown, path: string, line: number): Value {
  switch (kind) {
    case "people":
      return checked(peopleLine, value, path, line);
    case "categories":
      return checked(categoryLine, value, path, line);
    case "rooms":
      return checked(roomLine, value, path, line);
    case "messages":
      return checked(messageLine, value, path, line);
    default:
      return kind satisfies never;
  }
}

export function isPeople(value: Value): value is SettledLine {
  return ["policy", "domain", "user", "group"].includes(value.type);
}

/** Addresses that stand in its lists. */
export function namedIn({ value }: Entry): string[] {
  if (value.type === "room") return [...value.members, ...value.managers, ...value.presenters];
  return value.type === "category" ? [...value.allowed, ...value.denied, ...value.creators] : [];
}
