import type { AddIn } from "../chat/add-in.ts";
import { ChatError } from "../chat/errors.ts";
import { addInProblem } from "../chat/limits.ts";
import type { Actor } from "./actor.ts";
import type { Rights } from "./rights.ts";

/** Registered add-ins: a room can have only what an administrator has registered. */
export function addInManagement(rights: Rights) {
  const { store } = rights;
  return {
    /** @throws {ChatError} BAD_REQUEST, NAME_TAKEN */
    async createAddIn(actor: Actor, wanted: Omit<AddIn, "id">): Promise<void> {
      rights.administrator(actor);
      check(wanted);
      await store.change(actor, async (unit) => {
        if (await unit.addIn(wanted.name)) throw taken(wanted.name);
        await unit.saveAddIn(wanted);
        const after = { name: wanted.name, url: wanted.url };
        unit.record({ kind: "ADDIN_CHANGED", subject: wanted.name, before: null, after });
      });
    },

    /** Its rooms have the new one at once. @throws {ChatError} ADD_IN_NOT_FOUND, BAD_REQUEST, NAME_TAKEN */
    async changeAddIn(actor: Actor, name: string, change: Partial<Omit<AddIn, "id">>): Promise<void> {
      rights.administrator(actor);
      await store.change(actor, async (unit) => {
        const known = await unit.addIn(name);
        if (!known) throw notFound(name);
        const wanted = { name: change.name ?? known.name, url: change.url ?? known.url };
        check(wanted);
        const holder = await unit.addIn(wanted.name);
        if (holder && holder.id !== known.id) throw taken(wanted.name);
        await unit.saveAddIn(wanted, known.id);
        for (const id of await unit.roomsWith(known.id)) {
          await unit.updateRoom(id, {});
          unit.changed({ kind: "room", id });
        }
        const before = { name: known.name, url: known.url };
        unit.record({ kind: "ADDIN_CHANGED", subject: known.name, before, after: wanted });
      });
    },

    /** @throws {ChatError} ADD_IN_NOT_FOUND, NOT_EMPTY while a room has it */
    async deleteAddIn(actor: Actor, name: string): Promise<void> {
      rights.administrator(actor);
      await store.change(actor, async (unit) => {
        const known = await unit.addIn(name);
        if (!known) throw notFound(name);
        if ((await unit.roomsWith(known.id)).length > 0)
          throw new ChatError("NOT_EMPTY", { detail: `The add-in "${known.name}" still stands in rooms.` });
        await unit.deleteAddIn(known.id);
        const before = { name: known.name, url: known.url };
        unit.record({ kind: "ADDIN_CHANGED", subject: known.name, before, after: null });
      });
    },
  };
}

function check(wanted: Omit<AddIn, "id">): void {
  const problem = addInProblem(wanted);
  if (problem) throw new ChatError("BAD_REQUEST", { detail: problem });
}

const notFound = (name: string) =>
  new ChatError("ADD_IN_NOT_FOUND", { detail: `There is no add-in "${name}".` });
const taken = (name: string) =>
  new ChatError("NAME_TAKEN", { detail: `An add-in is called "${name}" already.` });
