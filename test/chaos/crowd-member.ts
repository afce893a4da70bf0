import { setTimeout as pause } from "node:timers/promises";
import { ClientError } from "../../plugin/client/client-error.ts";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import type { ChatCopy } from "../../plugin/client/xccos-body.ts";
import { sessionOf } from "../../src/chat/session-digest.ts";
import type { Lab } from "../support/lab.ts";
import type { ActRecord, PostRecord, Seat } from "./evidence.ts";

/** A 503 asks to come again; so often does a patient user. */
const MAX_ATTEMPTS = 4;
const COME_BACK_LIMIT_MS = 90_000;
/** More than any room gets while a connection is away, and fits into one reply. */
const HISTORY = 150;

interface Answered {
  readonly code: number;
  readonly failed?: readonly string[];
}

/** One client that posts, listens, reads, looks in elsewhere, comes back when its connection breaks, and writes everything down. */
export class CrowdMember {
  readonly user: string;
  /** In which it is. */
  readonly rooms: readonly string[];
  /** In which it looks in. */
  readonly otherRooms: readonly string[];
  readonly endpoint: XccosEndpoint;
  seats = new Map<string, Seat>();
  /** How often it had to come back. */
  returns = 0;
  private returning: Promise<void> | undefined;
  private leaving = false;
  private readonly address: string;
  private readonly acts: ActRecord[];
  private readonly visiting = new Set<string>();

  /** @param acts where it writes down what it does besides its posts, in the order in which it asks */
  constructor(
    lab: Lab,
    user: string,
    { rooms, otherRooms }: { rooms: readonly string[]; otherRooms: readonly string[] },
    acts: ActRecord[],
  ) {
    this.user = user;
    this.rooms = rooms;
    this.otherRooms = otherRooms;
    this.acts = acts;
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
    return this.endpoint.connected && !this.returning ? this.dialogToken : "";
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
        await this.signIn();
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

  /** Shows it the last messages of a room. Never throws, like all acts; what came of it is written down. */
  async read(room: string, limit: number): Promise<void> {
    const act = this.begin("BACKCHAT", room, limit);
    const reply = await this.told([act], this.endpoint.history(room, limit));
    if (reply) act.shown = reply.messages.map(asShown);
  }

  async search(room: string, text: string, limit: number): Promise<void> {
    const act = this.begin("SEARCH", room, limit, text);
    const reply = await this.told(
      [act],
      this.endpoint.searchHistory({ rooms: [room], text, match: "ALL", limit }),
    );
    if (reply) act.shown = reply.found.flatMap(({ messages }) => messages.map(asShown));
  }

  /** In and out again, unless it is there just now. `isOver`: nothing new is to be begun. */
  async visit(room: string, isOver: () => boolean): Promise<void> {
    if (this.visiting.has(room)) return;
    this.visiting.add(room);
    try {
      await this.told([this.begin("JOIN", room)], this.endpoint.join(room));
      if (this.token === "" || isOver()) return;
      await this.told([this.begin("PART", room)], this.endpoint.part(room));
    } finally {
      this.visiting.delete(room);
    }
  }

  async leave(): Promise<void> {
    this.leaving = true;
    await this.returning?.catch(() => undefined);
    if (this.endpoint.connected) {
      const bye = this.endpoint.session.current?.bye().then(({ status }) => ({ code: status }));
      await this.told([this.begin("SIGN_OFF", "")], bye ?? Promise.reject(new Error("no dialog")));
    }
    await this.endpoint.signOff();
  }

  private get dialogToken(): string {
    const target = this.endpoint.session.current?.dialog?.remoteTarget;
    return /\.([0-9a-f]{32})@/.exec(target ?? "")?.[1] ?? "";
  }

  private begin(kind: ActRecord["kind"], room: string, limit = 0, text = ""): ActRecord {
    const session = sessionOf(this.dialogToken);
    const act: ActRecord = { kind, room, who: this.address, session, limit, text, answer: "none", shown: [] };
    this.acts.push(act);
    return act;
  }

  private async told<Reply extends Answered>(
    acts: readonly ActRecord[],
    asked: Promise<Reply>,
  ): Promise<Reply | undefined> {
    try {
      const reply = await asked;
      for (const act of acts) act.answer = reply.failed?.includes(act.room) ? 503 : reply.code;
      return reply;
    } catch (error) {
      const refused = error instanceof ClientError && error.status > 0;
      for (const act of acts) act.answer = refused ? error.status : "none";
      return undefined;
    }
  }

  private async signIn(): Promise<void> {
    await this.endpoint.signIn();
    this.begin("LOGIN", "").answer = 200;
  }

  private async comeBack(): Promise<void> {
    const deadline = performance.now() + COME_BACK_LIMIT_MS;
    for (;;) {
      this.endpoint.crash();
      for (const { live } of this.seats.values()) live.push([]);
      try {
        await this.signIn();
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
    const acts = this.rooms.map((room) => this.begin("JOIN", room));
    const reply = await this.told(acts, this.endpoint.bjoin(this.rooms));
    if (reply?.code !== 200 || reply.failed.length > 0)
      throw new ClientError("refused", `${this.user}: bjoin ${reply?.code}`, reply?.code ?? 503);
  }

  private async readHistory(room: string): Promise<void> {
    const act = this.begin("BACKCHAT", room, HISTORY);
    const reply = await this.told([act], this.endpoint.history(room, HISTORY));
    if (reply) act.shown = reply.messages.map(asShown);
    if (reply?.code !== 200) throw new Error(`${this.user}: bccontext ${reply?.code}`);
    const atMs = performance.now();
    this.seats.get(room)?.history.push(...act.shown.map((copy) => ({ ...copy, atMs })));
  }
}

function asShown({ chatId, text, author }: ChatCopy): ActRecord["shown"][number] {
  return { number: chatId, text, author };
}
