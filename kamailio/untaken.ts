import type { OutgoingDialog } from "../src/ports.ts";
import type { Flow } from "../src/sip/dialog.ts";
import type { Load } from "./load.ts";

/** Bodies and dialogs remembered, each. */
const MAX_REMEMBERED = 32;
/** Not taken for this many dialogs, it is the body; this many bodies not taken, it is the dialog. */
const TO_BLAME = 2;

/**
 * Copies that Kamailio did not take although they stood alone. One body goes to a whole room, and one dialog gets many bodies: what
 * is to blame is not tried again for each of them.
 */
export class Untaken {
  private readonly bodies = new Map<string, Set<Flow>>();
  /** By flow: a dialog that moves to another connection begins anew. */
  private readonly dialogs = new Map<Flow, Set<string>>();

  /** @returns what is now known to be to blame, and was not before */
  add(body: string, dialog: OutgoingDialog): "body" | "dialog" | undefined {
    const { flow } = dialog;
    const flows = partnersOf(this.bodies, body);
    const bodies = partnersOf(this.dialogs, flow);
    flows.add(flow);
    bodies.add(body);
    // The other side of it is innocent: without this two bad bodies in one room would make its dialogs bad ones.
    if (flows.size === TO_BLAME) {
      for (const innocent of flows) this.dialogs.get(innocent)?.delete(body);
      return "body";
    }
    if (bodies.size === TO_BLAME) {
      for (const innocent of bodies) this.bodies.get(innocent)?.delete(flow);
      return "dialog";
    }
    return undefined;
  }

  /** The load without copies that are not worth a try. */
  removedFrom(load: Load): Load {
    if (this.bodies.size === 0) return load;
    const copies = load.copies.flatMap(({ body, dialogs }) => {
      if (isToBlame(this.bodies.get(body))) return [];
      const others = dialogs.filter(({ flow }) => !isToBlame(this.dialogs.get(flow)));
      return others.length > 0 ? [{ body, dialogs: others }] : [];
    });
    return { answers: load.answers, copies };
  }
}

function isToBlame(partners: ReadonlySet<unknown> | undefined): boolean {
  return (partners?.size ?? 0) >= TO_BLAME;
}

function partnersOf<Key, Partner>(index: Map<Key, Set<Partner>>, key: Key): Set<Partner> {
  const partners = index.get(key) ?? new Set<Partner>();
  index.delete(key); // to the end: the oldest is forgotten first
  index.set(key, partners);
  const oldest = index.keys().next();
  if (index.size > MAX_REMEMBERED && !oldest.done) index.delete(oldest.value);
  return partners;
}
