import type { Entry } from "ldapts";

/** Values of an attribute as text. Names are compared without regard to case (RFC 4512 §2.5). */
export function valuesOf(entry: Entry, name: string): string[] {
  const wanted = name.toLowerCase();
  const key = Object.keys(entry).find((one) => one !== "dn" && one.toLowerCase() === wanted);
  return key === undefined ? [] : list(entry[key]).map((value) => value.toString("utf8"));
}

export function textOf(entry: Entry, name: string): string | undefined {
  return valuesOf(entry, name).find((value) => value.trim() !== "");
}

/**
 * What stands for the group for ever: text such as entryUUID, or the 16 bytes of Active Directory's objectGUID, in lower
 * case. Undefined when it has none.
 */
export function groupId(entry: Entry, name: string): string | undefined {
  const wanted = name.toLowerCase();
  const key = Object.keys(entry).find((one) => one.toLowerCase() === wanted);
  const [value] = key === undefined ? [] : list(entry[key]);
  if (value === undefined) return undefined;
  if (typeof value === "string" || value.every((byte) => byte > 0x20 && byte < 0x7f))
    return value.toString().toLowerCase();
  return value.length === 16 ? guidOf(value) : undefined;
}

/** Values of `name;range=0-1499`, and where the rest begins; undefined when there is no such portion. */
export function remainingRange(
  entry: Entry,
  name: string,
): { readonly values: string[]; readonly next: number | undefined } | undefined {
  for (const key of Object.keys(entry)) {
    const match = /^(.+);range=\d+-(\d+|\*)$/i.exec(key);
    if (match?.[1]?.toLowerCase() !== name.toLowerCase()) continue;
    const values = list(entry[key]).map((value) => value.toString("utf8"));
    return { values, next: match[2] === "*" ? undefined : Number(match[2]) + 1 };
  }
  return undefined;
}

function list(values: Entry[string] | undefined): (Buffer | string)[] {
  return values === undefined ? [] : Array.isArray(values) ? values : [values];
}

/** Microsoft writes the first three fields with the lowest byte first ([MS-DTYP] 2.3.4.2). */
function guidOf(bytes: Buffer): string {
  const fields = [
    Buffer.from(bytes.subarray(0, 4)).reverse(),
    Buffer.from(bytes.subarray(4, 6)).reverse(),
    Buffer.from(bytes.subarray(6, 8)).reverse(),
    bytes.subarray(8, 10),
    bytes.subarray(10),
  ];
  return fields.map((field) => field.toString("hex")).join("-");
}
