import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { createConnection } from "mysql2/promise";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { type ManyPosters, manyPosters, type Posted } from "../support/many-posters.ts";
import { type SlowDatabase, startSlowDatabase } from "../support/slow-database.ts";
import { until } from "../support/until.ts";

/*
 * One node, 960 dialogs that post 800 times a second whether or not they are answered, and a database that cannot keep up, for
 * three reasons. What is said of a post must be true whatever happens, and nobody may wait for long.
 */

const CROWD = Array.from({ length: 24 }, (_, index) => `crowd${index}`);
const DIALOGS_EACH = 40;
const EVERY_MS = 1_200;
/** Two seconds for the node, and room for a busy machine. */
const LONGEST_ANSWER_MS = 4_000;
/** Seconds, in the Retry-After of the node's own refusals; Kamailio's, when a node has not answered, says 5. */
const OF_THE_NODE = 2;

let lab: Lab;
let database: SlowDatabase;
let crowd: ManyPosters;
let alice: XccosEndpoint;
let room: string;

before(async () => {
  lab = await openLab({ users: [...CROWD, "alice", "bob"] });
  database = await startSlowDatabase(new URL(lab.stack.mysqlUrl));
  const file = join(lab.stack.stateDir, "secret", "mysql.url");
  const url = readFileSync(file, "utf8");
  writeFileSync(file, url.replace(/:\d+\/(?=[^/]*$)/, `:${database.port}/`));
  await lab.restart("n1");
  crowd = await manyPosters(lab, CROWD, DIALOGS_EACH);
  room = await lab.addRoom({ name: "Aside", members: ["alice", "bob"] });
  alice = await lab.signedIn("alice", { timeoutMs: LAB_TIMEOUT_MS });
  assert.equal((await alice.join(room)).code, 200);
});
after(async () => {
  try {
    crowd?.end();
    await lab?.clearAway();
  } finally {
    await lab?.close();
    await database?.stop();
  }
});

/** Every answer so far to posts that begin with the word, and the books. */
async function checkBooks(word: string): Promise<{ taken: Posted[]; refused: Posted[] }> {
  const posted = crowd.posted.filter(({ text }) => text.startsWith(word));
  const taken = posted.filter(({ status }) => status === 200);
  const refused = posted.filter(({ status }) => status === 503);
  assert.equal(taken.length + refused.length, posted.length, "200 or 503, nothing else");
  assert.ok(taken.length > 0 && refused.length > 0, `${taken.length} taken, ${refused.length} refused`);
  assert.ok(
    refused.every(({ retryAfter }) => retryAfter > 0),
    "each refusal says when to try again",
  );
  const longest = Math.max(...posted.map(({ tookMs }) => tookMs));
  assert.ok(longest < LONGEST_ANSWER_MS, `somebody waited for ${longest} ms`);

  const rows = await lab.sql<{ text: string }>("SELECT text FROM message WHERE text LIKE ?", [`${word} %`]);
  const stored = new Set(rows.map(({ text }) => text));
  assert.equal(stored.size, rows.length, "nothing is stored twice");
  const lost = taken.filter(({ text }) => !stored.has(text));
  assert.deepEqual(lost, [], "what is acknowledged is stored");
  for (const { text } of posted) stored.delete(text);
  assert.deepEqual([...stored], [], "and what is stored was acknowledged, or refused");
  const [recorded] = await lab.sql<{ n: number }>(
    "SELECT COUNT(*) AS n FROM (SELECT body FROM compliance_outbox UNION ALL SELECT body FROM compliance_handover) AS e WHERE body LIKE ?",
    [`%"text":"${word} %`],
  );
  assert.equal(Number(recorded?.n), rows.length, "and is recorded as often");
  return { taken, refused };
}

function medianMs(posts: readonly Posted[]): number {
  return posts.map(({ tookMs }) => tookMs).sort((a, b) => a - b)[posts.length >> 1] ?? 0;
}

/** As a client is told to: the same post again, after the time that the refusal names. @returns how often it was refused */
async function politePost(text: string): Promise<number> {
  const envid = alice.session.nextEnvid();
  const body = `<xccos ver="1" envid="${envid}" xmlns="urn:parlano:xml:ns:xccos"><grpchat id="grpchat" seqid="1" chanUri="${room}" author="${alice.address}" ts="2026-01-01T00:00:00Z"><chat>${text}</chat></grpchat></xccos>`;
  for (let refusals = 0; ; refusals++) {
    assert.ok(refusals < 15, "it gets through in the end");
    const { status, headers } = await alice.sendInfo({ body: Buffer.from(body) });
    if (status === 200) return refusals;
    assert.equal(status, 503);
    const [, retryAfter] = headers.find(([name]) => name === "Retry-After") ?? [];
    await pause(Number.parseInt(retryAfter ?? "", 10) * 1_000);
  }
}

