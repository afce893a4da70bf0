import type { ActRecord, CopyRecord, Evidence, SealedEvent, Seat } from "./evidence.ts";

export const room = "ma-chan://example.com/r1";
export const author = "sip:alice@example.com";
export const text = (number: number) => `post ${number}`;
export const copy = (number: number, atMs = number * 100): CopyRecord => ({
  number,
  text: text(number),
  author,
  atMs,
});
export const seat = (live: readonly CopyRecord[][], history: readonly CopyRecord[] = []): Seat => ({
  client: "bob",
  room,
  after: 0,
  live: live.map((list) => [...list]),
  history: [...history],
});

export const guest = "sip:bob@example.com";
export const filed = (type: string, who: string, what = "") => ({
  conversation: "f1",
  room,
  type,
  number: 0,
  author: who,
  text: what,
});
export const event = (kind: string, about: Partial<SealedEvent>): SealedEvent => ({
  stream: "room:1",
  streamSeq: 0,
  kind,
  room,
  author,
  number: 0,
  text: "",
  session: "a",
  detail: {},
  ...about,
});
export const act = (kind: ActRecord["kind"], about: Partial<ActRecord> = {}): ActRecord => ({
  kind,
  room,
  who: guest,
  session: "g",
  limit: 0,
  text: "",
  answer: 200,
  shown: [],
  ...about,
});
export const shown = (...numbers: number[]) =>
  numbers.map((number) => ({ number, text: text(number), author }));

/** Alice signed in, entered, posted three times and searched; Bob looked in and read; Carol became a member. All well. */
export function evidence(change: Partial<Evidence> = {}): Evidence {
  const numbers = [1, 2, 3];
  return {
    posts: numbers.map((number) => ({
      text: text(number),
      room,
      author,
      token: "t",
      envid: number,
      answers: [200],
      acknowledgedAt: 1,
    })),
    seats: [seat([numbers.map((number) => copy(number))])],
    acts: [
      act("LOGIN", { who: author, session: "a", room: "" }),
      act("JOIN", { who: author, session: "a" }),
      act("JOIN"),
      act("BACKCHAT", { limit: 2, shown: shown(2, 3) }),
      act("PART"),
      act("SEARCH", { who: author, session: "a", text: "post 3", limit: 5, shown: shown(3) }),
      act("ROLE_CHANGED", {
        who: "administrator:local",
        session: "",
        text: '{"member":["sip:carol@example.com"]}',
      }),
    ],
    stored: numbers.map((number) => ({ room, number, author, text: text(number) })),
    rooms: [{ room, lastNumber: 3, lastEvent: 7 }],
    postKeys: 3,
    readEvents: 3,
    archived: [
      filed("JOIN", author),
      ...numbers.map((number) => ({ ...filed("CHAT", author), number, text: text(number) })),
      filed("JOIN", guest),
      filed("PART", guest),
      filed("ROLE_CHANGED", "administrator:local", '{"member":["sip:carol@example.com"]}'),
      { ...filed("LOGIN", author), room: "" },
      filed("BACKCHAT", guest, "since=2;limit=2;returned=2-3/2"),
      filed("BACKCHAT", author, "search:post 3;limit=5;returned=3-3/1"),
    ],
    sealed: [
      event("JOIN", { streamSeq: 1 }),
      ...numbers.map((number) =>
        event("CHAT", { streamSeq: number + 1, number, text: text(number), detail: { number } }),
      ),
      event("JOIN", { streamSeq: 5, author: guest, session: "g" }),
      event("PART", { streamSeq: 6, author: guest, session: "g", detail: { reason: "left" } }),
      event("ROLE_CHANGED", {
        streamSeq: 7,
        author: "administrator:local",
        session: "",
        detail: { after: { member: ["sip:carol@example.com"] } },
      }),
      event("LOGIN", { stream: "read:n1-1", streamSeq: 1, room: "" }),
      event("BACKCHAT", {
        stream: "read:n1-1",
        streamSeq: 2,
        author: guest,
        session: "g",
        detail: { from: 2, to: 3, count: 2, limit: 2 },
      }),
      event("SEARCH", {
        stream: "read:n1-1",
        streamSeq: 3,
        detail: { criteria: { text: "post 3", limit: 5 }, shown: [3], matches: 1, exceeded: false },
      }),
      event("DELIVERY", {
        stream: "delivery",
        streamSeq: 1,
        room: "",
        author: "adapter:lync-xml",
        session: "",
        detail: { runId: "run-1", files: [{ name: "manifest.json", sha256: "abc" }] },
      }),
    ],
    runs: [{ run: "run-1", sha256: "abc" }],
    recorded: new Map([
      ["room:1", 7],
      ["read:n1-1", 3],
    ]),
    complaints: [],
    quarantined: 0,
    ...change,
  };
}

export const good = evidence();
