import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type CliAnswer, parlance } from "../support/cli.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";
import { GROUPS, type OpenLdap, PEOPLE, startOpenLdap } from "../support/openldap.ts";
import { until } from "../support/until.ts";

const PEOPLE_HERE = ["alice", "bob", "carol"];

let lab: Lab;
let ldap: OpenLdap;
let room: string;
let group: string;

before(async () => {
  ldap = await startOpenLdap();
  for (const name of PEOPLE_HERE) await ldap.addPerson(name);
  await ldap.addGroup("inner", [ldap.person("alice"), ldap.person("bob")]);
  await ldap.addGroup("middle", [ldap.group("inner")]);
  await ldap.addGroup("outer", [ldap.group("middle")]);
  lab = await openLab({ nodes: 2, users: PEOPLE_HERE });
  const passwordFile = join(lab.stack.stateDir, "secret", "ldap.password");
  writeFileSync(passwordFile, `${ldap.reader.password}\n`, { mode: 0o600 });
  for (const node of Object.keys(lab.stack.configFiles))
    await lab.configure(node, {
      directory: {
        enabled: true,
        url: ldap.url,
        "bind-dn": ldap.reader.dn,
        "password-file": passwordFile,
        "users-base-dn": PEOPLE,
        "groups-base-dn": GROUPS,
        "refresh-interval": "1s",
        "max-removal": 60,
      },
    });
  await until("the directory is read", async () => (await groupNamed("outer")) !== undefined, LAB_TIMEOUT_MS);
  group = (await groupNamed("outer"))?.uri ?? "";
  room = await lab.addRoom({ name: "Operations" });
  await lab.administration.addRole(room, group, "member");
});
after(async () => {
  await lab?.close();
  await ldap?.close();
});

async function groupNamed(name: string) {
  return (await lab.administration.listGroups(100)).find(({ displayName }) => displayName === name);
}

const cli = (...words: string[]): Promise<CliAnswer> => parlance(lab.stack.configFiles.n1 ?? "", ...words);
const json = ({ out, err, code }: CliAnswer) => {
  assert.equal(code, 0, err);
  return JSON.parse(out);
};
const logs = () =>
  Object.keys(lab.stack.configFiles)
    .map((node) => lab.log(node))
    .join("");

test("who leaves a group three deep in the directory is out of the room by the next reading, seen to go, and gets nothing more", async () => {
  const [alice, bob, carol] = [
    await lab.signedIn("alice"),
    await lab.signedIn("bob"),
    await lab.signedIn("carol"),
  ];
  for (const endpoint of [alice, bob]) assert.equal((await endpoint.join(room)).code, 200);
  // A coming and a going within a second cancel each other out.
  await alice.waitForNotice(
    ({ kind, users }) => kind === "join" && users.some(({ address }) => address === bob.address),
    LAB_TIMEOUT_MS,
  );
  assert.equal((await carol.join(room)).code, 403);
  assert.equal(await alice.post(room, "for both"), 200);
  await bob.waitForMessage(({ text }) => text === "for both", LAB_TIMEOUT_MS);

  await ldap.removeMember("inner", ldap.person("bob"));
  const left = await alice.waitForNotice(
    ({ kind, room: where }) => kind === "part" && where === room,
    LAB_TIMEOUT_MS,
  );
  assert.deepEqual(
    left.users.map(({ address }) => address),
    [lab.address("bob")],
  );
  await bob.waitForNotice(({ kind, room: where }) => kind === "kick" && where === room, LAB_TIMEOUT_MS);
  const before = bob.messages.length;
  assert.equal(await alice.post(room, "among ourselves"), 200);
  await alice.waitForMessage(({ text }) => text === "among ourselves", LAB_TIMEOUT_MS);
  assert.equal(await bob.post(room, "am I still here?"), 403);
  assert.equal((await bob.history(room)).code, 403);
  assert.equal((await bob.join(room)).code, 403);
  assert.equal(bob.messages.length, before);
  assert.deepEqual(
    (await lab.recorded(room))
      .filter(({ kind }) => kind === "PART")
      .map(({ actor, detail }) => [actor, detail.reason]),
    [[lab.address("bob"), "expelled"]],
  );

  await ldap.addMember("inner", ldap.person("carol"));
  await until("she may enter, without signing in again", async () => (await carol.join(room)).code === 200);
  await lab.clearAway();
});

