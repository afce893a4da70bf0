import { randomUUID } from "node:crypto";
import type { Json } from "../chat/compliance-event.ts";
import { ChatError } from "../chat/errors.ts";
import { MAX_NAME } from "../chat/limits.ts";
import type { Role, ScopeWord } from "../chat/principal.ts";
import type { Room } from "../chat/room.ts";
import { recordedCategory } from "../management/categories.ts";
import type { CategoryFields, RoomFields } from "../management/ports.ts";
import { byRole } from "../management/role-changes.ts";
import { checkDescription, claimName, lockedRoom, settingsOf } from "../management/room-changes.ts";
import type { CategoryLine, RoomLine } from "./format.ts";
import type { ConflictRule, ImportUnit } from "./ports.ts";
import { roomKey } from "./room-key.ts";

interface Doing {
  readonly unit: ImportUnit;
  readonly run: number;
  readonly rule: ConflictRule;
  readonly note: (text: string) => void;
  readonly ids: ReadonlyMap<string, number>;
}

/** @throws {ChatError} when it is no add-in */
export async function importAddIn(
  { unit, rule, note }: Doing,
  { name, url }: Extract<CategoryLine, { type: "addIn" }>,
): Promise<void> {
  const known = await unit.addIn(name);
  if (known?.url === url) return;
  if (known && rule !== "overwrite") {
    note(`the add-in "${known.name}" stays ${known.url}; in the files it is ${url}`);
    return;
  }
  await unit.saveAddIn({ name, url }, known?.id);
  const before = known ? { name: known.name, url: known.url } : null;
  unit.record({ kind: "ADDIN_CHANGED", subject: name, before, after: { name, url } });
  for (const id of known ? await unit.roomsWith(known.id) : []) {
    await unit.updateRoom(id, {});
    unit.changed({ kind: "room", id });
  }
}

/** @throws {ChatError} NAME_TAKEN, and for a name that is none */
export async function importCategory(
  doing: Doing,
  line: Extract<CategoryLine, { type: "category" }>,
): Promise<void> {
  const { unit, run, rule, note } = doing;
  const { guid, name, description, invitations, fileUpload, chatHistory, reading } = line;
  const sameGuid = await unit.category({ guid });
  const holder = await unit.holderOf(name, undefined);
  const there = holder?.kind === "category" ? await unit.category({ id: holder.id }) : sameGuid;
  const taken = holder !== undefined || sameGuid !== undefined;
  if (taken && rule === "skip" && there)
    return unit.addItem(run, "category", guid, { id: there.id, opens: false });
  if (taken && (rule === "fail" || rule === "skip" || (rule === "overwrite" && holder?.kind === "room")))
    throw new ChatError("NAME_TAKEN", { detail: `A room or category is called "${name}" already.` });
  checkDescription(description);
  const fields: CategoryFields = { name, description, invitations, fileUpload, chatHistory, reading };
  if (there && rule === "overwrite") {
    await claimName(unit, name, undefined, there.id);
    const before = await recordedCategory(unit, there);
    await unit.updateCategory(there.id, fields);
    await setScopes(doing, there.id, line);
    const changed = await unit.category({ id: there.id });
    if (changed)
      unit.record({
        kind: "CATEGORY_CHANGED",
        subject: there.name,
        before,
        after: await recordedCategory(unit, changed),
      });
    unit.changed({ kind: "category", id: there.id });
    return unit.addItem(run, "category", guid, { id: there.id, opens: false });
  }
  const free = taken ? await freeName(unit, name, undefined) : name;
  if (free !== name) note(`the category "${name}" is called "${free}" here`);
  await claimName(unit, free, undefined);
  const id = await unit.insertCategory({ ...fields, name: free }, sameGuid ? randomUUID() : guid);
  await setScopes(doing, id, line);
  const category = await unit.category({ id });
  if (category)
    unit.record({
      kind: "CATEGORY_CREATED",
      subject: free,
      before: null,
      after: await recordedCategory(unit, category),
    });
  unit.changed({ kind: "category", id });
  return unit.addItem(run, "category", guid, { id, opens: false });
}

/** Lists are taken over as they are: who is out of scope counts as little here as there. */
async function setScopes(
  { unit, ids }: Doing,
  id: number,
  { allowed, denied, creators }: Extract<CategoryLine, { type: "category" }>,
): Promise<void> {
  const lists: readonly (readonly [ScopeWord, readonly string[]])[] = [
    ["allowed", allowed],
    ["denied", denied],
    ["creator", creators],
  ];
  for (const [scope, uris] of lists) await unit.setScope(id, scope, known(ids, uris));
}

/**
 * The room with its lists. One whose messages are to come is disabled until they are there: nobody is in it, nobody posts.
 * @throws {ChatError} NAME_TAKEN, CATEGORY_NOT_FOUND, and for a name that is none
 */
