import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { hostilePhone } from "../support/hostile-phone.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import type { SipLines } from "../support/sip-lines.ts";
import { assertCleanLogs, SECRET_WORD, type Witnesses, witnesses } from "../support/unharmed.ts";
import { until } from "../support/until.ts";

const FLOOD = 2_000;
/** docs/architecture.md, rights and bounds: dialogs of one user on one node. */
const MOST_DIALOGS = 64;
let lab: Lab;
let others: Witnesses;

before(async () => {
  lab = await openLab({
    users: ["alice", "bob", "mallory", "carol", "dave"],
    rooms: [
      { name: "Main", members: ["alice", "bob"] },
      { name: "Flood", members: ["mallory", "carol", "dave"] },
    ],
  });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  others = await witnesses(lab.room("Main"), alice, bob);
});
after(async () => {
  try {
    await lab?.clearAway();
    if (lab) assertCleanLogs(lab);
  } finally {
    await lab?.close();
  }
});

/** Final answers by status, one per Call-ID and CSeq. */
function tally(phone: SipLines, since: number): Map<number, number> {
  const answered = new Map<string, number>();
  for (const { status, headers } of phone.received.slice(since))
    if (status >= 200) answered.set(`${headers.get("call-id")} ${headers.get("cseq")}`, status);
  const counts = new Map<number, number>();
  for (const status of answered.values()) counts.set(status, (counts.get(status) ?? 0) + 1);
  return counts;
}

const total = (counts: ReadonlyMap<number, number>) =>
  [...counts.values()].reduce((sum, count) => sum + count, 0);

/** All requests in one go; the others chat while they are worked off. */
async function flood(user: string, method: string, headers: (phone: SipLines) => readonly string[]) {
  const hostile = await hostilePhone(lab, user);
  const phone = hostile.lines();
  const since = phone.received.length;
  for (let index = 0; index < FLOOD; index++) {
    phone.send({
      method,
      uri: method === "SUBSCRIBE" ? lab.address(user) : lab.stack.poolUri,
      from: `<${lab.address(user)}>;tag=f${index}`,
      to: `<${method === "SUBSCRIBE" ? lab.address(user) : lab.stack.poolUri}>`,
      callId: `flood-${method}-${index}`,
      cseq: 1,
      headers: headers(phone),
    });
  }
  await others.unharmed(`the beginning of a flood of ${method}`);
  await until("every request is answered", () => total(tally(phone, since)) === FLOOD, 60_000);
  await others.unharmed(`a flood of ${method}`);
  return { counts: tally(phone, since), end: () => hostile.end() };
}

test("2,000 INVITEs of one user at once make no more dialogs than one user may have, and all are answered", async () => {
  const { counts, end } = await flood("mallory", "INVITE", (phone) => [
    `Contact: <sip:mallory@127.0.0.1:${phone.local.port}>`,
  ]);
  try {
    const statuses = [...counts.keys()].sort();
    assert.ok(
      statuses.every((status) => [200, 486, 503].includes(status)),
      JSON.stringify([...counts]),
    );
    assert.ok((counts.get(200) ?? 0) <= MOST_DIALOGS, JSON.stringify([...counts]));
    const [row] = await lab.sql<{ n: number }>(
      "SELECT COUNT(*) AS n FROM dialog d JOIN principal p ON p.id = d.user_id WHERE p.uri = ?",
      [lab.address("mallory")],
    );
    assert.ok(Number(row?.n) <= MOST_DIALOGS, `${row?.n} dialogs`);
  } finally {
    end();
  }
});

test("2,000 SUBSCRIBEs at once are answered, each with 200 or 503", async () => {
  const { counts, end } = await flood("carol", "SUBSCRIBE", () => [
    "Event: vnd-microsoft-provisioning-v2",
    "Expires: 0",
  ]);
  end();
  assert.ok(
    [...counts.keys()].every((status) => [200, 503].includes(status)),
    JSON.stringify([...counts]),
  );
  assert.ok((counts.get(200) ?? 0) > 0);
});

