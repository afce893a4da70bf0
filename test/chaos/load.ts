import type { CrowdMember } from "./crowd-member.ts";
import type { PostRecord } from "./evidence.ts";

const TICK_MS = 20;

/** A steady stream of posts that goes on whatever the servers do. */
export interface Load {
  /** All posts so far, this load's own. */
  readonly posts: readonly PostRecord[];
  /** No new ones; resolves when none is under way any more. */
  stop(): Promise<void>;
}

/** Open loop: what is due is sent, answered or not. The members take turns, each in a random room of its own. */
export function startLoad(
  members: readonly CrowdMember[],
  options: { perSecond: number; label: string; random: () => number },
): Load {
  const { perSecond, label, random } = options;
  const posts: PostRecord[] = [];
  const underWay = new Set<Promise<void>>();
  const startedAt = performance.now();
  let due = 0;
  const timer = setInterval(() => {
    const wanted = ((performance.now() - startedAt) / 1_000) * perSecond;
    for (; due < wanted; due++) {
      const member = members[due % members.length];
      const room = member?.rooms[Math.floor(random() * member.rooms.length)];
      if (!member || room === undefined || member.token === "") continue; // it has no connection at the moment
      const record = member.newPost(room, `${label}-${posts.length} – <&> "ü" ☕`);
      posts.push(record);
      const work: Promise<void> = member
        .post(record, () => 500 + random() * 1_000)
        .finally(() => underWay.delete(work));
      underWay.add(work);
    }
  }, TICK_MS);
  return {
    posts,
    async stop() {
      clearInterval(timer);
      await Promise.all(underWay);
    },
  };
}
