import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, afterEach, before, test } from "node:test";
import { ClientError } from "../../plugin/client/client-error.ts";
import { type Lab, openLab } from "../support/lab.ts";
import { sipStream } from "../support/sip-lines.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({
    users: ["alice", "bob"],
    notAllowed: ["mallory"],
    rooms: [
      { name: "Night Shift", description: "Plant 2", members: ["alice", "bob"], managers: ["alice"] },
      { name: 'Lads & Co "4"', privacy: "open" },
      { name: "Board", privacy: "secret", members: ["bob"], description: "the night of the long plans" },
      { name: "Day Shift", members: ["bob"], managers: ["alice"] },
    ],
  });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

function isRefusal(status: number) {
  return (error: unknown) =>
    error instanceof ClientError && error.kind === "refused" && error.status === status;
}

for (const transport of ["tcp", "tls"] as const) {
  test(`an enabled user signs in over ${transport} by digest and is told the pool's address`, async () => {
    const alice = await lab.signedIn("alice", { transport });
    const { enabled, poolUri, properties } = alice.session.provisioning ?? assert.fail("not provisioned");
    assert.deepEqual([enabled, poolUri], [true, lab.stack.poolUri]);
    assert.equal(properties.EnablePersistentChat, "true");
    assert.equal(alice.session.current?.invitedUri, lab.stack.poolUri, "requri named the pool itself");
    assert.ok((alice.session.current?.sessionExpiresSeconds ?? 0) >= 90);
  });

  test(`stock SIPE's habits are served over ${transport}`, async () => {
    const alice = await lab.signedIn("alice", { transport, sipe: true });
    const room = lab.room("Night Shift");
    assert.equal((await alice.join(room)).code, 200);
    assert.equal(await alice.post(room, `over ${transport}`), 200);
    await alice.waitForMessage(({ text }) => text === `over ${transport}`);
    assert.equal(alice.session.restarts, 0);
  });
}

test("a wrong password is never let in, and no dialog comes of it", async () => {
  // Dialogs of the test before may still be on their way out; a new one would be one of these.
  const dialogs = async () =>
    (await lab.sql<{ token: Buffer }>("SELECT token FROM dialog")).map(({ token }) => token.toString("hex"));
  const before = await dialogs();
  const stranger = lab.endpoint("alice", { password: "guessed" });
  await assert.rejects(stranger.signIn(), isRefusal(407));
  const pushy = lab.endpoint("alice", { password: "guessed" });
  await assert.rejects(
    pushy.signIn({ register: false, provision: false, poolUri: lab.stack.poolUri }),
    isRefusal(407),
  );
  assert.deepEqual(
    (await dialogs()).filter((token) => !before.includes(token)),
    [],
  );
});

test("who speaks in another's name is asked for that one's password", async () => {
  const mallory = lab.endpoint("mallory");
  await assert.rejects(
    mallory.signIn(),
    (error) => error instanceof ClientError && error.kind === "disabled",
  );
  const disguised = lab.endpoint("mallory", {
    address: lab.address("alice"),
    username: "mallory@example.com",
  });
  await assert.rejects(
    disguised.signIn({ register: false, provision: false, poolUri: lab.stack.poolUri }),
    isRefusal(407),
  );
});

test("a user without the policy is provisioned as not enabled, and his INVITE is refused with 403", async () => {
  const mallory = lab.endpoint("mallory");
  await assert.rejects(
    mallory.signIn(),
    (error) => error instanceof ClientError && error.kind === "disabled",
  );
  assert.equal(mallory.session.provisioning?.enabled, false);
  assert.equal(mallory.session.provisioning?.properties.EnablePersistentChat, "false");
  const stubborn = lab.endpoint("mallory");
  await assert.rejects(stubborn.signIn({ poolUri: lab.stack.poolUri }), isRefusal(403));
  const sipe = lab.endpoint("mallory", { sipe: true }); // invites ocschat@domain all the same
  await assert.rejects(sipe.signIn(), isRefusal(403));
  assert.deepEqual(
    await lab.sql(
      "SELECT d.token FROM dialog d JOIN principal p ON p.id = d.user_id WHERE p.uri LIKE 'sip:mallory@%'",
    ),
    [],
  );
});

