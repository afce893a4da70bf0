import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { runConversation, type Step } from "../../plugin/client/conversation.ts";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({
    users: ["alice", "bob"],
    settings: { chat: { "room-management-url": "https://chat.example.com/rooms" } },
  });
  await lab.administration.addCategory({ name: "Inviting", allowed: [lab.stack.domain], invitations: true });
});
after(() => lab?.close());

/** What the people of the conversation have at hand. */
interface Stage {
  readonly alice: XccosEndpoint;
  readonly bob: XccosEndpoint;
  readonly nightShift: string;
  readonly pumps: string;
  readonly openWindow: string;
  readonly kitchen: string;
}

/** Bob has something to say before Alice comes; her office computer follows two rooms and is switched off. */
async function setTheStage(): Promise<Stage> {
  const nightShift = await lab.addRoom({
    name: "Night Shift",
    members: ["alice", "bob"],
    managers: ["alice"],
  });
  const pumps = await lab.addRoom({ name: "Pumps", privacy: "secret", members: ["alice", "bob"] });
  const openWindow = await lab.addRoom({ name: "Open Window", members: ["alice", "bob"] });
  const kitchen = await lab.addRoom({ name: "Kitchen", description: "food", privacy: "open" });
  await lab.addRoom({ name: "Newcomers", category: "Inviting", members: ["alice"] });
  const bob = await lab.signedIn("bob");
  assert.deepEqual((await bob.bjoin([nightShift, pumps, openWindow, kitchen])).failed, []);
  for (const room of [nightShift, pumps]) assert.equal(await bob.post(room, `before you came`), 200);
  const office = await lab.signedIn("alice");
  await office.presence.subscribe();
  for (const [room, name] of [
    [nightShift, "Night Shift"],
    [pumps, "Pumps"],
  ] as const)
    assert.equal((await office.presence.follow(room, name)).status, 200);
  await office.signOff();
  return { alice: lab.endpoint("alice"), bob, nightShift, pumps, openWindow, kitchen };
}

