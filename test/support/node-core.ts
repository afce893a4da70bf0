import { Attendance } from "../../src/attendance.ts";
import { ChatError } from "../../src/chat/errors.ts";
import { Envids } from "../../src/delivery/envids.ts";
import { Fanout } from "../../src/delivery/fanout.ts";
import { ModerationNotices } from "../../src/delivery/moderation-notices.ts";
import { ReadMarks } from "../../src/delivery/read-marks.ts";
import { RoomNotices } from "../../src/delivery/room-notices.ts";
import { RosterNotices } from "../../src/delivery/roster-notices.ts";
import { Rosters } from "../../src/delivery/rosters.ts";
import { Changes } from "../../src/pool/changes.ts";
import { RightsReview } from "../../src/pool/rights-review.ts";
import { Takeover } from "../../src/pool/takeover.ts";
import type { BusMessage, NodeBus, SipSender } from "../../src/ports.ts";
import { Sessions } from "../../src/sessions.ts";
import type { DialogToken, Incarnation } from "../../src/sip/dialog.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";

/** Makes the database fail at one call of all that are made: before anything was done, or when it was done and nobody heard. */
export class Faults {
  calls = 0;
  /** Which call fails, by its number or, once, by its name; 0 for none. */
  failAt: number | string = 0;
  when: "before" | "after" = "before";
  /** What happens while the database is away. */
  meanwhile: () => Promise<void> = async () => {};
  /** What failed. */
  readonly failed: string[] = [];

  on<Port extends object>(port: Port): Port {
    return new Proxy(port, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...given: unknown[]) => this.call(String(name), () => value.apply(target, given));
      },
    });
  }

  private async call(name: string, work: () => Promise<unknown>): Promise<unknown> {
    this.calls += 1;
    const fails = this.failAt === this.calls || (this.failAt === name && this.failed.length === 0);
    if (fails) {
      this.failed.push(name);
      await this.meanwhile();
    }
    if (!fails || this.when === "after") {
      const answer = await work();
      if (!fails) return answer;
    }
    throw new ChatError("STORE_DOWN");
  }
}

/** What a node is made of between its stores and its edges; alone on the bus, in Redis nobody. */
export function nodeCore(stores: Stores, me: Incarnation, faults = new Faults()) {
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
  const [rooms, messages, dialogs] = [stores.rooms, stores.messages, stores.dialogs].map((port) =>
    faults.on(port),
  ) as unknown as [Stores["rooms"], Stores["messages"], Stores["dialogs"]]; // each in its place
  const journal = faults.on(stores.journal(me));
  /** Per dialog, the numbers of the messages it was sent. */
  const sent = new Map<DialogToken, number[]>();
  const published: BusMessage[] = [];
  const homes: Incarnation[] = [];
  const taken: { dead: Incarnation; dialogs: number }[] = [];
  const onError = (error: unknown) => {
    if (!(error instanceof ChatError)) throw error;
  };
  const bus: NodeBus = {
    publish: (message) => published.push(message),
    onMessage: () => {},
    onState: () => {},
  };
  const sender: SipSender = {
    send: (body, to) => {
      const number = /<grpchat .*chatId="([0-9]+)"/.exec(body)?.[1];
      if (number === undefined) return;
      for (const { state } of to) sent.set(state.token, [...(sent.get(state.token) ?? []), Number(number)]);
    },
  };
  const sessions = new Sessions();
  const envids = new Envids();
  const readMarks = new ReadMarks({ store: stores.readMarks, delivered: (id) => fanout.delivered(id) });
  const fanout: Fanout = new Fanout({
    messages,
    rooms,
    sender,
    bus,
    envids,
    review: (roomId) => review.room(roomId),
    onError,
  });
  const notices = new RosterNotices({
    sender,
    envids,
    sessionsIn: (id) => fanout.sessionsIn(id),
    maxBytes: () => 60_000,
  });
  const presence = {
    enter: async () => [],
    leave: async () => [],
    others: async () => new Map(),
    counts: async () => new Map(),
  };
  const participantUpdateLimit = () => 75;
  const rosters = new Rosters({ presence, bus, notices, clock, participantUpdateLimit, onError });
  const attendance = new Attendance({
    sessions,
    journal,
    dialogs,
    rooms,
    fanout,
    rosters,
    readMarks,
    bus,
    clock,
  });
  const review: RightsReview = new RightsReview({
    sessions,
    attendance,
    fanout,
    rosters,
    notices: new RoomNotices(sender, envids),
    rooms,
    users: stores.users,
    bus,
    onError,
  });
  const moderation = new ModerationNotices({ messages, fanout, sender, envids });
  const changes = new Changes(faults.on(stores.changes), review, moderation, { read: async () => {} });
  const takeover = new Takeover({
    me,
    leases: faults.on(stores.leases),
    dialogs,
    progress: faults.on(stores.progress),
    rooms,
    attendance,
    changes,
    review,
    fanout,
    readMarks,
    announceHomes: (issuers) => homes.push(...issuers),
    dropPresence: async () => {},
    maySpeak: () => true,
    onError,
    onTaken: (dead, count) => taken.push({ dead, dialogs: count }),
  });
  const stop = () => {
    fanout.stop();
    notices.stop();
  };
  return { sessions, attendance, fanout, rosters, review, takeover, sent, published, homes, taken, stop };
}
