import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { runSipeScenario } from "../support/sipe/scenario.ts";
import type { ScenarioUser } from "../support/sipe/scenario-script.ts";
import { SipeClient } from "../support/sipe/sipe.ts";
import { until } from "../support/until.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({ users: ["alice", "bob", "carol"] });
});
after(() => lab?.close());

function user(name: string, login?: string): ScenarioUser {
  const { domain } = lab.stack;
  return { user: name, domain, password: lab.password(name), ...(login === undefined ? {} : { login }) };
}

for (const transport of ["tcp", "tls"] as const) {
  test(`two people with Pidgin SIPE meet, talk, leave and come back over ${transport}; the archive has every word once`, async () => {
    const names = [`Lobby (${transport})`, `Back <office> & "co" (${transport})`] as const;
    const [lobby, office] = names.map((name) => ({ name, members: ["alice", "bob"] }));
    const rooms = [
      { name: names[0], uri: await lab.addRoom(lobby ?? assert.fail()) },
      { name: names[1], uri: await lab.addRoom(office ?? assert.fail()) },
    ] as const;
    const port = transport === "tls" ? lab.stack.ports.tls : lab.stack.ports.sip;
    const said = await runSipeScenario({
      host: "127.0.0.1",
      port,
      transport,
      users: [user("alice"), user("bob", "bob")],
      rooms,
    });
    assert.ok(said.length > 8);
    for (const { uri } of rooms) {
      const recorded = (await lab.recorded(uri)).filter(({ kind }) => kind === "CHAT");
      assert.deepEqual(
        recorded.map(({ actor, detail }) => ({ uri, author: actor, text: detail.text })),
        said.filter((message) => message.uri === uri),
        "exactly what was said, in the order it was said",
      );
      assert.deepEqual(
        recorded.map(({ detail }) => detail.number),
        recorded.map((_, index) => index + 1),
      );
    }
    const comingAndGoing = async () =>
      (await lab.recorded(rooms[0].uri)).filter(({ kind }) => kind === "JOIN" || kind === "PART");
    // SIPE does not wait for the answer to its BYE.
    await until("the last one is gone", async () => (await comingAndGoing()).length >= 6);
    const coming = await comingAndGoing();
    assert.deepEqual(
      coming.map(({ kind, actor, detail }) => [kind, actor, detail.reason]),
      [
        ["JOIN", lab.address("alice"), undefined],
        ["JOIN", lab.address("bob"), undefined],
        ["PART", lab.address("bob"), "left"],
        ["JOIN", lab.address("bob"), undefined],
        ["PART", lab.address("bob"), "signed-off"],
        ["PART", lab.address("alice"), "signed-off"],
      ],
    );
    const read = (await lab.recorded(rooms[0].uri)).filter(({ kind }) => kind === "BACKCHAT");
    assert.equal(read.length, 3, "each of the three entries read the history");
  });
}

for (const how of ["restarted", "killed"] as const)
  test(`Pidgin finds its room again after its node was ${how}: it hears and says what comes then`, async () => {
    const room = await lab.addRoom({ name: `Node ${how}`, members: ["alice", "bob"] });
    const settings = {
      host: "127.0.0.1",
      port: lab.stack.ports.sip,
      transport: "tcp",
      ...user("alice"),
    } as const;
    const pidgin = await SipeClient.start(settings);
    const bob = await lab.signedIn("bob");
    try {
      await pidgin.signIn();
      await pidgin.listRooms();
      await pidgin.join(room);
      assert.equal((await bob.join(room)).code, 200);
      if (how === "killed") await lab.stack.kill("n1", "SIGKILL");
      await lab.restart("n1");
      const since = pidgin.mark();
      assert.equal(await bob.post(room, "after it"), 200);
      await pidgin.waitFor(
        (event) => event.event === "message" && event.text === "after it",
        LAB_TIMEOUT_MS,
        since,
      );
      pidgin.say(room, "heard");
      await bob.waitForMessage(({ text }) => text === "heard", LAB_TIMEOUT_MS);
    } finally {
      await pidgin.stop();
      await bob.signOff();
    }
  });

test("who is put out of a room, and then loses the policy, sees both in Pidgin, and later that his message was not delivered", async () => {
  const [one, two] = await Promise.all(
    ["One", "Two"].map((name) => lab.addRoom({ name, members: ["carol"] })),
  );
  assert.ok(one && two);
  const pidgin = await SipeClient.start({
    host: "127.0.0.1",
    port: lab.stack.ports.sip,
    transport: "tcp",
    ...user("carol"),
  });
  try {
    await pidgin.signIn();
    await pidgin.listRooms();
    for (const uri of [one, two]) await pidgin.join(uri);
    const seen = async (act: () => Promise<unknown>) => {
      const since = pidgin.mark();
      await act();
      const { uri, who } = await pidgin.waitForKind("user-left", LAB_TIMEOUT_MS, since);
      return { uri, who };
    };
    assert.deepEqual(await seen(() => lab.administration.removeRole(two, pidgin.uri, "member")), {
      uri: two,
      who: pidgin.uri,
    });
    assert.deepEqual(await seen(() => lab.administration.setUserPolicy(pidgin.uri, false)), {
      uri: one,
      who: pidgin.uri,
    });
    const since = pidgin.mark();
    pidgin.say(one, "still here?");
    const refused = await pidgin.waitForKind("chat-error", LAB_TIMEOUT_MS, since);
    assert.match(refused.text, /not delivered/);
  } finally {
    await pidgin.stop();
  }
});
