import { groupUri, userUri } from "../management/addresses.ts";
import { nameIn, recordNames, recordPolicies } from "../management/people.ts";
import type { KnownPrincipal, PrincipalFields } from "../management/ports.ts";
import type { PeopleLine } from "./format.ts";
import type { ConflictRule, ImportUnit } from "./ports.ts";

/** What is taken over one by one. */
export type SettledLine = Exclude<PeopleLine, { type: "membership" }>;

interface Doing {
  readonly unit: ImportUnit;
  readonly rule: ConflictRule;
  readonly intoEmpty: boolean;
  readonly note: (text: string) => void;
}

/**
 * Policies, domains, users and groups. Who is known stays as he is, unless things are overwritten. Global policies are taken over
 * into an empty domain only, or when things are overwritten: they concern everybody who is here already.
 * @throws {ChatError} for an address that is none
 */
export async function importPeople(
  doing: Doing,
  lines: readonly SettledLine[],
  at: (index: number) => void,
): Promise<void> {
  const { unit } = doing;
  const uris = lines.flatMap((value) => (value.type === "policy" ? [] : [value.uri]));
  const known =
    uris.length > 0 ? await unit.principals([...new Set(uris)]) : new Map<string, KnownPrincipal>();
  for (const [index, value] of lines.entries()) {
    at(index);
    if (value.type === "policy") await importPolicy(doing, value);
    else await importPrincipal(doing, value, known);
  }
}

async function importPolicy(
  { unit, rule, intoEmpty, note }: Doing,
  { name, on }: Extract<SettledLine, { type: "policy" }>,
): Promise<void> {
  const before = await unit.globalPolicy(name);
  if (before === on) return;
  if (!intoEmpty && rule !== "overwrite") {
    note(
      `the global policy "${name}" stays ${before ? "on" : "off"}; in the files it is ${on ? "on" : "off"}`,
    );
    return;
  }
  await unit.setGlobalPolicy(name, on);
  unit.record({ kind: "POLICY_CHANGED", subject: name, before, after: on });
  unit.changed({ kind: "everybody" });
}

async function importPrincipal(
  { unit, rule, note }: Doing,
  value: Exclude<SettledLine, { type: "policy" }>,
  known: Map<string, KnownPrincipal>,
): Promise<void> {
  const fields = fieldsOf(value);
  const there = known.get(fields.uri);
  if (there && there.kind !== fields.kind) {
    note(`${fields.uri} is a ${there.kind} here, a ${fields.kind} in the files: it stays as it is`);
    return;
  }
  if (there && (rule !== "overwrite" || same(there, fields))) return;
  const id = there?.id ?? (await unit.insertPrincipal(fields));
  if (there) await unit.updatePrincipal(id, fields);
  known.set(fields.uri, { ...fields, id });
  if (fields.kind === "user") {
    recordNames(unit, fields.uri, there, fields);
    recordPolicies(unit, fields.uri, there, fields);
    if (there) unit.changed({ kind: "user", id }); // whoever is new is nowhere yet
  } else if (fields.administrator !== (there?.administrator ?? false)) {
    recordPolicies(unit, fields.uri, there, fields);
    unit.changed({ kind: "everybody" });
  }
  if (value.type === "group" && value.dn !== null) await unit.setDirectoryName(id, value.dn);
}

/** @throws {ChatError} BAD_REQUEST */
function fieldsOf(value: Exclude<SettledLine, { type: "policy" }>): PrincipalFields {
  const nothing = { email: null, enabled: null, mayCreateRooms: null, administrator: false };
  if (value.type === "domain") return { ...nothing, uri: value.uri, kind: "domain", displayName: value.uri };
  const { name: displayName, administrator } = value;
  if (value.type === "group")
    return { ...nothing, uri: groupUri(value.uri), kind: "group", displayName, administrator };
  const { email, chat: enabled, createRooms: mayCreateRooms } = value;
  return {
    uri: userUri(value.uri),
    kind: "user",
    displayName,
    email,
    enabled,
    mayCreateRooms,
    administrator,
  };
}

function same(there: KnownPrincipal, fields: PrincipalFields): boolean {
  const names = Object.keys(fields) as (keyof PrincipalFields)[]; // of a type without others
  return names.every((name) => there[name] === fields[name]);
}

/**
 * Ids of those who are named; users and groups that nobody knows come into being, without policies of their own and without members.
 * @returns without those that cannot be
 */
export async function principalIds(
  unit: ImportUnit,
  uris: readonly string[],
  note: (text: string) => void,
): Promise<Map<string, number>> {
  const wanted = [...new Set(uris)];
  const known = wanted.length > 0 ? await unit.principals(wanted) : new Map<string, KnownPrincipal>();
  const found = new Map([...known].map(([uri, { id }]) => [uri, id]));
  for (const uri of wanted) {
    if (found.has(uri)) continue;
    const kind = /^sip:[^@\s]+@[^@\s]+$/.test(uri) ? "user" : uri.startsWith("ma-grp:") ? "group" : undefined;
    if (kind === undefined) {
      note(`${uri} is no user, group or domain of this system: it is left out of lists`);
      continue;
    }
    const displayName = kind === "user" ? nameIn(uri) : uri.slice(0, 255);
    const policies = { email: null, enabled: null, mayCreateRooms: null, administrator: false };
    found.set(uri, await unit.insertPrincipal({ uri, kind, displayName, ...policies }));
    note(`${uri} was not known and not among the people of the files: added`);
  }
  return found;
}
