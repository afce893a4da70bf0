import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import type { Alert } from "../../../src/alerts/alert.ts";
import type { News } from "../../../src/alerts/ports.ts";
import { reach } from "../../../src/alerts/reach.ts";
import { Teller } from "../../../src/alerts/teller.ts";

const ALERT: Alert = { name: "redis-away", subject: "n1", detail: "for 12 s", owner: "n1", sinceMs: 0 };

/** A sink that takes news, and is there, as long as it is told so. */
function teller() {
  const state = { nowMs: 0, takes: true, isThere: true };
  const heard: News[] = [];
  const undelivered: string[] = [];
  const made = new Teller(
    {
      name: "mail",
      tell: async (news) => {
        if (!state.takes) throw new Error("not accepted (EENVELOPE 550)");
        heard.push(news);
      },
      reach: async () => {
        if (!state.isThere) throw new Error("could not be reached (ECONNREFUSED)");
      },
    },
    {
      process: "n1",
      store: { told: async () => {} },
      watch: { delivered: () => {}, undelivered: (sink, why) => undelivered.push(`${sink}: ${why}`) },
      clock: { nowMs: () => state.nowMs, monotonicMs: () => state.nowMs },
      settings: { repeatMs: 3_600_000 },
    },
  );
  /** As the watchman does it: look, then tell. */
  const look = async (alerts: readonly Alert[] = []) => {
    state.nowMs += 5_000;
    const found = await made.probe();
    await made.tell(alerts);
    return found.map(({ name, subject, detail }) => `${name} ${subject}: ${detail}`);
  };
  const lookTimes = async (times: number, alerts: readonly Alert[] = []) => {
    let found: string[] = [];
    for (let time = 0; time < times; time++) found = await look(alerts);
    return found;
  };
  return { state, heard, undelivered, made, look, lookTimes };
}

test("a sink that takes no news is found within half a minute, and well again with the first news that it takes", async () => {
  const { state, heard, undelivered, lookTimes } = teller();
  state.takes = false;
  assert.deepEqual(await lookTimes(4, [ALERT]), []);
  assert.deepEqual(await lookTimes(2, [ALERT]), [
    "alert-undelivered mail and n1: not accepted (EENVELOPE 550)",
  ]);
  assert.deepEqual(undelivered, ["mail: not accepted (EENVELOPE 550)"], "said once");
  state.takes = true;
  await lookTimes(1, [ALERT]);
  assert.deepEqual(await lookTimes(1, [ALERT]), []);
  assert.equal(heard.length, 1);
});

test("a sink that has nothing to hear is found, too, when nobody is there", async () => {
  const { state, lookTimes } = teller();
  assert.deepEqual(await lookTimes(4), []);
  state.isThere = false;
  const found = await lookTimes(9);
  assert.deepEqual(found, ["alert-undelivered mail and n1: could not be reached (ECONNREFUSED)"]);
  state.isThere = true;
  assert.deepEqual(await lookTimes(4), []);
});

test("what was the matter only as long as nobody could be told is over for good; nobody hears that he could not be reached himself", async () => {
  const { state, heard, made, lookTimes } = teller();
  state.takes = false;
  const [itself] = await lookTimes(6, [ALERT]).then(() => made.probe());
  assert.ok(itself);
  await lookTimes(1, [{ ...itself, owner: "n1", sinceMs: 0 }]);
  assert.deepEqual(await lookTimes(1), [], "nothing is left that could be told");
  state.takes = true;
  await lookTimes(2, [{ ...itself, owner: "n1", sinceMs: 0 }]);
  assert.deepEqual(heard, []);
});

test("somebody is there when he accepts a connection, and an SMTP server when it greets with 220", async () => {
  let greeting = "220 mail.example.com ESMTP\r\n";
  const said: string[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (part) => said.push(part.toString()));
    socket.write(greeting);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // by TCP
  const place = { host: "127.0.0.1", port, isSecure: false };
  await reach(place, true);
  await reach(place, false);
  greeting = "554 no service\r\n";
  await assert.rejects(reach(place, true), { message: "not accepted (554)" });
  greeting = "x".repeat(5_000);
  await assert.rejects(reach(place, true), { message: "not accepted (no SMTP)" });
  await assert.rejects(reach({ ...place, isSecure: true }, false), /could not be reached \(/);
  server.close();
  await once(server, "close");
  assert.deepEqual(
    said.filter((line) => line.startsWith("QUIT")),
    ["QUIT\r\n"],
  );
  await assert.rejects(reach(place, true), { message: "could not be reached (ECONNREFUSED)" });
});
