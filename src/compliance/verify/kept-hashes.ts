import { KEPT_HEIGHT, type KeptNode } from "../log/frontier.ts";
import { type LogHashes, MissingHash } from "../log/proofs.ts";
import type { Finding } from "./ports.ts";

/** @returns the first stored hash of a subtree that is not what the leaves gave */
export async function compareNodes(
  hashes: LogHashes | undefined,
  nodes: readonly KeptNode[],
): Promise<Finding | undefined> {
  const made = [...nodes].sort((a, b) => a.level - b.level || a.index - b.index);
  if (!hashes) return undefined;
  for (let at = 0; at < made.length; ) {
    const { level, index } = made[at] ?? { level: 0, index: 0 };
    let end = at + 1;
    while (made[end]?.level === level) end += 1;
    const stored = await keptHashes(hashes, level, index, end - at);
    for (let place = at; place < end; place++) {
      const node = made[place];
      const kept = stored[place - at];
      if (node && !kept?.equals(node.hash)) {
        const leaves = 2 ** (KEPT_HEIGHT * level);
        return {
          seq: node.index * leaves,
          field: `hash of events ${node.index * leaves} to ${(node.index + 1) * leaves - 1}`,
          expected: kept?.toString("hex") ?? "there",
          found: kept ? node.hash.toString("hex") : "missing",
        };
      }
    }
    at = end;
  }
  return undefined;
}

/** Those that are there; undefined in the place of each that is not. */
async function keptHashes(
  log: LogHashes,
  level: number,
  index: number,
  count: number,
): Promise<readonly (Buffer | undefined)[]> {
  try {
    return await log.hashes(level, index, count);
  } catch (error) {
    if (!(error instanceof MissingHash)) throw error;
    if (count === 1) return [undefined];
    const half = Math.ceil(count / 2);
    return [
      ...(await keptHashes(log, level, index, half)),
      ...(await keptHashes(log, level, index + half, count - half)),
    ];
  }
}
