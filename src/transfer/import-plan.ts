import { join } from "node:path";
import type { z } from "zod";
import { categoryLine, type Manifest, type PartKind, peopleLine, roomLine } from "./format.ts";
import { checked, parsed } from "./manifest.ts";
import { linesOf } from "./part-reader.ts";
import type { ConflictRule, ImportStore, TakenBy } from "./ports.ts";
import { roomKey } from "./room-key.ts";
import { TransferError } from "./transfer-error.ts";

/** A room or category whose name or address is taken, and what becomes of it. */
export interface Conflict {
  readonly kind: "room" | "category";
  readonly name: string;
  readonly takenBy: string;
  readonly becomes: "refused" | "left out" | "renamed" | "replaces it" | "changes it";
  /** Messages that are lost with what it replaces. */
  readonly lost: number;
  readonly where: string;
}

export interface Plan {
  readonly conflicts: readonly Conflict[];
}

/** Lines looked up together. */
const AT_ONCE = 50;
/** In one refusal. */
const MOST_TOLD = 20;

interface Looked {
  readonly kind: "room" | "category";
  readonly name: string;
  readonly where: string;
  readonly room?: ReturnType<typeof roomKey>;
  readonly category?: string;
}

/**
 * Looks through all but the messages before anything is written: every line must be understood, every room have its category, and
 * what is there already is found.
 * @throws {TransferError}
 */
export async function planImport(
  store: ImportStore,
  folder: string,
  manifest: Manifest,
  rule: ConflictRule,
): Promise<Plan> {
  for await (const _ of read(folder, manifest, "people", peopleLine));
  const categories = new Set<string>();
  const conflicts: Conflict[] = [];
  const waiting: Looked[] = [];
  const look = async (atMost = 0) => {
    if (waiting.length <= atMost) return;
    const lines = waiting.splice(0);
    for (const taken of await store.takenBy(lines)) {
      const line = lines[taken.at];
      if (line) conflicts.push(conflictOf(line, taken, rule));
    }
  };
  for await (const { value, where } of read(folder, manifest, "categories", categoryLine)) {
    if (value.type !== "category") continue;
    categories.add(value.guid);
    waiting.push({ kind: "category", name: value.name, where, category: value.guid });
    await look(AT_ONCE);
  }
  const elsewhere = new Map<string, { name: string; where: string }>();
  for await (const { value, where } of read(folder, manifest, "rooms", roomLine)) {
    const { category } = value;
    if (!categories.has(category.guid) && !elsewhere.has(category.guid))
      elsewhere.set(category.guid, { name: category.name, where });
    waiting.push({ kind: "room", name: value.name, where, room: roomKey(value.uri) });
    await look(AT_ONCE);
  }
  await look();
  for (const [guid, { name, where }] of elsewhere) {
    const found = await store.takenBy([{ name, category: guid }]);
    if (!found.some(({ kind }) => kind === "category"))
      throw new TransferError(`${where}: its category "${name}" is neither in these files nor here`);
  }
  const refused = conflicts.filter(({ becomes }) => becomes === "refused");
  if (refused.length > 0) throw new TransferError(sentence(refused));
  return { conflicts };
}

async function* read<T>(
  folder: string,
  { parts }: Manifest,
  kind: PartKind,
  schema: z.ZodType<T>,
): AsyncGenerator<{ value: T; where: string }> {
  for (const part of parts) {
    if (!part.file.endsWith(`-${kind}.jsonl`)) continue;
    const path = join(folder, part.file);
    for await (const lines of linesOf(folder, part))
      for (const { line, text } of lines)
        yield {
          value: checked(schema, parsed(text, path, line), path, line),
          where: `${path}, line ${line}`,
        };
  }
}

function conflictOf({ kind, name, where }: Looked, taken: TakenBy, rule: ConflictRule): Conflict {
  const sameKind = taken.kind === kind;
  const becomes = {
    fail: "refused",
    skip: sameKind || kind === "room" ? "left out" : "refused",
    rename: "renamed",
    overwrite: !sameKind ? "refused" : kind === "room" ? "replaces it" : "changes it",
  } as const;
  const is = becomes[rule];
  const takenBy = `the ${taken.kind} "${taken.name}"`;
  return { kind, name, where, takenBy, becomes: is, lost: is === "replaces it" ? taken.messages : 0 };
}

function sentence(refused: readonly Conflict[]): string {
  const told = refused
    .slice(0, MOST_TOLD)
    .map(
      ({ where, kind, name, takenBy }) => `${where}: the ${kind} "${name}" is there already, as ${takenBy}`,
    );
  const more = refused.length - told.length;
  return `Nothing was imported. ${told.join("; ")}${more > 0 ? `; and ${more} more` : ""}. --on-conflict says what to do with them`;
}
