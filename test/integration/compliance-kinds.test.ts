import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type CapturedEvent, captured, gaps, unbalanced } from "../support/captured.ts";
import { parlance } from "../support/cli.ts";
import { type Lab, openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";

/**
 * The kinds that an archive of this sort has, and under which name ours has them. `later` is what the product cannot do yet; a
 * reason says what there is not, or where it is recorded instead. Five kinds of ours have no counterpart and are made elsewhere:
 * ROOM_IMPORTED and DOMAIN_IMPORTED by `transfer.test.ts`, GAP_ACCEPTED and EVENT_MISSING by `compliance-books.test.ts`,
 * ASIDE_ACCEPTED by `archive-alerts.test.ts`.
 */
const KINDS: Readonly<Record<string, readonly string[] | { later: string } | { none: string }>> = {
  JOIN: ["JOIN"],
  PART: ["PART"],
  CHAT: ["CHAT"],
  STORY: ["STORY"],
  EDIT: ["MESSAGE_REPLACED"],
  DELETE: ["MESSAGE_REMOVED"],
  REACTION: { none: "XCCOS has no reactions" },
  BACKCHAT: ["BACKCHAT"],
  SEARCH: ["SEARCH"],
  FILEUPLOAD: { later: "files" },
  FILEDOWNLOAD: { later: "files" },
  FILEDELETE: { later: "files" },
  INVITE: { none: "an invitation is made by the change that makes somebody a member: ROLE_CHANGED" },
  ROOM_CREATE: ["ROOM_CREATED"],
  ROOM_UPDATE: ["ROOM_CHANGED"],
  ROOM_DISABLE: ["ROOM_CHANGED"],
  ROOM_DELETE: ["ROOM_DELETED"],
  ROOM_PURGE: ["ROOM_CLEARED"],
  MEMBER_ADD: ["ROLE_CHANGED"],
  MEMBER_REMOVE: ["ROLE_CHANGED"],
  ROLE_CHANGE: ["ROLE_CHANGED"],
  CATEGORY_CHANGE: ["CATEGORY_CREATED", "CATEGORY_CHANGED", "CATEGORY_DELETED"],
  USER_CHANGE: ["USER_CHANGED", "GROUP_CHANGED"],
  LOGIN: ["LOGIN"],
  LOGOUT: ["LOGOUT"],
  POLICY_CHANGE: ["POLICY_CHANGED", "SETTING_CHANGED", "ADDIN_CHANGED", "DOMAIN_CHANGED"],
  NODE_START: ["NODE_START"],
  NODE_HEARTBEAT: ["NODE_HEARTBEAT"],
  NODE_STOP: ["NODE_STOP"],
  COMPL_SEARCH: { later: "officers' actions" },
  COMPL_VIEW: { later: "officers' actions" },
  /** Of the archive; and of rooms with their texts, which the chat's administrators take. */
  COMPL_EXPORT: ["COMPL_EXPORT", "DOMAIN_EXPORT", "DOMAIN_EXPORTED"],
  COMPL_REVIEW: { later: "officers' actions" },
  HOLD_SET: { later: "officers' actions" },
  HOLD_RELEASE: { later: "officers' actions" },
  RETENTION_PURGE: { later: "officers' actions" },
  REDACTION: { later: "officers' actions" },
  DELIVERY: ["DELIVERY"],
  CHECKPOINT: {
    none: "a table and a file of their own: an event of each would need a checkpoint of its own",
  },
  KEY_ROTATE: ["KEY_ROTATE"],
};

let lab: Lab;
let events: CapturedEvent[] = [];

const ALICE = "sip:alice@example.com";
const BOB = "sip:bob@example.com";

async function cli(...words: string[]): Promise<void> {
  const { code, err } = await parlance(lab.stack.configFiles.n1 ?? "", ...words);
  assert.deepEqual({ code, err }, { code: 0, err: "" }, words.join(" "));
}

/** Of the life of the node that Alice signed in to. */
function ownStream(): CapturedEvent[] {
  const home = events.find(({ kind, actor }) => kind === "LOGIN" && actor.uri === ALICE)?.stream;
  return events.filter(({ stream }) => stream === home);
}

/** Everything at least once, by SIP and at the command line. */
async function live(): Promise<void> {
  await cli("category", "create", "Desk", "--allow", "example.com");
  await cli("category", "change", "Desk", "--description", "Traders");
  await cli("room", "create", "FX", "--category", "Desk");
  await cli("member", "add", "FX", ALICE);
  await cli("member", "add", "FX", BOB);
  await cli("manager", "add", "FX", ALICE);
  await cli("room", "change", "FX", "--description", "Foreign exchange");
  await cli("addin", "create", "Tickets", "--url", "https://tickets.example.com/");
  await cli("user", "change", BOB, "--name", "Robert");
  await cli("group", "add", "Traders", "--address", "ma-grp:traders");
  await cli("group", "member", "add", "Traders", BOB);
  await cli("user", "change", BOB, "--create-rooms", "on");
  await cli("domain", "add", "example.org");
  await cli("config", "set", "DefaultChatHistory", "50");

  const fx = (await lab.administration.findRoom("FX")).uri;
  const [alice, bob] = [await lab.signedIn("alice"), await lab.signedIn("bob")];
  for (const endpoint of [alice, bob]) assert.equal((await endpoint.join(fx)).code, 200);
  for (const text of ["buy 3", "my password", "third"]) assert.equal(await alice.post(fx, text), 200);
  assert.equal(await alice.post(fx, "[STORY]4711[/STORY] a long one", {}), 200);
  assert.equal((await bob.history(fx, 10)).messages.length, 4);
  assert.equal((await bob.searchHistory({ text: "buy" })).found.length, 1);
  await cli("message", "replace", "FX", "--number", "1", "--text", "buy none", "--reason", "typing error");
  await cli("message", "remove", "FX", "--number", "2", "--reason", "a secret");
  await cli("room", "clear", "FX", "--all", "--reason", "spring");
  assert.equal((await bob.part(fx)).code, 200);
  await bob.signOff();
  await alice.signOff();

  await cli("export", join(lab.stack.stateDir, "domain"));
  await cli("member", "remove", "FX", BOB);
  await cli("room", "disable", "FX");
  await cli("room", "delete", "FX");
  await cli("category", "delete", "Desk");
  await cli("compliance", "key", "rotate");
  await cli("compliance", "export", join(lab.stack.stateDir, "export"), "--reason", "an audit");
}

/** No adapter is given these: they stand in the archive only. */
async function deliveries(): Promise<CapturedEvent[]> {
  const rows = await lab.sql<{ body: Buffer }>(
    `SELECT c.body FROM archive_leaf l JOIN archive_content c ON c.seq = l.seq WHERE l.leaf LIKE '%"kind":"DELIVERY"%'`,
  );
  return rows.map(({ body }) => JSON.parse(body.toString("utf8")));
}

before(async () => {
  lab = await openLab({
    users: ["alice", "bob"],
    settings: { compliance: { "heartbeat-interval": "1s" } },
  });
  await live();
  await until("the node's first heartbeat", async () =>
    (await captured(lab)).some(({ kind }) => kind === "NODE_HEARTBEAT"),
  );
  await lab.restart("n1");
  await until("everything is captured, the end of that life included", async () => {
    events = await captured(lab);
    return ownStream().some(({ kind }) => kind === "NODE_STOP");
  });
  // As if the run-interval were over.
  await lab.sql("UPDATE compliance_lease SET last_run_ms = 1 WHERE adapter = 'lync-xml'");
  await until(
    "the adapter's run is sealed",
    async () => {
      const delivered = await deliveries();
      events = [...events.filter(({ kind }) => kind !== "DELIVERY"), ...delivered];
      return delivered.length > 0;
    },
    60_000,
  );
});
after(() => lab?.close());

test("each kind is captured at least once, and what is not there yet is named", () => {
  const seen = new Set(events.map(({ kind }) => kind));
  const wanted = Object.values(KINDS).flatMap((ours) => (Array.isArray(ours) ? ours : []));
  assert.deepEqual(
    wanted.filter((kind) => !seen.has(kind)),
    [],
  );
  assert.deepEqual(
    [...seen].filter((kind) => !wanted.includes(kind)),
    [],
    "no kind that this table does not know",
  );
  const later = Object.entries(KINDS).flatMap(([kind, ours]) => ("later" in ours ? [kind] : []));
  assert.equal(Object.keys(KINDS).length, 40);
  assert.equal(later.length, 10);
});

test("each stream is dense from 1, and every coming has its going", async () => {
  assert.deepEqual(gaps(events), []);
  assert.deepEqual(await unbalanced(lab, events), []);
});

test("moderation keeps what was there, with who did it and why", () => {
  const of = (kind: string) => {
    const event = events.find((one) => one.kind === kind);
    assert.ok(event, kind);
    assert.match(event.actor.uri, /^administrator:/);
    return event.detail;
  };
  type Old = { text: string; author: string };
  const replaced = of("MESSAGE_REPLACED");
  assert.deepEqual(
    [(replaced.old as Old).text, replaced.text, replaced.reason],
    ["buy 3", "buy none", "typing error"],
  );
  const removed = of("MESSAGE_REMOVED");
  const { text, author } = removed.old as Old;
  assert.deepEqual([text, author, removed.reason], ["my password", ALICE, "a secret"]);
  const cleared = of("ROOM_CLEARED");
  assert.deepEqual(
    [cleared.to, (cleared.old as Old[]).map((old) => old.text)],
    [4, ["buy none", "third", "[STORY]4711[/STORY] a long one"]],
  );
});

test("a node's own stream says who signed in from where, and how its life ended", () => {
  const own = ownStream();
  assert.equal(own[0]?.kind, "NODE_START");
  const [last] = own.slice(-1);
  assert.deepEqual(
    [last?.kind, last?.detail.reason, last?.detail.last],
    ["NODE_STOP", "stopped", own.length],
  );
  const logins = own.filter(({ kind, actor }) => kind === "LOGIN" && actor.uri === ALICE);
  assert.ok(logins.length > 0);
  for (const { detail } of logins) {
    assert.equal(detail.transport, "tcp");
    assert.match(String(detail.source), /^127\.0\.0\.1:\d+$/);
  }
  const beat = own.find(({ kind }) => kind === "NODE_HEARTBEAT");
  assert.ok(
    Math.abs(Number(beat?.detail.databaseMs) - Number(beat?.at)) < 5_000,
    "two clocks of one machine",
  );
});

test("an export says who took what and why, a delivery what the adapter wrote", () => {
  const exported = events.find(({ kind }) => kind === "COMPL_EXPORT");
  assert.match(exported?.actor.uri ?? "", /^administrator:/);
  const { reason, folder, from } = exported?.detail ?? {};
  assert.deepEqual(
    { reason, folder, from },
    { reason: "an audit", folder: join(lab.stack.stateDir, "export"), from: 0 },
  );
  const of = (wanted: string) => events.find(({ kind }) => kind === wanted);
  const domain = join(lab.stack.stateDir, "domain");
  assert.match(of("DOMAIN_EXPORT")?.actor.uri ?? "", /^administrator:/);
  const { sha256: hash } = JSON.parse(readFileSync(join(domain, "manifest.json"), "utf8"));
  assert.deepEqual(
    [of("DOMAIN_EXPORT"), of("DOMAIN_EXPORTED")]
      .map((event) => event?.detail.after as Record<string, unknown>)
      .map(({ folder, sha256 }) => ({ folder, sha256 })),
    [
      { folder: domain, sha256: undefined },
      { folder: undefined, sha256: hash },
    ],
  );
  const delivery = events.find(({ kind }) => kind === "DELIVERY");
  assert.equal(delivery?.actor.uri, "adapter:lync-xml");
  const { files, runId, countsByKind } = delivery?.detail ?? {};
  assert.equal(
    (countsByKind as Record<string, number>).COMPL_EXPORT,
    1,
    "what an officer does is delivered, too",
  );
  for (const { name, sha256 } of files as { name: string; sha256: string }[]) {
    const bytes = readFileSync(join(lab.stack.stateDir, "compliance", String(runId), name));
    assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256, name);
  }
});
