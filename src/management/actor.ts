import type { EventActor } from "../chat/compliance-event.ts";
import type { User } from "../chat/user.ts";
import type { DialogToken } from "../sip/dialog.ts";

/**
 * Who changes something. A user has the rights of `chat/role.ts`; who can use the command line has the servers' secrets, and with
 * them every right.
 */
export type Actor =
  | { readonly kind: "user"; readonly user: User; readonly token: DialogToken }
  | { readonly kind: "administrator"; readonly name: string };

/** As it is recorded. */
export function eventActor(actor: Actor): EventActor {
  if (actor.kind === "administrator")
    return { id: 0, uri: `administrator:${actor.name}`, displayName: actor.name, email: null };
  const { id, uri, displayName, email } = actor.user;
  return { id, uri, displayName, email };
}