test("an administrator's policy counts at the next sign-in, on and off", async () => {
  await lab.administration.setUserPolicy(lab.address("mallory"), true);
  const mallory = await lab.signedIn("mallory");
  assert.equal(mallory.session.provisioning?.enabled, true);
  await mallory.signOff();
  await lab.administration.setUserPolicy(lab.address("mallory"), false);
  await assert.rejects(lab.endpoint("mallory").signIn({ poolUri: lab.stack.poolUri }), isRefusal(403));
});

test("getserverinfo tells limits, time and identity of the pool", async () => {
  const alice = await lab.signedIn("alice");
  const reply = await alice.getServerInfo();
  assert.deepEqual([reply.code, reply.name], [200, "getservinfo"]);
  const {
    serverTime = "",
    searchLimit,
    messageSizeLimit,
    storySizeLimit,
    rootUri = "",
    dbVersion,
  } = reply.info;
  assert.deepEqual([searchLimit, messageSizeLimit, storySizeLimit], ["999", "8000", "32000"]);
  assert.match(rootUri, /^ma-cat:\/\/example\.com\//);
  assert.match(serverTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
  assert.ok(Math.abs(Date.parse(serverTime) - Date.now()) < 60_000);
  assert.equal((await (await lab.signedIn("bob")).getServerInfo()).info.dbVersion, dbVersion);
});

test("getassociations lists what one is member of, and what one manages, and nothing else", async () => {
  const alice = await lab.signedIn("alice");
  const member = await alice.getAssociations("MEMBER");
  const manager = await alice.getAssociations("MANAGER");
  assert.deepEqual(
    member.rooms.map(({ name }) => name),
    ["Night Shift"],
  );
  assert.deepEqual(
    manager.rooms.map(({ name }) => name),
    ["Day Shift", "Night Shift"],
  );
  const [room] = member.rooms;
  assert.deepEqual([room?.uri, room?.description, room?.userCount], [lab.room("Night Shift"), "Plant 2", 0]);
  assert.equal((await alice.getAssociations("MANAGER", 1)).rooms.length, 1, "maxResults is kept");
});

test("a search finds all visible rooms, by all of the words, in the description only when asked", async () => {
  const alice = await lab.signedIn("alice");
  const names = async (words: string, extended = false) =>
    (await alice.search(words, extended)).rooms.map(({ name }) => name);
  assert.deepEqual(await names(""), ["Day Shift", 'Lads & Co "4"', "Night Shift"]);
  assert.deepEqual(await names("shift"), ["Day Shift", "Night Shift"]);
  assert.deepEqual(await names("shift night"), ["Night Shift"]);
  assert.deepEqual(await names('& "4"'), ['Lads & Co "4"']);
  assert.deepEqual(await names("plant"), []);
  assert.deepEqual(await names("plant", true), ["Night Shift"]);
  for (const wildcard of ["%", "_", "\\"]) assert.deepEqual(await names(wildcard), [], "no wildcard");
  const [open] = (await alice.search("lads")).rooms;
  assert.deepEqual([open?.uri, open?.visibility], [lab.room('Lads & Co "4"'), "open"]);
});

test("a secret room is found by its members only, and for others it does not exist", async () => {
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  const board = lab.room("Board");
  const found = await bob.search("board");
  assert.deepEqual(
    found.rooms.map(({ uri, visibility }) => [uri, visibility]),
    [[board, "private"]],
  );
  assert.deepEqual((await alice.search("board")).rooms, []);
  assert.deepEqual((await alice.search("long plans", true)).rooms, [], "not by its description either");
  const missing = "ma-chan://example.com/00000000-0000-4000-8000-000000000000";
  const [secret, none] = [await alice.join(board), await alice.join(missing)];
  assert.deepEqual([secret.code, secret.text], [none.code, none.text]);
  assert.equal(secret.code, 404);
  assert.equal((await alice.history(board)).code, 404);
  assert.deepEqual(await lab.recorded(board), [], "and nothing of it is recorded");
});

test("the number of participants is the number of users, not of their clients", async () => {
  const room = await lab.addRoom({ name: "Counted", members: ["alice", "bob"] });
  const clients = await Promise.all([lab.signedIn("alice"), lab.signedIn("alice"), lab.signedIn("bob")]);
  for (const client of clients) assert.equal((await client.join(room)).code, 200);
  const [counted] = (await clients[0]?.search("counted"))?.rooms ?? [];
  assert.equal(counted?.userCount, 2);
});

test("getinv is answered, and a command nobody knows gets a well-formed refusal", async () => {
  const alice = await lab.signedIn("alice");
  const none = await alice.getInvitations();
  assert.deepEqual([none.code, none.invitations], [200, []]);
  for (const name of ["nodecreate", "getuinfo", "constructor", "tostring", "x-1"]) {
    const reply = await alice.command(name);
    assert.deepEqual([reply.name, reply.code], [name, 501]);
    assert.match(reply.text, new RegExp(`^ERROR_MSG_NOT_SUPPORTED: ${name}$`));
    assert.deepEqual(reply.data.children, []);
  }
  assert.equal((await alice.search()).code, 200, "and the session goes on");
});

test("every command of the protocol is answered, whether it is served or not", async () => {
  const alice = await lab.signedIn("alice");
  const room = lab.room("Night Shift");
  const commands = {
    getpref: '<pref label="kedzie.GroupChannels" seqid="71" createdefault="true"/>',
    setpref: '<pref label="kedzie.GroupChannels" seqid="72" content="QUJD"/>',
    getfutok: `<ftdb channelUri="${room}" fileUrl="plan.txt"/>`,
    getfdtok: `<ftdb channelUri="${room}" fileUrl="plan.txt"/>`,
    nodespermcreatechild: "",
    chancreate: '<chanib name="Line 4" parent="ma-cat://example.com/396a"/>',
    chanmodify: `<chanib uri="${room}" name="Renamed"/>`,
    chandelete: `<chanib uri="${room}"/>`,
    msgmodify: `<chanib uri="${room}"/><moderation change="REMOVE" reason="r"><msg chatId="1"/></moderation>`,
    getchan: `<chanib uri="${room}"/>`,
    getroles: `<chanib uri="${room}"/>`,
    getperms: `<chanib uri="${room}"/>`,
    getnodes: "",
    getsiops: "",
    usrsrch: `<chanib uri="${room}"/><qib criteria=""/>`,
    getparts: `<chanib uri="${room}"/>`,
    bcbydate: `<chanib uri="${room}"/><bcq><limit cnt="1"/></bcq>`,
    bcbymsgid: `<chanib uri="${room}"/><bcq><msgid id="1"/></bcq>`,
  };
  for (const [name, data] of Object.entries(commands)) {
    const { code, text } = await alice.command(name, data);
    if (code === 200) assert.equal(text, "SUCCESS_OK", name);
    else assert.match(text, /^ERROR_[A-Z_]+: \S/, name);
  }
});

test("two SIPE clients that start in the same second are both provisioned", async () => {
  const { ports } = lab.stack;
  const phones = await Promise.all([0, 1, 2].map(() => sipStream("127.0.0.1", ports.sip)));
  try {
    const callId = randomUUID();
    const names = ["alice", "bob", "mallory"] as const;
    const answers = await Promise.all(
      phones.map((phone, index) => {
        const user = names[index] ?? assert.fail();
        const account = { username: `${user}@example.com`, password: lab.password(user) };
        return phone.askAs(account, {
          method: "SUBSCRIBE",
          uri: lab.address(user),
          from: `<${lab.address(user)}>;tag=1234`,
          to: `<${lab.address(user)}>`,
          callId,
          cseq: 1,
          branch: "z9hG4bK1A2B3C4D",
          headers: [
            "User-Agent: Purple/2.14.12 Sipe/1.25.0 (linux-x86_64)",
            "Event: vnd-microsoft-provisioning-v2",
            "Expires: 0",
          ],
        });
      }),
    );
    for (const [index, { status, body, headers }] of answers.entries()) {
      assert.equal(status, 200);
      assert.ok(headers.get("to")?.includes(`sip:${names[index]}@`), "everybody has his own answer");
      const enabled = names[index] === "mallory" ? "false" : "true";
      assert.match(body.toString(), new RegExp(`name="EnablePersistentChat">${enabled}<`));
    }
    for (const phone of phones)
      assert.equal(phone.received.filter(({ status }) => status === 200).length, 1, "and nobody else's");
  } finally {
    for (const phone of phones) phone.end();
  }
});
