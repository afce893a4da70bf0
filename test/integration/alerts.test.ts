import assert from "node:assert/strict";
import { chmodSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { SMTPServer } from "smtp-server";
import { makeClocksAdjustable, setClock } from "../chaos/clocks.ts";
import { parlance } from "../support/cli.ts";
import { type Lab, openLab } from "../support/lab.ts";
import { redisAdmin } from "../support/redis-admin.ts";
import { until } from "../support/until.ts";

/** The promise: a failure is told within a minute. Some more for a machine that has other things to do. */
const TOLD_WITHIN_MS = 90_000;
const TOKEN = "a-token-of-the-test";

interface Told {
  readonly status: "firing" | "resolved";
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const told: Told[] = [];
const authorizations = new Set<string | undefined>();
const letters: { to: string[]; text: string }[] = [];
/** Statuses that the webhook answers first. */
const answers: number[] = [];
let lab: Lab;

const webhook = createServer((request: IncomingMessage, response: ServerResponse) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const status = answers.shift() ?? 200;
    authorizations.add(request.headers.authorization);
    if (status === 200)
      told.push(...(JSON.parse(Buffer.concat(parts).toString()) as { alerts: Told[] }).alerts);
    response.writeHead(status).end();
  });
});

function mailServer(): SMTPServer {
  return new SMTPServer({
    authOptional: true,
    disabledCommands: ["AUTH", "STARTTLS"],
    onData(stream, session, done) {
      const parts: Buffer[] = [];
      stream.on("data", (part: Buffer) => parts.push(part));
      stream.on("end", () => {
        const to = session.envelope.rcptTo.map(({ address }) => address);
        letters.push({ to, text: Buffer.concat(parts).toString() });
        done();
      });
    },
  });
}

let mail = mailServer();

function secret(name: string, text: string): string {
  const file = join(lab.stack.stateDir, "secret", name);
  writeFileSync(file, `${text}\n`, { mode: 0o600 });
  return `./secret/${name}`;
}

async function portOf(server: { address(): AddressInfo | string | null }): Promise<number> {
  await until("listening", async () => server.address() !== null);
  return (server.address() as AddressInfo).port; // by TCP
}

before(async () => {
  makeClocksAdjustable();
  webhook.listen(0, "127.0.0.1");
  mail.listen(0, "127.0.0.1");
  lab = await openLab({ nodes: 2, users: ["alice"], rooms: [{ name: "Hall", members: ["alice"] }] });
  const alerts = {
    "webhook-url-file": secret("webhook.url", `http://127.0.0.1:${await portOf(webhook)}/alerts`),
    "webhook-token-file": secret("webhook.token", TOKEN),
    "smtp-url-file": secret("smtp.url", `smtp://127.0.0.1:${await portOf(mail.server)}`),
    "mail-from": "parlance@example.com",
    "mail-to": ["ops@example.com", "audit@example.com"],
  };
  const compliance = { archive: { "checkpoint-interval": "10s" } };
  for (const node of ["n1", "n2"]) await lab.configure(node, { alerts, compliance });
  await lab.stack.restart("worker");
});
after(async () => {
  await lab?.close();
  webhook.close();
  await new Promise<void>((resolve) => mail.close(resolve));
});

async function say(text: string): Promise<void> {
  const alice = await lab.signedIn("alice");
  await alice.join(lab.room("Hall"));
  assert.equal(await alice.post(lab.room("Hall"), text), 200);
}

function isTold(status: Told["status"], alert: string, subject: RegExp | string): boolean {
  return told.some(
    ({ status: said, labels }) =>
      said === status &&
      labels.alertname === alert &&
      (typeof subject === "string" ? labels.subject === subject : subject.test(labels.subject ?? "")),
  );
}

async function untilTold(status: Told["status"], ...alerts: (readonly [string, RegExp | string])[]) {
  for (const [alert, subject] of alerts)
    await until(`${alert} ${status}`, async () => isTold(status, alert, subject), TOLD_WITHIN_MS);
}

/** As it was told last. */
function describedAs(alert: string, subject?: string): string {
  const [last] = told
    .filter(
      ({ labels }) => labels.alertname === alert && (subject === undefined || labels.subject === subject),
    )
    .slice(-1);
  return last?.annotations.description ?? "";
}

