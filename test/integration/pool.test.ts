import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { redisUrl } from "../../plugin/stack/redis.ts";
import { seeded } from "../support/compliance-events.ts";
import { type Lab, openLab } from "../support/lab.ts";
import { startLossyRedis } from "../support/lossy-redis.ts";
import {
  firstHomeOf,
  incarnationOf,
  NODES,
  numbersOf,
  OLDER_THAN_REPEATED_MS,
  otherNode,
  postPatiently,
  signedInOn,
  TAKEOVER_MS,
  untilGot,
  untilTakenOver,
  upTo,
} from "../support/pool-people.ts";
import { until } from "../support/until.ts";

const users = ["alice", "bob", "carol", "dave"];
let lab: Lab;
let rooms = 0;

before(async () => {
  lab = await openLab({ nodes: 2, users });
});
afterEach(async () => {
  await lab?.clearAway();
  for (const name of [...NODES, "redis"])
    if (lab && !(name in lab.stack.pids())) await lab.stack.restart(name);
});
after(() => lab?.close());

const newRoom = () => lab.addRoom({ name: `Pool ${++rooms}`, privacy: "open" });

test("sessions spread over both nodes", async () => {
  const homes = new Set<string>();
  for (let attempt = 0; attempt < 40 && homes.size < 2; attempt++)
    homes.add(firstHomeOf(await lab.signedIn(users[attempt % users.length] ?? "alice")));
  assert.deepEqual([...homes].sort(), ["n1", "n2"]);
});

test("posts on either node reach everybody on both, once and in one order", async () => {
  const room = await newRoom();
  const here = await signedInOn(lab, "n1", "alice", room);
  const there = await signedInOn(lab, "n2", "bob", room);
  const readers = [await signedInOn(lab, "n1", "carol", room), await signedInOn(lab, "n2", "dave", room)];
  const posts = upTo(40).map((index) => (index % 2 ? here : there).post(room, `crossing ${index}`));
  assert.deepEqual(new Set(await Promise.all(posts)), new Set([200]));
  for (const endpoint of [here, there, ...readers]) {
    await untilGot(endpoint, room, 40);
    assert.deepEqual(numbersOf(endpoint, room), upTo(40), endpoint.address);
  }
  const texts = (endpoint: XccosEndpoint) => endpoint.messages.map(({ text }) => text);
  for (const reader of [here, there, ...readers]) assert.deepEqual(texts(reader), texts(here));
});

test("a roster is the union of both nodes, and comings and goings cross", async () => {
  const room = await newRoom();
  const alice = await signedInOn(lab, "n1", "alice", room);
  const bob = await signedInOn(lab, "n2", "bob", room);
  await alice.waitForNotice(
    ({ kind, users: who }) => /join$/.test(kind) && who.some(({ address }) => address === bob.address),
    TAKEOVER_MS,
  );
  const roster = async (endpoint: XccosEndpoint) =>
    (await endpoint.join(room)).rooms[0]?.participants.map(({ address }) => address).sort();
  for (const endpoint of [alice, bob])
    assert.deepEqual(await roster(endpoint), [alice.address, bob.address], endpoint.address);
  assert.equal((await bob.part(room)).code, 200);
  await alice.waitForNotice(
    ({ kind, users: who }) => kind === "part" && who.some(({ address }) => address === bob.address),
    TAKEOVER_MS,
  );
  assert.deepEqual(await roster(alice), [alice.address]);
});

test("Redis killed mid-stream: posts still cross, rosters stand still, no dialog ends; back again, who came meanwhile is told", async () => {
  const room = await newRoom();
  const alice = await signedInOn(lab, "n1", "alice", room);
  const bob = await signedInOn(lab, "n2", "bob", room);
  const carol = await signedInOn(lab, "n2", "carol", await newRoom());
  const talk = async (from: number, to: number) => {
    for (let number = from; number <= to; number++)
      assert.equal(await (number % 2 ? alice : bob).post(room, `without Redis ${number}`), 200);
  };
  await talk(1, 10);
  await lab.stack.kill("redis", "SIGKILL");
  await talk(11, 30);
  for (const endpoint of [alice, bob]) await untilGot(endpoint, room, 30);
  const roster = async (endpoint: XccosEndpoint) =>
    (await endpoint.join(room)).rooms[0]?.participants.map(({ address }) => address).sort();
  assert.equal((await carol.join(room)).code, 200);
  assert.deepEqual(await roster(alice), [alice.address, bob.address]);
  await lab.stack.restart("redis");
  await talk(31, 50);
  for (const endpoint of [alice, bob]) {
    await untilGot(endpoint, room, 50);
    assert.deepEqual(numbersOf(endpoint, room), upTo(50), endpoint.address);
  }
  await alice.waitForNotice(
    ({ users: who }) => who.some(({ address }) => address === carol.address),
    TAKEOVER_MS,
  );
  for (const endpoint of [alice, bob])
    assert.deepEqual(await roster(endpoint), [alice.address, bob.address, carol.address]);
});