test("while the directory is away, or shows next to nothing, everybody stays; the log says it once", async () => {
  const alice = await lab.signedIn("alice");
  assert.equal((await alice.join(room)).code, 200);
  await ldap.stop();
  await until("a reading failed", () => logs().includes("the directory is away"), LAB_TIMEOUT_MS);
  const refreshed = async () => {
    const [row] = await lab.sql<{ epoch: number }>("SELECT epoch FROM directory_turn");
    return Number(row?.epoch);
  };
  const then = await refreshed();
  await until("it is tried again and again", async () => (await refreshed()) > then + 2, LAB_TIMEOUT_MS);
  assert.equal(logs().match(/the directory is away/g)?.length, 1);
  assert.equal(await alice.post(room, "still here"), 200);

  await ldap.start();
  await until("it is read again", () => logs().includes('"recovered":true'), LAB_TIMEOUT_MS);
  // The entries that were found by a filter are no longer: all three groups are empty now.
  for (const name of ["alice", "carol"])
    await ldap.setAttribute(ldap.person(name), "mail", [`${name}@elsewhere.example`]);
  await until("it is not believed", () => logs().includes("the directory is not believed"), LAB_TIMEOUT_MS);
  assert.equal(await alice.post(room, "believed me"), 200);
  const refused = await cli("group", "sync");
  assert.ok([1, 69].includes(refused.code), `${refused.code}: ${refused.err}`);
  assert.equal((await groupNamed("outer"))?.users, 2);
  for (const name of ["alice", "carol"])
    await ldap.setAttribute(ldap.person(name), "mail", [`${name}@example.com`]);
  const metrics = await Promise.all(
    lab.stack.ports.http.map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()),
  );
  const counted = (outcome: string) =>
    metrics.some((text) =>
      new RegExp(`parlance_directory_readings_total\\{outcome="${outcome}"\\} [1-9]`).test(text),
    );
  assert.deepEqual(["done", "failed", "refused"].map(counted), [true, true, true]);
  assert.ok(!logs().includes(ldap.reader.password));
  await lab.clearAway();
});

test("the command shows groups and why somebody is in one", async () => {
  const rows = json(await cli("group", "list", "--json"));
  const outer = rows.find((row: { group: string }) => row.group === "outer");
  assert.deepEqual(outer, { group: "outer", address: group, from: "directory", members: 1, users: 2 });
  const shown = json(await cli("group", "show", "outer", "--json"));
  assert.deepEqual(
    shown.map(({ member, by }: { member: string; by: string }) => [member.replace(/:.*-.*/, ":…"), by]),
    [
      ["ma-grp:…", "directory"],
      [lab.address("alice"), "another group"],
      [lab.address("carol"), "another group"],
    ],
  );
  assert.match((await cli("group", "list")).out, /^GROUP +ADDRESS +FROM +MEMBERS +USERS\n/);
});

test("the command makes groups, fills them, and says with exit code 64 what does not fit", async () => {
  const [added] = json(await cli("group", "add", "Night Shift", "--address", "ma-grp:night", "--json"));
  assert.deepEqual(added, { group: "Night Shift", address: "ma-grp:night" });
  assert.equal((await cli("group", "member", "add", "Night Shift", lab.address("bob"))).code, 0);
  assert.equal(
    (await cli("group", "member", "add", "ma-grp:night", "inner")).code,
    64,
    "an address is asked for",
  );
  const inner = (await groupNamed("inner"))?.uri ?? "";
  assert.equal((await cli("group", "member", "add", "ma-grp:night", inner)).code, 0);
  assert.equal((await groupNamed("Night Shift"))?.users, 3);
  const stays = await cli("group", "member", "remove", inner, lab.address("alice"));
  assert.deepEqual([stays.code, /by the directory/.test(stays.err)], [64, true], stays.err);
  const kept = await cli("group", "remove", "inner");
  assert.deepEqual([kept.code, /comes from the directory/.test(kept.err)], [64, true], kept.err);
  assert.equal((await cli("group", "member", "remove", "Night Shift", lab.address("bob"))).code, 0);
  assert.equal((await cli("group", "remove", "Night Shift")).code, 0);
  const gone = await cli("group", "show", "Night Shift");
  assert.deepEqual([gone.code, /There is no group Night Shift/.test(gone.err)], [64, true]);
});

