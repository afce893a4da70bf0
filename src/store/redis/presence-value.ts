import type { Aor } from "../../chat/user.ts";
import type { Participant } from "../../ports.ts";

/** Name and mask as kept in a room's hash. */
export function encodeValue({ name, mask }: Participant): string {
  return JSON.stringify([name, mask]);
}

/** A flat list of address, value; each user once, what no node of ours wrote is passed over. */
export function decodeRoster(list: unknown): Participant[] {
  const byUser = new Map<string, Participant>();
  const parts = Array.isArray(list) ? list.map(String) : [];
  for (let index = 0; index + 1 < parts.length; index += 2) {
    const user = parts[index] ?? "";
    try {
      const [name, mask]: unknown[] = JSON.parse(parts[index + 1] ?? "");
      if (typeof name !== "string" || typeof mask !== "number" || byUser.has(user)) continue;
      byUser.set(user, { user: user as Aor, name, mask }); // written by a node of this pool as an Aor
    } catch {
      // Not written by us: nobody to show.
    }
  }
  return [...byUser.values()];
}