test("who enters while a post of the other node is still on its way finds it in the history", async () => {
  const room = await newRoom();
  const alice = await signedInOn(lab, "n1", "alice", room);
  await signedInOn(lab, "n2", "carol", room); // so that n2 has come to a number in this room
  const bob = await signedInOn(lab, "n2", "bob", await newRoom());
  await lab.stack.kill("redis", "SIGKILL"); // on its way for up to two seconds
  for (const number of upTo(5)) {
    assert.equal(await alice.post(room, `overtaken ${number}`), 200);
    assert.equal((await bob.join(room)).code, 200);
    const { messages } = await bob.history(room);
    const known = new Set([...messages.map(({ chatId }) => chatId), ...numbersOf(bob, room)]);
    assert.deepEqual([...known].sort(), upTo(number));
    assert.equal((await bob.part(room)).code, 200);
  }
  await lab.stack.restart("redis");
});

test("a node that stops in order hands its dialogs over within seconds, silent readers included", async () => {
  const room = await newRoom();
  const stopping = await incarnationOf(lab, "n1");
  const reader = await signedInOn(lab, "n1", "alice", room);
  const author = await signedInOn(lab, "n2", "bob", room);
  assert.equal(await author.post(room, "before"), 200);
  await lab.stack.kill("n1", "SIGTERM");
  await until("n1 has ended", () => !("n1" in lab.stack.pids()), TAKEOVER_MS);
  // One that had to lapse would stand for six seconds more at least.
  const held = "SELECT incarnation FROM node_lease WHERE incarnation = ? AND expires_at > NOW(3)";
  assert.deepEqual(await lab.sql(held, [stopping]), [], "the lease was given back");
  await untilTakenOver(lab, stopping);
  assert.equal(await author.post(room, "after"), 200);
  await untilGot(reader, room, 2);
  assert.deepEqual(numbersOf(reader, room), [1, 2], "an orderly stop repeats nothing");
});

for (const node of NODES) {
  test(`${node} killed: silent readers get everything in order, old dialogs are led to their new home`, async () => {
    const room = await newRoom();
    const dead = await incarnationOf(lab, node);
    const reader = await signedInOn(lab, node, "alice", room);
    const poster = await signedInOn(lab, node, "carol", room);
    const author = await signedInOn(lab, otherNode(node), "bob", room);
    for (const number of upTo(5)) assert.equal(await author.post(room, `before ${number}`), 200);
    await untilGot(reader, room, 5);
    await pause(OLDER_THAN_REPEATED_MS);
    await lab.stack.kill(node, "SIGKILL");
    for (const number of upTo(20)) await postPatiently(author, room, `meanwhile ${number}`);
    // The dialog's own requests go to the other node, which must know it before it may answer.
    await postPatiently(poster, room, "from a dialog that had died");
    assert.equal(firstHomeOf(poster), node, "its Request-URI still names the dead node");
    for (const endpoint of [reader, poster, author]) {
      await untilGot(endpoint, room, 26);
      assert.deepEqual(numbersOf(endpoint, room), upTo(26), endpoint.address);
    }
    await untilTakenOver(lab, dead);
    assert.equal(await reader.session.info(Buffer.from("?")).then(({ status }) => status), 400, "it answers");
    assert.equal(reader.session.restarts, 0);
  });
}