export async function importRoom(doing: Doing, line: RoomLine): Promise<void> {
  const { unit, run, rule, note, ids } = doing;
  const { domain, guid } = roomKey(line.uri);
  const sameGuid = await unit.room({ domain, guid });
  const holder = await unit.holderOf(line.name, domain);
  const taken = holder !== undefined || sameGuid !== undefined;
  if (taken && rule === "skip") return unit.addItem(run, "room", line.uri, { id: 0, opens: false });
  if (taken && (rule === "fail" || (rule === "overwrite" && holder?.kind === "category")))
    throw new ChatError("NAME_TAKEN", { detail: `A room or category is called "${line.name}" already.` });
  if (taken && rule === "overwrite") {
    const inTheWay = new Set([holder?.id, sameGuid && sameGuid !== "several" ? sameGuid.id : undefined]);
    for (const id of [...inTheWay].filter((one) => one !== undefined).sort((a, b) => a - b))
      await removeRoom(unit, await lockedRoom(unit, { id }));
  }
  const renamed = taken && rule === "rename";
  const name = renamed ? await freeName(unit, line.name, domain) : line.name;
  if (name !== line.name) note(`the room "${line.name}" is called "${name}" here`);
  await claimName(unit, name, domain);
  checkDescription(line.description);
  const fields: RoomFields = {
    name,
    description: line.description,
    categoryId: await categoryOf(doing, line),
    privacy: line.privacy,
    type: line.auditorium ? "auditorium" : "normal",
    inheritsInvitations: line.invitations,
    addInId: await addInOf(doing, line),
    disabled: line.disabled || line.withHistory,
  };
  const newGuid = renamed && sameGuid !== undefined ? randomUUID() : guid;
  if (newGuid !== guid) note(`the room "${name}" has an address of its own here: ${line.uri} is taken`);
  const id = await unit.insertRoom(domain, newGuid, fields, line.createdMs);
  if (!line.auditorium && line.presenters.length > 0)
    note(`the room "${name}" is no auditorium: its presenters are left out`);
  const lists: readonly (readonly [Role, readonly string[]])[] = [
    ["member", line.members],
    ["manager", line.managers],
    ["presenter", line.auditorium ? line.presenters : []],
  ];
  await unit.addRoles(
    id,
    lists.flatMap(([role, uris]) => known(ids, uris).map((principalId) => ({ principalId, role }))),
  );
  const room = await lockedRoom(unit, { id });
  const roles = Object.fromEntries(
    lists.filter(([, uris]) => uris.length > 0).map(([role, uris]) => [role, [...uris].sort()]),
  );
  const after: Json = { ...settingsOf(room), category: line.category.name, roles };
  unit.record({ kind: "ROOM_CREATED", subject: "", before: null, after }, room);
  return unit.addItem(run, "room", line.uri, { id, opens: line.withHistory && !line.disabled });
}

/** As an administrator deletes it. */
async function removeRoom(unit: ImportUnit, room: Room): Promise<void> {
  const category = await unit.category({ id: room.categoryId });
  const roles = byRole(await unit.roles(room.id));
  const messages = await unit.lastNumber(room.id);
  await unit.deleteRoom(room);
  const before: Json = { ...settingsOf(room), category: category?.name ?? "", messages, roles };
  unit.record({ kind: "ROOM_DELETED", subject: "", before, after: null }, room);
  unit.changed({ kind: "room", id: room.id });
}

async function categoryOf({ unit, run }: Doing, { category }: RoomLine): Promise<number> {
  const item = (await unit.items(run, "category", [category.guid])).get(category.guid);
  const found =
    item ?? (await unit.category({ guid: category.guid })) ?? (await unit.category({ name: category.name }));
  if (!found)
    throw new ChatError("CATEGORY_NOT_FOUND", { detail: `There is no category "${category.name}".` });
  return found.id;
}

async function addInOf({ unit, note }: Doing, { addIn, name }: RoomLine): Promise<number | null> {
  if (addIn === null) return null;
  const found = await unit.addIn(addIn);
  if (!found) note(`the room "${name}" has no add-in here: there is no "${addIn}"`);
  return found?.id ?? null;
}

function known(ids: ReadonlyMap<string, number>, uris: readonly string[]): number[] {
  return [...new Set(uris.flatMap((uri) => ids.get(uri) ?? []))];
}

/** "Name (2)", or the next that is free. @throws {ChatError} NAME_TAKEN */
async function freeName(unit: ImportUnit, name: string, domain: string | undefined): Promise<string> {
  if (!(await unit.holderOf(name, domain))) return name;
  for (let number = 2; number < 1_000; number++) {
    const end = ` (${number})`;
    const free = `${[...name].slice(0, MAX_NAME - end.length).join("")}${end}`;
    if (!(await unit.holderOf(free, domain))) return free;
  }
  throw new ChatError("NAME_TAKEN", { detail: `There are very many rooms called "${name}".` });
}
