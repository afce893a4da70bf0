import assert from "node:assert/strict";
import { test } from "node:test";
import { makeClocksAdjustable, setClock } from "../chaos/clocks.ts";
import { AlertsLab, TOKEN, TOLD_WITHIN_MS } from "../support/alerts-lab.ts";
import { parlance } from "../support/cli.ts";
import { redisAdmin } from "../support/redis-admin.ts";
import { until } from "../support/until.ts";

/** What is wrong with processes, servers and clocks; `archive-alerts.test.ts` has the archive, its folders and the disks. */
const it = new AlertsLab({ nodes: 2, mail: true, prepare: makeClocksAdjustable });

test("of a pool that is well nobody is told anything", async () => {
  await until("both nodes and the worker look after each other", async () => {
    const rows = await it.lab.sql<{ name: string }>("SELECT name FROM process ORDER BY name");
    return rows.map(({ name }) => name).join() === "n1,n2,worker-n1";
  });
  assert.deepEqual(it.told, []);
  assert.deepEqual(it.letters, []);
  const { code, out } = await parlance(it.config, "alert", "list", "--json");
  assert.deepEqual([code, JSON.parse(out)], [0, []]);
  await until("the metrics say so", async () => /^parlance_workers 1$/m.test(await it.metrics(0)));
});

test("Redis, Kamailio and the worker killed: each is told by its name, by webhook and mail, and cleared when it is back", async () => {
  it.answers.push(503); // the first attempt does not arrive
  await it.lab.stack.kill("worker", "SIGKILL");
  await it.say("nobody takes this over");
  await it.lab.stack.kill("redis", "SIGKILL");
  await it.lab.stack.kill("kamailio", "SIGKILL");
  const failures = [
    ["redis-away", "n1"],
    ["redis-away", "n2"],
    ["kamailio-away", "edge1 and n1"],
    ["kamailio-away", "edge1 and n2"],
    ["worker-dead", "worker-n1"],
    ["capture-behind", "outbox"],
  ] as const;
  await it.untilTold("firing", ...failures);
  assert.deepEqual([...it.authorizations], [`Bearer ${TOKEN}`]);
  assert.match(
    await it.metrics(0),
    /^parlance_alert\{alert="redis-away",subject="n1",severity="warning"\} 1$/m,
  );
  const { out } = await parlance(it.lab.stack.configFiles.n2 ?? "", "alert", "list", "--json");
  const listed = (JSON.parse(out) as { alert: string; subject: string }[]).map(({ alert, subject }) => [
    alert,
    subject,
  ]);
  for (const failure of failures)
    assert.ok(
      listed.some((one) => one.join() === failure.join()),
      `${failure} in ${out}`,
    );
  await until("mails", async () => it.letters.some(({ text }) => /worker-dead/.test(text)), TOLD_WITHIN_MS);
  const [letter] = it.letters.filter(({ text }) => /kamailio-away/.test(text));
  assert.deepEqual(letter?.to, ["ops@example.com", "audit@example.com"]);
  assert.match(letter?.text ?? "", /^Auto-Submitted: auto-generated\r$/m);
  assert.match(letter?.text ?? "", /Subject: \[Parlance example\.com\] CRITICAL: /);

  await it.lab.stack.restart("redis");
  await it.lab.stack.restart("kamailio");
  await it.lab.stack.restart("worker");
  await it.untilTold("resolved", ...failures);
  const told1 = it.told.filter(
    ({ status, labels }) => status === "firing" && labels.alertname === "worker-dead",
  );
  assert.equal(told1.length, 1, "told once, by one of the nodes");
  assert.ok(!it.isTold("firing", "redis-emptied", /./), "what a restart lost is no news");
  await until("nothing is left", async () => {
    const answer = await parlance(it.config, "alert", "list", "--json");
    return answer.out.trim() === "[]";
  });
  await until("nor in the metrics of the node", async () => !/^parlance_alert\{/m.test(await it.metrics(0)));
});

test("a node killed, also the one that looks after the pool, is missed until it is back", async () => {
  const [holder] = await it.lab.sql<{ holder: string }>("SELECT holder FROM pool_watch");
  const victim = holder?.holder === "n2" ? "n2" : "n1";
  await it.lab.stack.kill(victim, "SIGKILL");
  await it.untilTold("firing", ["node-dead", victim]);
  await it.lab.restart(victim);
  await it.untilTold("resolved", ["node-dead", victim]);
});

test("one that stops in order is not missed", async () => {
  await it.lab.stack.kill("n2", "SIGTERM");
  await until("it has said so", async () => {
    const rows = await it.lab.sql<{ name: string }>("SELECT name FROM process ORDER BY name");
    return rows.map(({ name }) => name).join() === "n1,worker-n1";
  });
  await it.lab.restart("n2");
});

test("the database killed: the worker says so while it is away; the nodes that ended are not called dead once they are back", async () => {
  it.told.length = 0;
  await it.lab.stack.kill("mariadb", "SIGKILL");
  await it.untilTold("firing", ["database-away", "worker-n1"]);
  await it.lab.stack.restart("mariadb");
  // They gave up their leases and ended; their supervisor starts them again.
  for (const node of ["n1", "n2"]) await it.lab.restart(node);
  await it.untilTold("resolved", ["database-away", "worker-n1"]);
  assert.ok(!it.isTold("firing", "worker-dead", /./), "it was there all the time");
});

test("a mail server that is away, Redis emptied, a clock that was set: told by whoever can be told, and in the metrics", async () => {
  const port = await it.endMail();
  const before = it.told.length;
  await redisAdmin(it.lab.stack.redisUrl, (client) => client.flushAll());
  const setRight = setClock(it.lab.stack, "worker", 3_600_000);
  const failures = [
    ["alert-undelivered", "mail and n1"],
    ["alert-undelivered", "mail and worker-n1"],
    ["redis-emptied", "n2"],
    ["redis-emptied", "worker-n1"],
    ["clock-jumped", "worker-n1"],
    ["clock-jumped", "worker-n1 and the database"],
  ] as const;
  await it.untilTold("firing", ...failures);
  assert.match(it.describedAs("alert-undelivered"), /could not be reached \(ECONNREFUSED\)|not accepted/);
  await it.untilInMetrics(0, "alert-undelivered", "mail and n1");
  it.beginMail(port);
  await until("mail brings what goes on", async () =>
    it.letters.some(({ text }) => /clock-jumped/.test(text)),
  );
  setRight();
  await it.untilTold("resolved", ...failures);
  assert.ok(
    it.told.slice(before).every(({ labels }) => labels.alertname !== "redis-away"),
    "it was there",
  );
});

test("a node that shall not come back is forgotten by command; a wrong name is answered with a sentence", async () => {
  const config = it.config;
  const wrong = await parlance(config, "alert", "forget", "n9");
  assert.equal(wrong.code, 64);
  assert.match(wrong.err, /no process "n9" is missed/);
  assert.equal((await parlance(config, "alert", "forget", "n1")).code, 64, "it is there");
});

test("alert test reaches everybody who is told, and says who could not be reached", async () => {
  const config = it.config;
  const before = it.letters.length;
  const well = await parlance(config, "alert", "test");
  assert.deepEqual([well.code, well.out], [0, "webhook: arrived\nmail: arrived\n"]);
  assert.equal(it.letters.length, before + 2);
  it.answers.push(500);
  const ill = await parlance(config, "alert", "test");
  assert.equal(ill.code, 1);
  assert.match(ill.err, /webhook: answered 500/);
  assert.doesNotMatch(ill.err + ill.out, new RegExp(TOKEN));
});
