import { setTimeout as pause } from "node:timers/promises";
import { LeanClient } from "../bench/lean-client.ts";
import { headerIn } from "../bench/lean-wire.ts";
import type { Lab } from "./lab.ts";

/** Sign-ins under way at the same time. */
const PARALLEL = 32;
const MAX_VIOLATIONS = 5;

/** One post and what became of it. */
export interface Posted {
  readonly text: string;
  readonly room: string;
  readonly status: number;
  /** Seconds, as the answer says; NaN without the header. */
  readonly retryAfter: number;
  readonly tookMs: number;
}

/** Many dialogs, each alone in a room of its own: as many posts may wait for one transaction as there are dialogs. */
export interface ManyPosters {
  readonly rooms: readonly string[];
  readonly posted: readonly Posted[];
  readonly violations: readonly string[];
  /** Everybody posts each `everyMs`, answered or not, evenly spread, for `ms`; returns when all are answered. */
  postFor(ms: number, everyMs: number, word: string): Promise<void>;
  end(): void;
}

/** @param users each gets `each` dialogs */
export async function manyPosters(lab: Lab, users: readonly string[], each: number): Promise<ManyPosters> {
  const names = users.flatMap((user) => Array.from({ length: each }, () => user));
  const rooms = await ownRooms(lab, names.length);
  const violations: string[] = [];
  const onViolation = (what: string) => {
    if (violations.length < MAX_VIOLATIONS) violations.push(what);
  };
  const clients: LeanClient[] = [];
  let next = 0;
  const worker = async () => {
    for (let place = next++; place < names.length; place = next++) {
      const name = names[place] ?? "";
      const client = await LeanClient.open({
        host: "127.0.0.1",
        port: lab.stack.ports.sip,
        user: { name, address: lab.address(name), password: lab.password(name) },
        poolUri: lab.stack.poolUri,
        onViolation,
      });
      clients[place] = client;
      await client.signIn();
      await client.join([rooms[place] ?? ""]);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  const posted: Posted[] = [];
  let envid = 1_000_000;
  const post = async (place: number, word: string): Promise<void> => {
    const room = rooms[place] ?? "";
    const text = `${word} ${envid++}`;
    const atMs = performance.now();
    const answer = await clients[place]?.postFor(room, text, envid);
    if (!answer) return;
    const retryAfter = Number.parseInt(headerIn(answer.text, 0, answer.headEnd, "Retry-After"), 10);
    posted.push({ text, room, status: answer.status, retryAfter, tookMs: performance.now() - atMs });
  };
  return {
    rooms,
    posted,
    violations,
    async postFor(ms, everyMs, word) {
      const posts: Promise<void>[] = [];
      const beganMs = performance.now();
      const perMs = clients.length / everyMs;
      let sent = 0;
      for (let now = beganMs; now - beganMs < ms; now = performance.now()) {
        for (; sent < (now - beganMs) * perMs; sent++) posts.push(post(sent % clients.length, word));
        await pause(5);
      }
      await Promise.all(posts);
    },
    end: () => {
      for (const client of clients) client.end();
    },
  };
}

async function ownRooms(lab: Lab, count: number): Promise<string[]> {
  const rooms = Array.from({ length: count }, (_, index) => ({
    name: `Alone ${index}`,
    category: "Lab",
    privacy: "open" as const,
  }));
  const ids = await lab.administration.addRooms(rooms);
  const rows = await lab.sql<{ id: number; guid: string }>("SELECT id, guid FROM room WHERE id IN (?)", [
    ids,
  ]);
  const guids = new Map(rows.map(({ id, guid }) => [id, guid]));
  return ids.map((id) => `ma-chan://${lab.stack.domain}/${guids.get(id)}`);
}
