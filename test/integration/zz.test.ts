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
    if (lab) assertCleanLogs(lab, ["n1", "worker"]);
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

test("a client that never reads holds up nobody in its room, and is given up", async () => {
  const room = lab.room("Flood");
  const deaf = await lab.signedIn("carol");
  const dave = await lab.signedIn("dave", { timeoutMs: 60_000 });
  for (const endpoint of [deaf, dave]) await endpoint.join(room);
  const text = SECRET_WORD.repeat(3_000);
  let said = 0;
  // Until what lies unread is more than the kernel and Kamailio keep for one connection.
  for (; said < 100 && !(await isAway("carol")); said++) {
    assert.equal(await dave.post(room, `[STORY]${said} ${text}`, { timeoutMs: 60_000 }), 200);
  }
  await until("the one who reads has everything", () => dave.messages.length >= said, 60_000);
  console.log("said", said, deaf.messages.length, dave.messages.length, JSON.stringify(deaf.session.agent.connection.counts)); for (let i=0;i<8;i++){ await new Promise(r=>setTimeout(r,1000)); console.log(i, deaf.messages.length, (await import("node:child_process")).execSync("ss -tnp state all | grep -E ':"+deaf.session.agent.connection.localPort+" '").toString()); } assert.ok(said < 100, "the connection is closed before there is no end to it");
  console.log("said", said, await lab.sql("SELECT away_since_ms FROM dialog"), deaf.connected); deaf.crash();
  await others.unharmed("a client that never reads");
  await deaf.reconnect();
  assert.equal((await deaf.history(room, 1)).code, 200, "and may come back");
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
