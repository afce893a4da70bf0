/** Groups in groups, deeper than any directory has them for a reason. What is further down does not belong. */
export const MOST_LEVELS = 32;

/**
 * Which group is directly in which. Cycles are no trouble: each group counts once, at its shortest way, and a group in a circle
 * holds what every other one in it holds.
 */
export class GroupGraph {
  private readonly down = new Map<number, number[]>();
  private readonly up = new Map<number, number[]>();

  constructor(edges: Iterable<{ readonly groupId: number; readonly memberId: number }>) {
    for (const { groupId, memberId } of edges) {
      into(this.down, groupId, memberId);
      into(this.up, memberId, groupId);
    }
  }

  /** The group and all groups in it, at most MOST_LEVELS down. */
  within(groupId: number): Set<number> {
    return reached(this.down, [groupId]);
  }

  /** The groups and all that contain one of them, at most MOST_LEVELS up: whoever changes one of the former changes these. */
  around(groupIds: Iterable<number>): Set<number> {
    return reached(this.up, groupIds);
  }
}

function into(map: Map<number, number[]>, key: number, value: number): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

function reached(edges: ReadonlyMap<number, readonly number[]>, from: Iterable<number>): Set<number> {
  const found = new Set(from);
  let level = [...found];
  for (let depth = 0; depth < MOST_LEVELS && level.length > 0; depth++) {
    const next: number[] = [];
    for (const id of level) {
      for (const other of edges.get(id) ?? []) {
        if (found.has(other)) continue;
        found.add(other);
        next.push(other);
      }
    }
    level = next;
  }
  return found;
}
