import type { Concluding } from "./management-store.ts";
import { chunksOf, type Membership } from "./membership-rows.ts";

/** Addresses in one recorded event: no body grows without bound. */
const ADDRESSES = 2_000;

/** For the archive: who came into which group and who went, directly. */
export async function recordMemberships(
  { queries, unit }: Pick<Concluding, "queries" | "unit">,
  { added, removed }: { readonly added: readonly Membership[]; readonly removed: readonly Membership[] },
): Promise<void> {
  const ids = [...new Set([...added, ...removed].flatMap(({ groupId, memberId }) => [groupId, memberId]))];
  const uris = new Map<number, string>();
  for (const chunk of chunksOf(ids)) {
    const rows = await queries.rows<{ id: number; uri: string }>(
      "SELECT id, uri FROM principal WHERE id IN (?)",
      [chunk],
    );
    for (const { id, uri } of rows) uris.set(id, uri);
  }
  const groups = new Map<number, { added: string[]; removed: string[] }>();
  for (const [word, memberships] of [
    ["added", added],
    ["removed", removed],
  ] as const)
    for (const { groupId, memberId } of memberships) {
      const group = groups.get(groupId) ?? { added: [], removed: [] };
      groups.set(groupId, group);
      group[word].push(uris.get(memberId) ?? "");
    }
  for (const [groupId, changes] of groups) {
    const parts = {
      added: chunksOf(changes.added.sort(), ADDRESSES),
      removed: chunksOf(changes.removed.sort(), ADDRESSES),
    };
    for (let part = 0; part < Math.max(parts.added.length, parts.removed.length); part++)
      unit.record({
        kind: "GROUP_CHANGED",
        subject: uris.get(groupId) ?? "",
        before: { removed: parts.removed[part] ?? [] },
        after: { added: parts.added[part] ?? [] },
      });
  }
}