test("a list is imported wholly or not at all, tried out beforehand, and replaces what is in its groups", async () => {
  const file = join(lab.stack.stateDir, "groups.csv");
  const write = (...lines: string[]) => writeFileSync(file, `\uFEFF${lines.join("\r\n")}\r\n`);
  const names = async (name: string) =>
    (await lab.administration.inspectGroup(name)).members.map(({ uri }) => uri).sort();
  write(
    "Group,Name,Member",
    '"Field, North",,SIP:Alice@example.com',
    '"Field, North",,new.user@example.com',
    'ma-grp:field,Field,"Field, North"',
    "ma-grp:empty,Nobody yet,",
  );
  const [tried] = json(await cli("group", "import", file, "--dry-run", "--json"));
  assert.deepEqual(tried, { groupsAdded: 3, usersCreated: 1, added: 3, removed: 0, gained: 4, lost: 0 });
  assert.equal(await groupNamed("Field"), undefined);
  assert.deepEqual(json(await cli("group", "import", file, "--json")), [tried]);
  assert.deepEqual(await names("Field, North"), ["sip:alice@example.com", "sip:new.user@example.com"]);
  assert.equal((await groupNamed("Field"))?.users, 2);
  assert.equal((await groupNamed("Nobody yet"))?.members, 0);
  const [again] = json(await cli("group", "import", file, "--json"));
  assert.deepEqual(again, { groupsAdded: 0, usersCreated: 0, added: 0, removed: 0, gained: 0, lost: 0 });

  write("group,member", '"Field, North",sip:bob@example.com');
  const [replaced] = json(await cli("group", "import", file, "--replace", "--json"));
  assert.deepEqual([replaced.added, replaced.removed, replaced.gained, replaced.lost], [1, 2, 2, 4]);
  assert.deepEqual(await names("Field, North"), ["sip:bob@example.com"]);

  write(
    "group,member",
    "Brand new,sip:carol@example.com",
    "Field,x@elsewhere.example",
    "Field,Nowhere",
    "Field,Field",
  );
  const wrong = await cli("group", "import", file);
  assert.equal(wrong.code, 64);
  for (const words of [
    /line 3: .*elsewhere.example is not served/,
    /line 4: .*Nowhere/,
    /line 5: .*in itself/,
  ])
    assert.match(wrong.err, words);
  assert.equal(await groupNamed("Brand new"), undefined);
  for (const [text, words] of [
    ["", /not even a line of headings/],
    ["a,b\nc,d", /must name the columns/],
    ['group,member\n"open,x', /quote/],
    ["group,member\n,x", /line 2: no group/],
  ] as const) {
    writeFileSync(file, text);
    const { code, err } = await cli("group", "import", file);
    assert.equal(code, 64, text);
    assert.match(err, words);
  }
  assert.match((await cli("group", "import", "/nowhere.csv")).err, /does not exist/);
});

test("the directory is read by hand: tried out, refused while it is off, and a wrong password told", async () => {
  const rows = json(await cli("group", "sync", "--dry-run", "--json"));
  const counts = Object.fromEntries(
    rows.map(({ what, count }: { what: string; count: number }) => [what, count]),
  );
  assert.deepEqual([counts.users, counts.groups, counts.lost], [3, 3, 0]);
  const passwordFile = join(lab.stack.stateDir, "secret", "ldap.password");
  writeFileSync(passwordFile, "wrong\n", { mode: 0o600 });
  const wrong = await cli("group", "sync", "--dry-run");
  assert.deepEqual([wrong.code, wrong.out], [1, ""]);
  assert.match(wrong.err, /does not accept the name or the password/);
  chmodSync(passwordFile, 0o644);
  const open = await cli("group", "sync", "--dry-run");
  assert.deepEqual([open.code, /others can read/.test(open.err)], [78, true], open.err);
  chmodSync(passwordFile, 0o600);
  const off = join(lab.stack.stateDir, "off.yaml");
  writeFileSync(
    off,
    readFileSync(lab.stack.configFiles.n1 ?? "", "utf8").replace(/(directory:\n +enabled: )true/, "$1false"),
  );
  const refused = await parlance(off, "group", "sync");
  assert.deepEqual([refused.code, /directory.enabled: is off/.test(refused.err)], [78, true], refused.err);
});
