/**
 * Where a term stands, as bytes: groups of one room each, ascending. A group is the difference to the room before it, how many
 * messages it has, and the difference of each number to the one before, from 0; all as LEB128.
 */
export interface PostingsPart {
  readonly roomFrom: number;
  readonly numberFrom: number;
  readonly roomTo: number;
  readonly hits: number;
  readonly bytes: Buffer;
}

/** A row holds about this much, so that a search in one room reads little of a word that is everywhere. */
const PART_BYTES = 2_000;
/** Numbers in one group: at most 5 bytes each, so that a part always fits its column. */
const GROUP_NUMBERS = 400;
/** A row of this size is not merged any more. */
export const FULL_BYTES = PART_BYTES / 2;

/**
 * @param pairs room, number, room, number, …, ascending, each message once
 * @returns rows for one term, none of them larger than its column
 */
export function encodePostings(pairs: readonly number[]): PostingsPart[] {
  const parts: PostingsPart[] = [];
  for (let at = 0; at < pairs.length; ) {
    const room = pairs[at] ?? 0;
    let end = at + 2;
    const most = at + 2 * GROUP_NUMBERS;
    while (end < most && pairs[end] === room) end += 2;
    writeGroup(parts, pairs, at, end);
    at = end;
  }
  closePart(parts);
  return parts;
}

/** Ascending, each once. */
export function pairsOf(rooms: ReadonlyMap<number, number[]>): number[] {
  const pairs: number[] = [];
  for (const room of [...rooms.keys()].sort(ascending))
    for (const number of sortedOnce(rooms.get(room) ?? [])) pairs.push(room, number);
  return pairs;
}

/**
 * Adds the messages of a part to those of the rooms that are wanted.
 * @param into lists to add to, by room; a room that has none is passed over
 * @throws {RangeError} when they end within a group
 */
export function decodePostings(
  bytes: Uint8Array,
  roomFrom: number,
  into: { get(room: number): number[] | undefined },
): void {
  let at = 0;
  const next = (): number => {
    const first = bytes[at++] ?? 0;
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let factor = 128; ; factor *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  let room = roomFrom;
  while (at < bytes.length) {
    room += next();
    const list = into.get(room);
    let number = 0;
    let left = next();
    if (list) {
      for (; left > 0; left--) {
        number += next();
        list.push(number);
      }
    } else {
      for (; left > 0 && at < bytes.length; at++) if ((bytes[at] ?? 0) < 0x80) left -= 1;
    }
    if (left > 0 || at > bytes.length) throw new RangeError("postings end within a group");
  }
}

/** Ascending, each once; gives the list itself when it is so already. */
export function sortedOnce(numbers: number[]): number[] {
  let inOrder = true;
  for (let at = 1; at < numbers.length && inOrder; at++)
    inOrder = (numbers[at - 1] ?? 0) < (numbers[at] ?? 0);
  return inOrder ? numbers : [...new Set(numbers)].sort(ascending);
}

function ascending(a: number, b: number): number {
  return a - b;
}

/** The part being written: one at a time, since nothing waits in between. */
const part = {
  buffer: Buffer.allocUnsafeSlow(PART_BYTES + 10 + GROUP_NUMBERS * 5),
  length: 0,
  roomFrom: 0,
  numberFrom: 0,
  roomTo: 0,
  hits: 0,
};

/** The numbers of one room, `pairs` from `at` to `end`. */
function writeGroup(parts: PostingsPart[], pairs: readonly number[], at: number, end: number): void {
  const room = pairs[at] ?? 0;
  const first = pairs[at + 1] ?? 0;
  const count = (end - at) / 2;
  if (part.length > 0 && part.length + mostBytes(first, pairs[end - 1] ?? 0, count) > PART_BYTES)
    closePart(parts);
  if (part.length === 0) {
    part.roomFrom = room;
    part.roomTo = room;
    part.numberFrom = first;
  }
  writeNumber(room - part.roomTo);
  writeNumber(count);
  let before = 0;
  for (let pair = at + 1; pair < end; pair += 2) {
    const number = pairs[pair] ?? 0;
    writeNumber(number - before);
    before = number;
  }
  part.roomTo = room;
  part.hits += count;
}

function closePart(parts: PostingsPart[]): void {
  if (part.length === 0) return;
  const { roomFrom, numberFrom, roomTo, hits, length } = part;
  parts.push({ roomFrom, numberFrom, roomTo, hits, bytes: Buffer.from(part.buffer.subarray(0, length)) });
  part.length = 0;
  part.hits = 0;
}

function writeNumber(value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    part.buffer[part.length++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  part.buffer[part.length++] = rest;
}

function mostBytes(first: number, last: number, count: number): number {
  const widest = last - first < 0x80 ? 1 : last - first < 0x4000 ? 2 : 5;
  return 10 + 5 + (count - 1) * widest;
}
