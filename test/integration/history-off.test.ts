import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { redisUrl } from "../../plugin/stack/redis.ts";
import { type Lab, openLab } from "../support/lab.ts";
import { startLossyRedis } from "../support/lossy-redis.ts";
import {
  incarnationOf,
  NODES,
  numbersOf,
  postPatiently,
  signedInOn,
  untilGot,
  untilTakenOver,
  upTo,
} from "../support/pool-people.ts";

let lab: Lab;
let rooms = 0;

before(async () => {
  lab = await openLab({ nodes: 2, users: ["alice", "bob"] });
});
afterEach(async () => {
  await lab?.clearAway();
  for (const name of NODES) if (lab && !(name in lab.stack.pids())) await lab.stack.restart(name);
});
after(() => lab?.close());

/** A room of a category of its own that keeps no history. */
async function unkeptRoom() {
  rooms += 1;
  const category = `Unkept ${rooms}`;
  await lab.administration.addCategory({ name: category, allowed: [lab.stack.domain], chatHistory: false });
  const uri = await lab.addRoom({ name: `Whisper ${rooms}`, category, members: ["alice", "bob"] });
  const keep = () => lab.administration.changeCategory(category, { chatHistory: true });
  return { uri, keep };
}

test("posts cross nodes live; the switch turned on later shows none of them, in no history, search or count", async () => {
  const { uri, keep } = await unkeptRoom();
  const alice = await signedInOn(lab, "n1", "alice", uri);
  const bob = await signedInOn(lab, "n2", "bob", uri);
  for (const number of upTo(4))
    assert.equal(await (number % 2 ? alice : bob).post(uri, `whisper ${number}`), 200);
  for (const endpoint of [alice, bob]) {
    await untilGot(endpoint, uri, 4);
    assert.deepEqual(numbersOf(endpoint, uri), upTo(4), endpoint.address);
  }
  const shown = async () => {
    const { messages } = await bob.history(uri);
    const { found } = await bob.searchHistory({ rooms: [uri], text: "whisper" });
    return [messages, found.flatMap((room) => room.messages)].map((list) => list.map(({ text }) => text));
  };
  assert.deepEqual(await shown(), [[], []]);
  await bob.part(uri);
  await keep();
  assert.deepEqual(await shown(), [[], []]);
  assert.equal(await alice.post(uri, "whisper loudly"), 200);
  await untilGot(alice, uri, 5);
  assert.deepEqual(await shown(), [["whisper loudly"], ["whisper loudly"]]);
  assert.deepEqual(await lab.sql("SELECT text FROM message WHERE text LIKE 'whisper _'"), []);
  const recorded = (await lab.recorded(uri)).filter(({ kind }) => kind === "CHAT");
  assert.deepEqual(
    recorded.map(({ detail }) => detail.text),
    [...upTo(4).map((number) => `whisper ${number}`), "whisper loudly"],
  );
});

test("who was away while nothing was kept has nothing of it unread", async () => {
  const { uri, keep } = await unkeptRoom();
  const alice = await signedInOn(lab, "n1", "alice", uri);
  for (const number of upTo(3)) assert.equal(await alice.post(uri, `unheard ${number}`), 200);
  await keep();
  assert.equal(await alice.post(uri, "kept"), 200);
  const bob = await lab.signedIn("bob");
  const { rooms: mine } = await bob.getAssociations("MEMBER");
  assert.equal(mine.find((room) => room.uri === uri)?.unread, 1);
});

test("what the bus loses is delivered from the store all the same", async () => {
  const { uri } = await unkeptRoom();
  let asked = 0;
  const lossy = await startLossyRedis(lab.stack.ports.redis, () => ++asked % 3 === 0);
  const urlFile = join(lab.stack.stateDir, "secret", "redis.url");
  try {
    writeFileSync(urlFile, `${redisUrl(lossy.port, lab.stack.secrets.redisPassword)}\n`, { mode: 0o600 });
    for (const node of NODES) await lab.stack.restart(node);
    const alice = await signedInOn(lab, "n1", "alice", uri);
    const bob = await signedInOn(lab, "n2", "bob", uri);
    const before = lossy.dropped();
    for (const number of upTo(20)) assert.equal(await alice.post(uri, `lossy ${number}`), 200);
    await untilGot(bob, uri, 20);
    assert.deepEqual(numbersOf(bob, uri), upTo(20));
    assert.ok(lossy.dropped() > before);
  } finally {
    writeFileSync(urlFile, `${lab.stack.redisUrl}\n`, { mode: 0o600 });
    await lossy.close();
    for (const node of NODES) await lab.stack.restart(node);
  }
});

test("a node killed: its silent reader gets what was said meanwhile from the node that takes over", async () => {
  const { uri } = await unkeptRoom();
  const dead = await incarnationOf(lab, "n1");
  const reader = await signedInOn(lab, "n1", "bob", uri);
  const author = await signedInOn(lab, "n2", "alice", uri);
  await lab.stack.kill("n1", "SIGKILL");
  for (const number of upTo(10)) await postPatiently(author, uri, `meanwhile ${number}`);
  await untilTakenOver(lab, dead);
  await untilGot(reader, uri, 10);
  assert.deepEqual(numbersOf(reader, uri), upTo(10));
  assert.deepEqual((await reader.history(uri)).messages, []);
});
