import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { type CapturedEvent, captured, gaps, unbalanced } from "../support/captured.ts";
import { type Lab, openLab } from "../support/lab.ts";
import {
  incarnationOf,
  NODES,
  postPatiently,
  signedInOn,
  TAKEOVER_MS,
  untilTakenOver,
} from "../support/pool-people.ts";
import { until } from "../support/until.ts";

/**
 * Whatever dies, each JOIN on record has one PART or somebody who is still there, and each node's own stream has its end. A short
 * session timer: who is silent for twice as long is out.
 */
const SESSION_EXPIRES_S = 6;
const LIMIT_MS = 60_000;

let lab: Lab;
let rooms = 0;
before(async () => {
  lab = await openLab({
    nodes: 2,
    users: ["alice", "bob", "carol"],
    settings: { chat: { "session-expires": `${SESSION_EXPIRES_S}s` } },
  });
});
afterEach(async () => {
  await lab?.clearAway();
  for (const name of [...NODES, "kamailio"])
    if (lab && !(name in lab.stack.pids())) await lab.stack.restart(name);
});
after(() => lab?.close());

const newRoom = () => lab.addRoom({ name: `Orphans ${++rooms}`, privacy: "open" });

/** PARTs of the room, as "who reason". */
async function parts(room: string): Promise<string[]> {
  return (await lab.recorded(room))
    .filter(({ kind }) => kind === "PART")
    .map(({ actor, detail }) => `${/^sip:(\w+)@/.exec(actor)?.[1]} ${detail.reason}`)
    .sort();
}

async function untilParts(room: string, wanted: readonly string[]): Promise<void> {
  const found = async () => (await parts(room)).length >= wanted.length;
  await until(`${wanted.length} are out of the room`, found, LIMIT_MS);
  assert.deepEqual(await parts(room), [...wanted].sort());
}

async function everythingBalances(): Promise<CapturedEvent[]> {
  const events = await captured(lab);
  assert.deepEqual(gaps(events), []);
  assert.deepEqual(await unbalanced(lab, events), []);
  return events;
}

/** What the life's stream ends with. */
async function untilStopRecorded(incarnation: string): Promise<CapturedEvent[]> {
  let own: CapturedEvent[] = [];
  await until(
    `the end of ${incarnation} is on record`,
    async () => {
      own = (await captured(lab)).filter(({ stream }) => stream === `read:${incarnation}`);
      return own.some(({ kind }) => kind === "NODE_STOP");
    },
    TAKEOVER_MS,
  );
  const last = own.at(-1);
  assert.deepEqual([last?.kind, last?.detail.last, own.length], ["NODE_STOP", own.length, own.length]);
  return own;
}

const refresh = (endpoint: XccosEndpoint) =>
  setInterval(() => void endpoint.session.current?.request("UPDATE", undefined).catch(() => undefined), 500);

test("a node killed: who stays has no PART, who went with it has one, and the node's end is recorded by its successor", async () => {
  const room = await newRoom();
  const staying = await signedInOn(lab, "n1", "alice", room);
  const dying = await signedInOn(lab, "n1", "bob", room);
  const elsewhere = await signedInOn(lab, "n2", "carol", room);
  const keeping = [refresh(staying), refresh(elsewhere)];
  try {
    const dead = await incarnationOf(lab, "n1");
    await lab.stack.kill("n1", "SIGKILL");
    dying.pauseReading(); // it is there and says nothing any more
    await untilTakenOver(lab, dead);
    const own = await untilStopRecorded(dead);
    assert.equal(own.at(-1)?.detail.reason, "server-lost");
    await postPatiently(staying, room, "I am still here");
    await untilParts(room, ["bob server-lost"]);
    await everythingBalances();
  } finally {
    for (const timer of keeping) clearInterval(timer);
    dying.crash();
  }
});

test("all nodes and Kamailio killed and started again: everybody who did not come back has one PART", async () => {
  const room = await newRoom();
  const [alice, bob] = [await signedInOn(lab, "n1", "alice", room), await signedInOn(lab, "n2", "bob", room)];
  const lives = await Promise.all(NODES.map((node) => incarnationOf(lab, node)));
  for (const name of [...NODES, "kamailio"]) await lab.stack.kill(name, "SIGKILL");
  for (const endpoint of [alice, bob]) endpoint.crash();
  await Promise.all([...NODES, "kamailio"].map((name) => lab.stack.restart(name)));
  for (const life of lives) {
    await untilTakenOver(lab, life);
    assert.equal((await untilStopRecorded(life)).at(-1)?.detail.reason, "server-lost");
  }
  await untilParts(room, ["alice server-lost", "bob server-lost"]);
  await everythingBalances();
});

test("Kamailio killed: who comes back has his rooms without a PART, who does not has one", async () => {
  const room = await newRoom();
  const back = await signedInOn(lab, "n1", "alice", room);
  const gone = await signedInOn(lab, "n2", "bob", room);
  await lab.stack.kill("kamailio", "SIGKILL");
  gone.crash();
  await lab.stack.restart("kamailio");
  await until(
    "Alice is back",
    () =>
      back.reconnect().then(
        () => true,
        () => false,
      ),
    TAKEOVER_MS,
  );
  assert.equal((await back.getInvitations()).code, 200); // the first words on the new dialog
  const keeping = refresh(back);
  try {
    await until("Bob is out", async () => (await parts(room)).length > 0, LIMIT_MS);
    assert.match((await parts(room)).join(), /^bob (connection-lost|session-expired)$/);
    await everythingBalances();
  } finally {
    clearInterval(keeping);
  }
});

test("a node that nobody was signed in to has its end on record, too", async () => {
  const dead = await incarnationOf(lab, "n2");
  await lab.stack.kill("n2", "SIGKILL");
  const own = await untilStopRecorded(dead);
  assert.equal(own.at(-1)?.detail.reason, "server-lost");
  assert.ok(Number(own.at(-1)?.detail.lastSeenMs) > 0);
});

test("a room that is deleted while a node is dead: its participants have one PART", async () => {
  const room = await newRoom();
  const alice = await signedInOn(lab, "n1", "alice", room);
  const { id } = await lab.administration.findRoom(room);
  const dead = await incarnationOf(lab, "n1");
  await lab.stack.kill("n1", "SIGKILL");
  await lab.administration.removeRoom(room);
  await untilTakenOver(lab, dead);
  await until(
    "Alice has been thrown out or has expired",
    async () => (await lab.sql("SELECT token FROM dialog")).length === 0,
    LIMIT_MS,
  );
  const events = await everythingBalances();
  const gone = events.filter(({ kind, room: of }) => kind === "PART" && of.id === id);
  assert.deepEqual(
    gone.map(({ detail }) => detail.reason),
    ["expelled"],
  );
  alice.crash();
});