/** The node has had nothing done to it but the end of what was wrong. */
async function checkRecovered(word: string): Promise<void> {
  await until("a post is taken at once", async () => (await alice.post(room, `after ${word}`)) === 200);
  const from = crowd.posted.length;
  await crowd.postFor(1_000, 3 * EVERY_MS, "afterwards");
  assert.deepEqual(new Set(crowd.posted.slice(from).map(({ status }) => status)), new Set([200]));
  const said = () => alice.messages.map(({ text }) => text).filter((text) => text.endsWith(word));
  await until("the copies arrive", () => said().length >= 2, LAB_TIMEOUT_MS);
  assert.deepEqual(said(), [`heard while ${word}`, `after ${word}`], "the polite one's posts, once each");
  assert.deepEqual(crowd.violations, []);
}

test("more posts than can be committed: 503 at once for the rest, and what is acknowledged is stored", async () => {
  database.slowDown(200);
  const posting = crowd.postFor(6_000, EVERY_MS, "slow");
  await pause(1_500);
  // Not only posts: a sign-in gets through or hears 503 as well.
  const bob = lab.endpoint("bob", { timeoutMs: LAB_TIMEOUT_MS });
  const signingIn = bob.signIn().catch(({ status }: { status?: number }) => assert.equal(status, 503));
  await politePost("heard while slow");
  await Promise.all([posting, signingIn]);
  database.slowDown(0);
  const { taken, refused } = await checkBooks("slow");
  // Who is refused has not waited in the queue first. Kamailio's own 503 is for nodes that do not answer; a few come when the machine
  // is busy with other things, which make every answer late.
  const [waited, refusedAfter] = [medianMs(taken), medianMs(refused)];
  assert.ok(refusedAfter < waited, `refused after ${refusedAfter} ms, taken after ${waited} ms`);
  const unanswered = refused.filter(({ retryAfter }) => retryAfter !== OF_THE_NODE).length;
  assert.ok(unanswered < refused.length / 4, `${unanswered} of ${refused.length} refusals are Kamailio's`);
  const dialogs = new Set(refused.map((post) => post.room)).size;
  assert.ok(dialogs > crowd.rooms.length / 10, `only ${dialogs} dialogs were refused anything`);
  assert.ok(taken.length > refused.length / 10, "refusing is not all it does");
  await checkRecovered("slow");
});

test("rooms that somebody keeps locked: 503 for posts into them, others get through, and what is acknowledged is stored", async () => {
  const [ids] = await lab.sql<{ first: number; last: number }>(
    "SELECT MIN(id) AS first, MAX(id) AS last FROM room WHERE name LIKE 'Alone %'",
  );
  const holder = await createConnection({ uri: lab.stack.mysqlUrl });
  try {
    const posting = crowd.postFor(5_000, EVERY_MS, "locked");
    // Otherwise the row behind them is locked too.
    await holder.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    await holder.beginTransaction();
    const lock = "SELECT id FROM room FORCE INDEX (PRIMARY) WHERE id BETWEEN ? AND ? FOR UPDATE";
    await holder.query(lock, [ids?.first, ids?.last]);
    await politePost("heard while locked");
    await pause(2_500);
    await holder.rollback();
    await posting;
  } finally {
    holder.destroy();
  }
  await checkBooks("locked");
  await checkRecovered("locked");
});

test("a database that stands still for three seconds: 503 within two, what is acknowledged is stored, and then all goes on", async () => {
  const posting = crowd.postFor(7_000, EVERY_MS, "stopped");
  await pause(500);
  await lab.stack.kill("mariadb", "SIGSTOP");
  try {
    await pause(3_000);
  } finally {
    await lab.stack.kill("mariadb", "SIGCONT");
  }
  await politePost("heard while stopped");
  await posting;
  await checkBooks("stopped");
  await checkRecovered("stopped");
  assert.doesNotMatch(lab.log("n1"), /another node speaks|"level":60/, "the node has lived through it");
});
