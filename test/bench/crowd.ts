import { setTimeout as pause } from "node:timers/promises";
import { LeanClient } from "./lean-client.ts";
import { timedText } from "./lean-wire.ts";
import type { World, WorldRoom, WorldUser } from "./world.ts";

/** Sign-ins under way at the same time. */
const PARALLEL = 32;
/** Longest wait for copies that are still on their way when a round ends. */
const DRAIN_LIMIT_MS = 60_000;
const MAX_VIOLATIONS = 5;

export interface CrowdOptions {
  readonly world: World;
  readonly users: readonly WorldUser[];
  /** Rooms of each user, by the user's place. */
  readonly roomsOf: (place: number) => readonly WorldRoom[];
  readonly tls?: boolean;
}

/** Called for each copy while it is set. */
export type CopyWatch = (place: number, room: string, sentAtMs: number) => void;

/**
 * Many lean clients, and the books about them: every acknowledged post must be in the database once and must have reached everybody
 * in its room once and in order. Nobody joins or leaves after `openCrowd`, so the sums are exact.
 */
export class Crowd {
  readonly clients: LeanClient[] = [];
  /** Copies received by all. */
  copies = 0;
  watch: CopyWatch | undefined;
  private readonly world: World;
  private readonly members = new Map<string, number[]>();
  private readonly acknowledged = new Map<string, number>();
  private readonly ids = new Map<string, number>();
  private readonly violations: string[] = [];
  private readonly ownCopies = new Map<string, () => void>();

  constructor(world: World) {
    this.world = world;
  }

  async open({ world, users, roomsOf, tls = false }: CrowdOptions): Promise<void> {
    const { ports, poolUri } = world.stack;
    const places = users.map((_, place) => place);
    const signIn = async (): Promise<void> => {
      for (let place = places.pop(); place !== undefined; place = places.pop()) {
        const user = users[place];
        if (!user) continue;
        const own = place;
        const client = await LeanClient.open({
          host: "127.0.0.1",
          port: tls ? ports.tls : ports.sip,
          tls,
          user,
          poolUri,
          onCopy: (room, _number, sentAtMs) => this.copied(own, room, sentAtMs),
          onViolation: (what) => this.violated(`${user.name}: ${what}`),
        });
        this.clients[place] = client;
        await client.signIn();
        const rooms = roomsOf(place);
        await client.join(rooms.map(({ uri }) => uri));
        for (const { id, uri } of rooms) {
          this.ids.set(uri, id);
          const members = this.members.get(uri);
          if (members) members.push(place);
          else this.members.set(uri, [place]);
        }
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, signIn));
  }

  client(place: number): LeanClient {
    const client = this.clients[place];
    if (!client) throw new Error(`nobody at place ${place}`);
    return client;
  }

  /** Posts stored so far, as acknowledged. */
  get posts(): number {
    let sum = 0;
    for (const count of this.acknowledged.values()) sum += count;
    return sum;
  }

  /** One post; resolves when it is acknowledged and, with `untilOwnCopy`, when its author's own copy has come too. */
  async post(
    place: number,
    room: string,
    length: number,
    untilOwnCopy: boolean,
    sentAtMs = performance.now(),
  ): Promise<void> {
    const text = timedText(sentAtMs, length);
    const key = `${place} ${text.slice(3, 17)}`;
    const own = untilOwnCopy ? new Promise<void>((resolve) => this.ownCopies.set(key, resolve)) : undefined;
    const status = await this.client(place).post(room, text);
    if (status !== 200) {
      this.ownCopies.delete(key);
      throw new Error(`a post was answered ${status}`);
    }
    this.acknowledged.set(room, (this.acknowledged.get(room) ?? 0) + 1);
    await own;
  }

  /** Waits until every copy has come. @throws Error saying what is missing, too much or out of order */
  async settle(): Promise<void> {
    const deadline = performance.now() + DRAIN_LIMIT_MS;
    const due = () => {
      let sum = 0;
      for (const [room, posts] of this.acknowledged) sum += posts * (this.members.get(room)?.length ?? 0);
      return sum;
    };
    while (this.copies < due() && this.violations.length === 0 && performance.now() < deadline)
      await pause(20);
    const wrong = this.violations.length > 0 ? `wrong deliveries: ${this.violations.join("; ")}` : "";
    if (wrong === "" && this.copies === due()) return;
    // The servers and their logs go with this process.
    const lastWords = ["kamailio", "n1"].map((name) =>
      this.world.log(name).trimEnd().split("\n").slice(-2).join(" | "),
    );
    throw new Error(
      `${wrong || `${due()} copies were due, ${this.copies} came`}; last in the logs: ${lastWords.join(" || ")}`,
    );
  }

  /** `settle`, then each client's and the database's books. @throws Error */
  async verify(compliance: boolean): Promise<void> {
    await this.settle();
    for (const [room, members] of this.members) {
      const posts = this.acknowledged.get(room) ?? 0;
      const wrong = members.find((place) => this.client(place).rooms.get(room)?.copies !== posts);
      if (wrong !== undefined)
        throw new Error(`client ${wrong} did not get exactly the ${posts} posts of a room`);
    }
    const ids = [...this.ids.values()];
    const count = async (sql: string) =>
      new Map(
        (await this.world.sql<{ id: number; n: number }>(sql, [ids])).map(({ id, n }) => [id, Number(n)]),
      );
    const stored = await count(
      "SELECT room_id AS id, COUNT(*) AS n FROM message WHERE room_id IN (?) GROUP BY room_id",
    );
    const recorded = await count(
      "SELECT id, COUNT(*) AS n FROM (SELECT room_id AS id FROM compliance_outbox WHERE kind = 'CHAT' UNION ALL " +
        "SELECT room_id FROM compliance_handover WHERE kind = 'CHAT') AS events WHERE id IN (?) GROUP BY id",
    );
    for (const [uri, id] of this.ids) {
      const posts = this.acknowledged.get(uri) ?? 0;
      if ((stored.get(id) ?? 0) !== posts)
        throw new Error(`${posts} posts acknowledged, ${stored.get(id) ?? 0} stored`);
      const due = compliance ? posts : 0;
      if ((recorded.get(id) ?? 0) !== due)
        throw new Error(`${due} posts to record, ${recorded.get(id) ?? 0} recorded`);
    }
  }

  close(): void {
    for (const client of this.clients) client?.end();
  }

  private copied(place: number, room: string, sentAtMs: number): void {
    this.copies += 1;
    this.watch?.(place, room, sentAtMs);
    if (this.ownCopies.size === 0) return;
    const key = `${place} ${sentAtMs.toFixed(3).padStart(14, "0")}`;
    const own = this.ownCopies.get(key);
    if (!own) return;
    this.ownCopies.delete(key);
    own();
  }

  private violated(what: string): void {
    if (this.violations.length < MAX_VIOLATIONS) this.violations.push(what);
  }
}
