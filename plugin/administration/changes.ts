import type { AdministrativeKind, ComplianceFact, Json } from "../../src/chat/compliance-event.ts";
import type { Recorded } from "../../src/store/mysql/management-records.ts";
import type { Cell, Row } from "../table.ts";

type Change = Extract<ComplianceFact, { kind: AdministrativeKind }>;

/** Messages that were moderated are facts too, and no changes of what is administered. */
export const isChange = (fact: ComplianceFact): fact is Change => "subject" in fact;

/**
 * What was recorded of a change, for people: a row for each value that is different now, and for each entry that came into a list
 * or went out of it.
 * @param rehearsed nothing of it was done
 */
export function changeRows(recorded: readonly Recorded[], rehearsed: boolean): Row[] {
  const rows = recorded.flatMap(({ fact, room }) => {
    if (!isChange(fact)) return [];
    const [of, name] = concerned(fact, room.name);
    const [before, after] = [valuesOf(fact, fact.before), valuesOf(fact, fact.after)];
    return [...new Set([...before.keys(), ...after.keys()])].flatMap((what) =>
      differences(before.get(what), after.get(what)).map(([was, is, done]) => ({
        of,
        name,
        what,
        before: was,
        after: is,
        done: rehearsed ? `would be ${done}` : done,
      })),
    );
  });
  if (rows.length > 0) return rows;
  return [{ of: "", name: "", what: "", before: "", after: "", done: "nothing: it was so already" }];
}

const WORDS: Readonly<Record<string, string>> = {
  "enable-persistent-chat": "chat",
  enabled: "chat",
  mayCreateRooms: "create-rooms",
  fileUpload: "file upload",
  chatHistory: "history",
  addIn: "add-in",
};

function concerned({ kind, subject }: Change, room: string): [of: string, name: string] {
  if (kind.startsWith("ROOM_") || kind === "ROLE_CHANGED") return ["room", room];
  if (kind.startsWith("CATEGORY_")) return ["category", subject];
  if (kind === "ADDIN_CHANGED") return ["add-in", subject];
  if (kind === "SETTING_CHANGED") return ["setting", subject];
  if (kind === "DOMAIN_CHANGED") return ["domain", subject];
  if (subject.startsWith("sip:")) return ["user", subject];
  return kind === "POLICY_CHANGED" && !subject.includes(":") ? ["everybody", ""] : ["group", subject];
}

type Values = ReadonlyMap<string, Cell | readonly string[]>;

/** By what they are called at the command line. */
function valuesOf(fact: Change, side: Json): Values {
  const found = new Map<string, Cell | readonly string[]>();
  const add = (name: string, value: Json): void => {
    // A group's record says who came and who went, each on its side.
    const what = fact.kind === "GROUP_CHANGED" && Array.isArray(value) ? "member" : (WORDS[name] ?? name);
    if (isList(value)) found.set(what, value.map(String));
    else if (typeof value === "object" && value !== null)
      for (const [inner, one] of Object.entries(value)) add(inner, one);
    else found.set(what, said(fact, value));
  };
  if (side !== null && typeof side === "object") add("", side);
  else if (side !== null) add(fact.subject, side);
  return found;
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);

function said({ kind }: Change, value: string | number | boolean | null): Cell {
  if (value === null) return kind === "POLICY_CHANGED" ? "as global" : "";
  if (typeof value !== "boolean") return value;
  return value ? "on" : "off";
}

type Side = Cell | readonly string[] | undefined;

function differences(before: Side, after: Side): [before: Cell, after: Cell, done: string][] {
  if (isEntries(before) || isEntries(after)) {
    const [was, is] = [isEntries(before) ? before : [], isEntries(after) ? after : []];
    const [had, has] = [new Set(was), new Set(is)];
    return [
      ...was
        .filter((entry) => !has.has(entry))
        .map((entry): [Cell, Cell, string] => [entry, "", "taken away"]),
      ...is.filter((entry) => !had.has(entry)).map((entry): [Cell, Cell, string] => ["", entry, "given"]),
    ];
  }
  const [was, is] = [before ?? "", after ?? ""];
  if (was === is) return [];
  return [[was, is, before === undefined ? "given" : after === undefined ? "taken away" : "changed"]];
}

function isEntries(side: Side): side is readonly string[] {
  return Array.isArray(side);
}