function signInSteps({ alice, bob, nightShift, pumps, openWindow }: Stage): Step[] {
  const act = (what: string, run: () => Promise<void>): Step => ({
    who: "Alice",
    kind: "note",
    run: () => run().then(() => what),
  });
  let followed: string[] = [];
  return [
    act("1, 2: is provisioned, invites the pool URI and has a session", async () => {
      await alice.signIn({ lookup: false });
      const { enabled, poolUri, properties } = alice.session.provisioning ?? assert.fail();
      assert.deepEqual([enabled, poolUri], [true, lab.stack.poolUri]);
      assert.equal(properties.PersistentChatWebManagerUriInt, "https://chat.example.com/rooms");
      assert.match(alice.session.current?.dialog?.remoteTarget ?? "", /^sip:n1-\d+\.[0-9a-f]{32}@/);
    }),
    act("2: sends again what was answered 503, and it is carried out once", async () => {
      const envid = 4711;
      await lab.stack.kill("n1", "SIGSTOP");
      const busy = bob.post(nightShift, "twice sent", { envid });
      assert.equal(await busy, 503);
      await lab.stack.kill("n1", "SIGCONT");
      await until(
        "the node has caught up",
        async () => (await bob.post(nightShift, "twice sent", { envid })) === 200,
      );
      assert.equal(await bob.post(nightShift, "twice sent", { envid }), 200);
    }),
    act("3: asks what the server is like", async () => {
      const { code, info } = await alice.getServerInfo();
      assert.equal(code, 200);
      assert.match(info.rootUri ?? "", /^ma-cat:\/\/example\.com\//);
      for (const limit of ["searchLimit", "messageSizeLimit", "storySizeLimit"])
        assert.ok(Number(info[limit]) > 0);
    }),
    act("4: asks for the rooms she is in, with what is unread, and then for those she manages", async () => {
      const { rooms } = await alice.getAssociations("MEMBER");
      assert.deepEqual(
        rooms.map(({ name, unread }) => `${name} ${unread}`),
        ["Newcomers 0", "Night Shift 2", "Open Window 0", "Pumps 1"],
      );
      const managed = await alice.getAssociations("MANAGER");
      assert.deepEqual(
        managed.rooms.map(({ uri }) => uri),
        [nightShift],
      );
    }),
    act(
      "5: finds the rooms she follows in her presence document and joins them with one command",
      async () => {
        await alice.presence.subscribe();
        followed = alice.presence.followed;
        assert.deepEqual(followed.toSorted(), [nightShift, pumps].toSorted());
        const { code, failed, rooms } = await alice.bjoin(followed);
        assert.deepEqual([code, failed, rooms.length], [200, [], 2]);
      },
    ),
    act("5: joins the room whose window was open on this computer", async () => {
      const { code, rooms } = await alice.join(openWindow);
      assert.equal(code, 200);
      assert.deepEqual(rooms[0]?.participants.map(({ name }) => name).sort(), ["Alice", "Bob"]);
    }),
    act("6: reads the latest of each", async () => {
      const latest = await Promise.all([...followed, openWindow].map((room) => alice.history(room)));
      const texts = latest.flatMap(({ messages }) => messages.map(({ text }) => text));
      assert.deepEqual(texts.toSorted(), ["before you came", "before you came", "twice sent"]);
      const { rooms } = await alice.getAssociations("MEMBER");
      assert.deepEqual(new Set(rooms.map(({ unread }) => unread)), new Set([0]));
    }),
    act("7: asks for invitations she has not seen", async () => {
      const { code, invitations } = await alice.getInvitations(0);
      assert.equal(code, 200);
      assert.deepEqual(
        invitations.map(({ inviteId, room }) => `${inviteId} ${room.name}`),
        ["1 Newcomers"],
      );
      assert.deepEqual((await alice.getInvitations(1)).invitations, []);
    }),
  ];
}

function followSteps({ alice, bob, kitchen }: Stage): Step[] {
  const step = (who: string, kind: Step["kind"], run: () => Promise<string>): Step => ({
    who,
    kind,
    room: "Kitchen",
    run,
  });
  return [
    step("Alice", "note", async () => {
      const { rooms } = await alice.search("food", true);
      assert.deepEqual(
        rooms.map(({ uri }) => uri),
        [kitchen],
      );
      return "finds it";
    }),
    step("Alice", "entered", async () => {
      assert.equal((await alice.join(kitchen)).code, 200);
      assert.equal((await alice.presence.follow(kitchen, "Kitchen")).status, 200);
      return "and follows it";
    }),
    step("Alice", "read", async () => `${(await alice.history(kitchen)).messages.length} messages`),
    step("Alice", "said", async () => {
      assert.equal(await alice.post(kitchen, "Who cooks?"), 200);
      return "Who cooks?";
    }),
    ...[alice, bob].map((endpoint) =>
      step(endpoint === alice ? "Alice" : "Bob", "heard", async () => {
        const copy = await endpoint.waitForMessage(({ room }) => room === kitchen, LAB_TIMEOUT_MS);
        assert.deepEqual([copy.author, copy.text, copy.chatId], [alice.address, "Who cooks?", 1]);
        return copy.text;
      }),
    ),
  ];
}

test("sign-in in seven steps, following a room and posting, as one conversation", async () => {
  const stage = await setTheStage();
  const steps = [...signInSteps(stage), ...followSteps(stage)];
  const lines: string[] = [];
  const { done, failure } = await runConversation(steps, { print: (line) => void lines.push(line) });
  assert.equal(failure, undefined, `${failure?.error.stack}\n${lines.join("\n")}`);
  assert.equal(done, steps.length);
  const kinds = (await lab.recorded(stage.kitchen)).map(
    ({ kind, actor }) => `${kind} ${actor.slice(4, -12)}`,
  );
  assert.deepEqual(kinds.toSorted(), ["BACKCHAT alice", "CHAT alice", "JOIN alice", "JOIN bob"]);
  const said = (await lab.recorded(stage.nightShift)).filter(({ kind }) => kind === "CHAT");
  assert.equal(said.length, 2, "what was sent three times was said once");
  await lab.clearAway();
});
