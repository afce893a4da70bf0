import { setTimeout as pause } from "node:timers/promises";
import { ClientError } from "../../plugin/client/client-error.ts";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import type { Lab } from "../support/lab.ts";
import type { CopyRecord, PostRecord, Seat } from "./evidence.ts";

/** A 503 asks to come again; so often does a patient user. */
const MAX_ATTEMPTS = 4;
const COME_BACK_LIMIT_MS = 40_000;
/** More than any room gets while a connection is away, and fits into one reply. */
const HISTORY = 150;

/** One client that posts, listens, comes back when its connection breaks, and writes everything down. */
export class CrowdMember {
  readonly user: string;
  readonly rooms: readonly string[];
  readonly endpoint: XccosEndpoint;
  seats = new Map<string, Seat>();
  /** How often it had to come back. */
  returns = 0;
  private returning: Promise<void> | undefined;
  private leaving = false;
  private readonly address: string;

  constructor(lab: Lab, user: string, rooms: readonly string[]) {
    this.user = user;
    this.rooms = rooms;
    this.address = lab.address(user);
    this.endpoint = lab.endpoint(user, {
      bodies: "scan",
      keep: 0,
      onCopy: ({ room, chatId, text, author, receivedAt }) =>
        this.seats.get(room)?.live.at(-1)?.push({ number: chatId, text, author, atMs: receivedAt }),
    });
    this.endpoint.watch.strictNumbers = false; // the referee knows what is excused
  }

  /** Of its pool dialog; "" while it has none, or has not entered its rooms yet. */
  get token(): string {
    const ready = this.endpoint.connected && !this.returning;
    const target = ready ? this.endpoint.session.current?.dialog?.remoteTarget : undefined;
    return /\.([0-9a-f]{32})@/.exec(target ?? "")?.[1] ?? "";
  }

  /** Node that answered its INVITE. */
  get firstHome(): string {
    const target = this.endpoint.session.current?.dialog?.remoteTarget ?? "";
    return /^sip:([a-z0-9]+)-/.exec(target)?.[1] ?? "";
  }

  /** Signs in and enters its rooms. `lastNumbers` are those of the rooms, in which nobody posts at that moment. */
  async enter(lastNumbers: ReadonlyMap<string, number>): Promise<void> {
    this.turnPage(lastNumbers);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.endpoint.signIn();
        return await this.joinAll();
      } catch (error) {
        // A pool that has just begun on a busy machine asks to try again.
        const isBusy = error instanceof ClientError && error.status === 503;
        if (!isBusy || attempt === MAX_ATTEMPTS) throw error;
        this.endpoint.crash();
        await pause(500);
      }
    }
  }

  /** From here on only what is later than these numbers is due. */
  turnPage(lastNumbers: ReadonlyMap<string, number>): void {
    this.seats = new Map(
      this.rooms.map((room) => [
        room,
        { client: this.user, room, after: lastNumbers.get(room) ?? 0, live: [[]], history: [] },
      ]),
    );
  }

  /** Looked at often: a broken connection is made again, as any client does. */
  keep(): void {
    if (this.leaving || this.endpoint.connected || this.returning) return;
    this.returning = this.comeBack().finally(() => {
      this.returning = undefined;
    });
  }

  /** True when everything up to these numbers has come, live or by history. */
  hasAll(lastNumbers: ReadonlyMap<string, number>): boolean {
    if (this.returning || !this.endpoint.connected) return false;
    return [...this.seats.values()].every(({ room, after, live, history }) => {
      const due = (lastNumbers.get(room) ?? 0) - after;
      return new Set([...live.flat(), ...history].map(({ number }) => number)).size >= due;
    });
  }

  /** Posts until it is acknowledged, refused for good, or given up. Never throws; `record` says what came of it. */
  async post(record: PostRecord, pauseMs: () => number): Promise<void> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const answer = await this.endpoint
        .post(record.room, record.text, { envid: record.envid })
        .catch(() => "none" as const);
      record.answers.push(answer);
      if (answer === 200) record.acknowledgedAt = performance.now();
      if (answer !== 503 && answer !== "none") return;
      await pause(pauseMs());
      if (this.token !== record.token) return; // in another dialog it would be another post
    }
  }

  newPost(room: string, text: string): PostRecord {
    const { token, address: author } = this;
    const envid = this.endpoint.session.nextEnvid();
    return { text, room, author, token, envid, answers: [], acknowledgedAt: undefined };
  }

  async leave(): Promise<void> {
    this.leaving = true;
    await this.returning?.catch(() => undefined);
    await this.endpoint.signOff();
  }

  private async comeBack(): Promise<void> {
    const deadline = performance.now() + COME_BACK_LIMIT_MS;
    for (;;) {
      this.endpoint.crash();
      for (const { live } of this.seats.values()) live.push([]);
      try {
        await this.endpoint.signIn();
        await this.joinAll();
        for (const room of this.rooms) await this.readHistory(room);
        this.returns += 1;
        return;
      } catch (error) {
        if (performance.now() > deadline)
          throw new Error(`${this.user} could not come back`, { cause: error });
        await pause(300);
      }
    }
  }

  private async joinAll(): Promise<void> {
    const { code, failed } = await this.endpoint.bjoin(this.rooms);
    if (code !== 200 || failed.length > 0)
      throw new Error(`${this.user}: bjoin ${code}, ${failed.length} rooms refused`);
  }

  private async readHistory(room: string): Promise<void> {
    const seat = this.seats.get(room);
    const { code, messages } = await this.endpoint.history(room, HISTORY);
    if (code !== 200) throw new Error(`${this.user}: bccontext ${code}`);
    const atMs = performance.now();
    const read: CopyRecord[] = messages.map(({ chatId, text, author }) => ({
      number: chatId,
      text,
      author,
      atMs,
    }));
    seat?.history.push(...read);
  }
}