test("a flood of posts on one dialog: what is answered 200 is stored, what is answered 503 is not, others wait for nothing", async () => {
  const room = lab.room("Flood");
  const dave = await lab.signedIn("dave", { timeoutMs: 60_000 });
  await dave.join(room);
  const before = await stored(room);
  const posts = Array.from({ length: FLOOD }, (_, index) =>
    dave.post(room, `${SECRET_WORD} ${index}`, { timeoutMs: 60_000 }),
  );
  await others.unharmed("the beginning of a flood of posts");
  const statuses = await Promise.all(posts);
  await others.unharmed("a flood of posts");
  assert.ok(
    statuses.every((status) => status === 200 || status === 503),
    `${new Set(statuses)}`,
  );
  const taken = statuses.filter((status) => status === 200).length;
  assert.ok(taken > 0);
  assert.equal((await stored(room)) - before, taken);
  await until("every copy arrives", () => dave.messages.length >= taken, 60_000);
  assert.deepEqual(
    dave.messages.map(({ text }) => Number(text.split(" ")[1])),
    statuses.flatMap((status, index) => (status === 200 ? [index] : [])),
  );
});

test("a client that never reads holds up nobody in its room, and is given up", async () => {
  const room = lab.room("Flood");
  const deaf = await lab.signedIn("carol");
  const dave = await lab.signedIn("dave", { timeoutMs: 60_000 });
  for (const endpoint of [deaf, dave]) await endpoint.join(room);
  deaf.pauseReading();
  const text = SECRET_WORD.repeat(3_000);
  let said = 0;
  // Until what lies unread is more than the kernel and Kamailio keep for one connection.
  for (; said < 800 && !(await isAway("carol")); said++) {
    assert.equal(await dave.post(room, `[STORY]${said} ${text}`, { timeoutMs: 60_000 }), 200);
  }
  await until("the one who reads has everything", () => dave.messages.length >= said, 60_000);
  assert.ok(said < 800, "the connection is closed before there is no end to it");
  deaf.crash();
  await others.unharmed("a client that never reads");
  await deaf.reconnect();
  assert.equal((await deaf.history(room, 1)).code, 200, "and may come back");
});

test("forty wrong passwords: refused from the eleventh on without a look, from that address only", async () => {
  const from = { localAddress: "127.0.0.77", timeoutMs: LAB_TIMEOUT_MS };
  const statuses: number[] = [];
  for (let attempt = 0; attempt < 40; attempt++) {
    const burglar = lab.endpoint("mallory", { ...from, password: `guess ${attempt}` });
    await burglar.signIn().then(
      () => statuses.push(200),
      (error: { status?: number }) => statuses.push(error.status ?? 0),
    );
  }
  assert.ok(!statuses.includes(200), statuses.join());
  assert.deepEqual(statuses.slice(10), Array(30).fill(403));
  await assert.rejects(
    lab.endpoint("mallory", from).signIn(),
    { status: 403 },
    "the right one comes too late",
  );
  const elsewhere = await lab.signedIn("carol");
  assert.equal((await elsewhere.getServerInfo()).code, 200, "others sign in as ever");
  await others.unharmed("forty wrong passwords");
});

async function stored(room: string): Promise<number> {
  const { id } = await lab.administration.findRoom(room);
  const [row] = await lab.sql<{ n: number }>("SELECT COUNT(*) AS n FROM message WHERE room_id = ?", [id]);
  return Number(row?.n);
}

/** None of the user's dialogs has a connection any more. */
async function isAway(user: string): Promise<boolean> {
  const rows = await lab.sql<{ away: unknown }>(
    "SELECT d.away_since_ms AS away FROM dialog d JOIN principal p ON p.id = d.user_id WHERE p.uri = ?",
    [lab.address(user)],
  );
  return rows.every(({ away }) => away !== null);
}