/** A node knows what another process says of itself as of its last look. */
async function untilInMetrics(node: number, alert: string, subject: string): Promise<void> {
  const line = `parlance_alert{alert="${alert}",subject="${subject}",`;
  await until(`${alert} in the metrics`, async () => (await metrics(node)).includes(line));
}

async function metrics(node: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${lab.stack.ports.http[node]}/metrics`);
  return response.text();
}

test("of a pool that is well nobody is told anything", async () => {
  await until("both nodes and the worker look after each other", async () => {
    const rows = await lab.sql<{ name: string }>("SELECT name FROM process ORDER BY name");
    return rows.map(({ name }) => name).join() === "n1,n2,worker-n1";
  });
  assert.deepEqual(told, []);
  assert.deepEqual(letters, []);
  const { code, out } = await parlance(lab.stack.configFiles.n1 ?? "", "alert", "list", "--json");
  assert.deepEqual([code, JSON.parse(out)], [0, []]);
  await until("the metrics say so", async () => /^parlance_workers 1$/m.test(await metrics(0)));
});

test("Redis, Kamailio and the worker killed: each is told by its name, by webhook and mail, and cleared when it is back", async () => {
  answers.push(503); // the first attempt does not arrive
  await lab.stack.kill("worker", "SIGKILL");
  await say("nobody takes this over");
  await lab.stack.kill("redis", "SIGKILL");
  await lab.stack.kill("kamailio", "SIGKILL");
  const failures = [
    ["redis-away", "n1"],
    ["redis-away", "n2"],
    ["kamailio-away", "edge1 and n1"],
    ["kamailio-away", "edge1 and n2"],
    ["worker-dead", "worker-n1"],
    ["capture-behind", "outbox"],
  ] as const;
  await untilTold("firing", ...failures);
  assert.deepEqual([...authorizations], [`Bearer ${TOKEN}`]);
  assert.match(await metrics(0), /^parlance_alert\{alert="redis-away",subject="n1",severity="warning"\} 1$/m);
  const { out } = await parlance(lab.stack.configFiles.n2 ?? "", "alert", "list", "--json");
  const listed = (JSON.parse(out) as { alert: string; subject: string }[]).map(({ alert, subject }) => [
    alert,
    subject,
  ]);
  for (const failure of failures)
    assert.ok(
      listed.some((one) => one.join() === failure.join()),
      `${failure} in ${out}`,
    );
  await until("mails", async () => letters.some(({ text }) => /worker-dead/.test(text)), TOLD_WITHIN_MS);
  const [letter] = letters.filter(({ text }) => /kamailio-away/.test(text));
  assert.deepEqual(letter?.to, ["ops@example.com", "audit@example.com"]);
  assert.match(letter?.text ?? "", /^Auto-Submitted: auto-generated\r$/m);
  assert.match(letter?.text ?? "", /Subject: \[Parlance example\.com\] CRITICAL: /);

  await lab.stack.restart("redis");
  await lab.stack.restart("kamailio");
  await lab.stack.restart("worker");
  await untilTold("resolved", ...failures);
  const told1 = told.filter(
    ({ status, labels }) => status === "firing" && labels.alertname === "worker-dead",
  );
  assert.equal(told1.length, 1, "told once, by one of the nodes");
  assert.ok(!isTold("firing", "redis-emptied", /./), "what a restart lost is no news");
  await until("nothing is left", async () => {
    const answer = await parlance(lab.stack.configFiles.n1 ?? "", "alert", "list", "--json");
    return answer.out.trim() === "[]";
  });
  await until("nor in the metrics of the node", async () => !/^parlance_alert\{/m.test(await metrics(0)));
});

test("a node killed, also the one that looks after the pool, is missed until it is back", async () => {
  const [holder] = await lab.sql<{ holder: string }>("SELECT holder FROM pool_watch");
  const victim = holder?.holder === "n2" ? "n2" : "n1";
  await lab.stack.kill(victim, "SIGKILL");
  await untilTold("firing", ["node-dead", victim]);
  await lab.restart(victim);
  await untilTold("resolved", ["node-dead", victim]);
});

test("one that stops in order is not missed", async () => {
  await lab.stack.kill("n2", "SIGTERM");
  await until("it has said so", async () => {
    const rows = await lab.sql<{ name: string }>("SELECT name FROM process ORDER BY name");
    return rows.map(({ name }) => name).join() === "n1,worker-n1";
  });
  await lab.restart("n2");
});

test("the database killed: the worker says so while it is away; the nodes that ended are not called dead once they are back", async () => {
  told.length = 0;
  await lab.stack.kill("mariadb", "SIGKILL");
  await untilTold("firing", ["database-away", "worker-n1"]);
  await lab.stack.restart("mariadb");
  // They gave up their leases and ended; their supervisor starts them again.
  for (const node of ["n1", "n2"]) await lab.restart(node);
  await untilTold("resolved", ["database-away", "worker-n1"]);
  assert.ok(!isTold("firing", "worker-dead", /./), "it was there all the time");
});

test("a folder that cannot be written, a checkpoint that cannot leave, an event put aside: told with the reason, without what was said", async () => {
  await say("nobody's business");
  await lab.sql(
    "INSERT INTO compliance_quarantine (event_id, body_sha256, stream, stream_seq, kind, at_ms, room_id, body, reason, quarantined_ms) " +
      "VALUES (UNHEX(REPEAT('0', 32)), UNHEX(SHA2('', 256)), 'room:1', 1, 'CHAT', 0, 1, \"nobody's business\", 'made by a test', 0)",
  );
  // A file where the folder should be: also for root. The next run is a quarter of an hour away.
  const folder = join(lab.stack.stateDir, "compliance");
  renameSync(folder, `${folder}.kept`);
  writeFileSync(folder, "");
  const failures = [
    ["delivery-failing", "lync-xml and worker-n1"],
    ["checkpoint-unpublished", "archive"],
    ["event-quarantined", "archive"],
  ] as const;
  await untilTold("firing", ...failures);
  assert.match(describedAs("delivery-failing"), /^its folder cannot be written: (ENOTDIR|EEXIST)$/);
  await lab.sql("UPDATE compliance_lease SET last_run_ms = 1 WHERE adapter = 'lync-xml'");
  await untilTold("firing", ["delivery-failing", "lync-xml"]);
  assert.match(describedAs("delivery-failing", "lync-xml"), /failed \d+ times: .*(ENOTDIR|EEXIST)/);
  await untilInMetrics(1, "checkpoint-unpublished", "archive");
  await lab.sql("DELETE FROM compliance_quarantine");
  rmSync(folder);
  renameSync(`${folder}.kept`, folder);
  await untilTold("resolved", ...failures, ["delivery-failing", "lync-xml"]);
  assert.doesNotMatch(JSON.stringify(told), /nobody's business/);
});

test("an archive that is not the one that was signed, and events that nobody seals, are told until it is right again", async () => {
  await say("sealed");
  await until("signed", async () => (await lab.sql("SELECT size FROM archive_checkpoint")).length > 0);
  await lab.stack.kill("worker", "SIGKILL");
  // As whoever owns the database can.
  await lab.sql("DROP TRIGGER archive_leaf_no_update");
  const [leaf] = await lab.sql<{ leaf_hash: Buffer }>("SELECT leaf_hash FROM archive_leaf WHERE seq = 0");
  const write = (hash: Buffer) => lab.sql("UPDATE archive_leaf SET leaf_hash = ? WHERE seq = 0", [hash]);
  await write(Buffer.alloc(32));
  await lab.stack.restart("worker");
  await say("not sealed");
  await until("it waits", async () => (await lab.sql("SELECT event_id FROM archive_intake")).length > 0);
  await lab.sql("UPDATE archive_intake SET arrived_ms = arrived_ms - 50000");
  const failures = [
    ["archive-broken", "archive"],
    ["seal-behind", "archive"],
  ] as const;
  await untilTold("firing", ...failures);
  assert.match(describedAs("archive-broken"), /^the first \d+ events are not those of /);
  await untilInMetrics(0, "archive-broken", "archive");
  await write(leaf?.leaf_hash ?? Buffer.alloc(0));
  await untilTold("resolved", ...failures);
  assert.equal((await parlance(lab.stack.configFiles.n1 ?? "", "migrate")).code, 0);
});

test("a mail server that is away, Redis emptied, a clock that was set: told by whoever can be told, and in the metrics", async () => {
  const { port } = mail.server.address() as AddressInfo; // by TCP
  await new Promise<void>((resolve) => mail.close(resolve));
  const before = told.length;
  await redisAdmin(lab.stack.redisUrl, (client) => client.flushAll());
  const setRight = setClock(lab.stack, "worker", 3_600_000);
  const failures = [
    ["alert-undelivered", "mail and n1"],
    ["alert-undelivered", "mail and worker-n1"],
    ["redis-emptied", "n2"],
    ["redis-emptied", "worker-n1"],
    ["clock-jumped", "worker-n1"],
    ["clock-jumped", "worker-n1 and the database"],
  ] as const;
  await untilTold("firing", ...failures);
  assert.match(describedAs("alert-undelivered"), /could not be reached \(ECONNREFUSED\)|not accepted/);
  await untilInMetrics(0, "alert-undelivered", "mail and n1");
  mail = mailServer();
  mail.listen(port, "127.0.0.1");
  await until("mail brings what goes on", async () => letters.some(({ text }) => /clock-jumped/.test(text)));
  setRight();
  await untilTold("resolved", ...failures);
  assert.ok(
    told.slice(before).every(({ labels }) => labels.alertname !== "redis-away"),
    "it was there",
  );
});

test("what is wrong with the sealed archive is told: a key that others can read, a missing number, a changed event", async () => {
  told.length = 0;
  await say("sealed");
  await until("sealed", async () => (await lab.sql("SELECT seq FROM archive_content LIMIT 1")).length === 1);
  const config = lab.stack.configFiles.n1 ?? "";
  // As if number 1 of a stream had been lost: number 2 waits for it.
  await lab.sql(
    "INSERT INTO archive_intake (event_id, stream, stream_seq, kind, at_ms, room_id, body, arrived_ms) " +
      "VALUES (UNHEX(REPEAT('0', 32)), 'room:999', 2, 'CHAT', 0, 999, '{}', CAST(UNIX_TIMESTAMP() AS UNSIGNED) * 1000)",
  );
  const [event] = await lab.sql<{ seq: number; body: Buffer }>(
    "SELECT seq, body FROM archive_content LIMIT 1",
  );
  await lab.sql("UPDATE archive_content SET body = CONCAT(body, ' ') WHERE seq = ?", [event?.seq ?? 0]);
  assert.equal((await parlance(config, "compliance", "verify", "--from", "0")).code, 1);
  const key = join(lab.stack.stateDir, "secret", "archive.key");
  chmodSync(key, 0o644);
  await say("cannot be signed");
  await untilTold(
    "firing",
    ["archive-tampered", "archive"],
    ["checkpoint-unsigned", "archive"],
    ["record-missing", "room:999"],
  );
  await until("the worker's reason", async () =>
    told.some(({ annotations }) => /others can read/.test(annotations.description ?? "")),
  );

  chmodSync(key, 0o600);
  await lab.sql("DELETE FROM archive_intake WHERE stream = 'room:999'");
  await lab.sql("UPDATE archive_content SET body = ? WHERE seq = ?", [event?.body ?? "", event?.seq ?? 0]);
  const verified = await parlance(config, "compliance", "verify", "--from", "0");
  assert.equal(verified.code, 0, verified.out);
  await untilTold(
    "resolved",
    ["archive-tampered", "archive"],
    ["checkpoint-unsigned", "archive"],
    ["record-missing", "room:999"],
  );
});

test("a node that shall not come back is forgotten by command; a wrong name is answered with a sentence", async () => {
  const config = lab.stack.configFiles.n1 ?? "";
  const wrong = await parlance(config, "alert", "forget", "n9");
  assert.equal(wrong.code, 64);
  assert.match(wrong.err, /no process "n9" is missed/);
  assert.equal((await parlance(config, "alert", "forget", "n1")).code, 64, "it is there");
});

test("alert test reaches everybody who is told, and says who could not be reached", async () => {
  const config = lab.stack.configFiles.n1 ?? "";
  const before = letters.length;
  const well = await parlance(config, "alert", "test");
  assert.deepEqual([well.code, well.out], [0, "webhook: arrived\nmail: arrived\n"]);
  assert.equal(letters.length, before + 2);
  answers.push(500);
  const ill = await parlance(config, "alert", "test");
  assert.equal(ill.code, 1);
  assert.match(ill.err, /webhook: answered 500/);
  assert.doesNotMatch(ill.err + ill.out, new RegExp(TOKEN));
});