test("two takeovers in a row of a room in which nothing happens repeat nothing", async () => {
  const room = await newRoom();
  const reader = await signedInOn(lab, "n1", "alice", room);
  const author = await signedInOn(lab, "n1", "bob", room);
  for (const number of upTo(10)) assert.equal(await author.post(room, `old ${number}`), 200);
  await untilGot(reader, room, 10);
  await pause(OLDER_THAN_REPEATED_MS);
  for (const node of NODES) {
    const dying = await incarnationOf(lab, node);
    const [home] = await lab.sql<{ home: string }>(
      "SELECT d.home FROM dialog d JOIN principal p ON p.id = d.user_id WHERE p.uri = ? AND d.away_since_ms IS NULL",
      [reader.address],
    );
    assert.equal(home?.home, dying);
    await lab.stack.kill(node, "SIGTERM");
    await until(`${node} has ended`, () => !(node in lab.stack.pids()), TAKEOVER_MS);
    await untilTakenOver(lab, dying);
    await lab.stack.restart(node);
  }
  await postPatiently(author, room, "new");
  await untilGot(reader, room, 11);
  assert.deepEqual(numbersOf(reader, room), upTo(11));
});

test("a node paused for 20 s loses its dialogs; awake again it stores and says nothing and ends itself", async () => {
  const room = await newRoom();
  const paused = await incarnationOf(lab, "n1");
  const reader = await signedInOn(lab, "n1", "alice", room);
  const poster = await signedInOn(lab, "n1", "carol", room);
  const author = await signedInOn(lab, "n2", "bob", room);
  assert.equal(await author.post(room, "before"), 200);
  await untilGot(reader, room, 1);
  await pause(OLDER_THAN_REPEATED_MS);
  const pid = lab.stack.pids().n1;
  const wakeAt = performance.now() + 20_000;
  await lab.stack.kill("n1", "SIGSTOP");
  assert.equal(await poster.post(room, "into the void"), 503, "answered all the same");
  await untilTakenOver(lab, paused);
  assert.equal(await author.post(room, "meanwhile"), 200);
  await postPatiently(poster, room, "and back");
  for (const endpoint of [reader, poster, author]) await untilGot(endpoint, room, 3);
  const flushes = () =>
    lab.sql<{ flushes: number }>("SELECT flushes FROM incarnation WHERE incarnation = ?", [paused]);
  const before = await flushes();
  await pause(Math.max(0, wakeAt - performance.now()));
  await lab.stack.kill("n1", "SIGCONT");
  await until("n1 has ended itself", () => lab.stack.pids().n1 !== pid, TAKEOVER_MS);
  assert.deepEqual(await flushes(), before, "its journal committed nothing more");
  assert.deepEqual(await lab.sql("SELECT number FROM message WHERE text = 'into the void'"), []);
  await lab.stack.restart("n1");
  assert.equal(await author.post(room, "afterwards"), 200);
  for (const endpoint of [reader, poster, author]) {
    await untilGot(endpoint, room, 4);
    assert.deepEqual(numbersOf(endpoint, room), upTo(4), endpoint.address);
  }
});

test("a tenth of all published messages lost: everybody has 1…n in order", async () => {
  const seed = Math.floor(Math.random() * 1e6);
  const random = seeded(seed);
  const lossy = await startLossyRedis(lab.stack.ports.redis, () => random() < 0.1);
  const urlFile = join(lab.stack.stateDir, "secret", "redis.url");
  try {
    writeFileSync(urlFile, `${redisUrl(lossy.port, lab.stack.secrets.redisPassword)}\n`, { mode: 0o600 });
    for (const node of NODES) await lab.stack.restart(node);
    const some = [await newRoom(), await newRoom(), await newRoom()];
    const [first = ""] = some;
    const people = [
      await signedInOn(lab, "n1", "alice", first),
      await signedInOn(lab, "n2", "bob", first),
      await signedInOn(lab, "n1", "carol", first),
      await signedInOn(lab, "n2", "dave", first),
    ];
    for (const person of people) assert.deepEqual((await person.bjoin(some)).failed, []);
    for (const number of upTo(100)) {
      const posts = some.map((room, index) =>
        people[(number + index) % people.length]?.post(room, `${number} of ${index}`),
      );
      assert.deepEqual(await Promise.all(posts), [200, 200, 200]);
    }
    for (const person of people) {
      for (const room of some) {
        await untilGot(person, room, 100);
        assert.deepEqual(numbersOf(person, room), upTo(100), `${person.address}, seed ${seed}`);
      }
    }
    assert.ok(
      lossy.dropped() > 5 && lossy.passed() > lossy.dropped(),
      `${lossy.dropped()} lost, seed ${seed}`,
    );
  } finally {
    writeFileSync(urlFile, `${lab.stack.redisUrl}\n`, { mode: 0o600 });
    await lossy.close();
  }
});
