import type { Principal, Role } from "../chat/principal.ts";
import type { Room } from "../chat/room.ts";
import type { Listed, RoleList } from "../management/ports.ts";
import type { WireRole } from "../xccos/management-arguments.ts";
import { roleData, type WirePrincipal } from "../xccos/management-reply.ts";
import { travellingBytes } from "../xccos/travelling.ts";
import { type Context, mostReplyBytes } from "./context.ts";

/** The envelope and the reply around a list. */
export const AROUND_LIST_BYTES = 2_000;

const TYPE = { user: "USER", group: "GROUP", domain: "DOMAIN" } as const;
const WIRE_ROLE: Readonly<Record<Role, WireRole>> = {
  member: "MEMBER",
  manager: "MANAGER",
  presenter: "PRESENTER",
};

/** As many from the beginning as travel in one reply. */
export function upTo<Item>(
  items: readonly Item[],
  encode: (items: readonly Item[]) => string,
  context: Context,
): { items: readonly Item[]; data: string } {
  let some = items;
  for (;;) {
    const data = encode(some);
    const bytes = travellingBytes(data);
    const most = mostReplyBytes(context) - AROUND_LIST_BYTES;
    if (bytes <= most || some.length === 0) return { items: some, data };
    some = some.slice(0, Math.min(some.length - 1, Math.floor((some.length * most) / bytes)));
  }
}

/** A room's lists in one reply, and those that go on beyond it. They are cut fairly: a long one leaves the short ones whole. */
export function roomLists(
  { uri, accessVersion: version }: Room,
  lists: readonly RoleList[],
  context: Context,
): { data: string; cut: ReadonlySet<Role> } {
  const longest = Math.max(0, ...lists.map(({ listed }) => listed.length));
  const inTurn = Array.from({ length: longest }, (_, place) =>
    lists.flatMap(({ listed }) => listed[place] ?? []),
  ).flat();
  const shown = (some: readonly Listed<Role>[]) =>
    lists.map(({ role, listed, more }) => {
      const principals = some.filter(({ word }) => word === role);
      return { role, principals, more: more || principals.length < listed.length };
    });
  const { items, data } = upTo(
    inTurn,
    (some) =>
      roleData(
        { uri, version },
        shown(some).map(({ role, principals, more }) => ({
          role: WIRE_ROLE[role],
          principals: principals.map(wirePrincipal),
          more,
        })),
      ),
    context,
  );
  return { data, cut: new Set(shown(items).flatMap(({ role, more }) => (more ? [role] : []))) };
}

export function wirePrincipal({ uri, displayName, kind }: Principal): WirePrincipal {
  return { uri, displayName, type: TYPE[kind] };
}
