import { setTimeout as pause } from "node:timers/promises";
import type { CrowdMember } from "./crowd-member.ts";
import type { PostRecord } from "./evidence.ts";

const TICK_MS = 20;

/** A steady stream of posts, readings, searches and visits that goes on whatever the servers do. */
export interface Load {
  /** All posts so far, this load's own. */
  readonly posts: readonly PostRecord[];
  /** No new ones; resolves when no post is under way any more, and no command but those that had this time in vain. */
  stop(patienceMs: number): Promise<void>;
}

/** Of a hundred things that people do; the rest are posts. A visit is two: in and out again. */
const READINGS = 30;
const SEARCHES = 4;
const VISITS = 16;
const MOST_READ = 8;
const MOST_FOUND = 5;
/** Of one member under way; with more, a machine that cannot keep up would do nothing but refuse. */
const MOST_POSTS = 10;
const MOST_COMMANDS = 6;
/** Then it asks for more, answered or not. */
const PATIENCE_MS = 4_000;

/**
 * What is due is done, answered or not, as long as the member has not too much under way. The members take turns, each in a random
 * room of its own, or a guest elsewhere.
 */
export function startLoad(
  members: readonly CrowdMember[],
  options: { perSecond: number; label: string; random: () => number },
): Load {
  const { perSecond, label, random } = options;
  const posts: PostRecord[] = [];
  const postsUnderWay = new Set<Promise<void>>();
  const commandsUnderWay = new Set<Promise<void>>();
  const startedAt = performance.now();
  let due = 0;
  let over = false;
  const one = (list: readonly string[]) => list[Math.floor(random() * list.length)] ?? "";
  const upTo = (most: number) => 1 + Math.floor(random() * most);
  const follow = (work: Promise<void>, underWay: Set<Promise<void>>) => {
    const followed: Promise<void> = work.finally(() => underWay.delete(followed));
    underWay.add(followed);
  };
  const busy = new Map(members.map((member) => [member, { posts: 0, commands: 0 }]));
  const command = (member: CrowdMember, begin: () => Promise<void>) => {
    const own = busy.get(member);
    if (!own || own.commands >= MOST_COMMANDS) return;
    own.commands += 1;
    const work = begin();
    follow(work, commandsUnderWay);
    void Promise.race([work, pause(PATIENCE_MS, undefined, { ref: false })]).then(() => {
      own.commands -= 1;
    });
  };
  const post = (member: CrowdMember) => {
    const own = busy.get(member);
    if (!own || own.posts >= MOST_POSTS) return;
    own.posts += 1;
    const record = member.newPost(one(member.rooms), `${label}-${posts.length} – <&> "ü" ☕`);
    posts.push(record);
    const work = member.post(record, () => 500 + random() * 1_000);
    follow(
      work.finally(() => {
        own.posts -= 1;
      }),
      postsUnderWay,
    );
  };
  const act = (member: CrowdMember) => {
    const lot = random() * 100;
    if (lot < READINGS) command(member, () => member.read(one(member.rooms), upTo(MOST_READ)));
    else if (lot < READINGS + SEARCHES) {
      const text = `${label}-${Math.floor(random() * posts.length)}`;
      command(member, () => member.search(one(member.rooms), text, upTo(MOST_FOUND)));
    } else if (lot < READINGS + SEARCHES + VISITS)
      command(member, () => member.visit(one(member.otherRooms), () => over));
    else post(member);
  };
  const timer = setInterval(() => {
    const wanted = ((performance.now() - startedAt) / 1_000) * perSecond;
    for (; due < wanted; due++) {
      const member = members[due % members.length];
      if (member && member.token !== "") act(member); // else it has no connection at the moment
    }
  }, TICK_MS);
  return {
    posts,
    async stop(patienceMs) {
      over = true;
      clearInterval(timer);
      await Promise.all(postsUnderWay);
      await Promise.race([Promise.all(commandsUnderWay), pause(patienceMs, undefined, { ref: false })]);
    },
  };
}
