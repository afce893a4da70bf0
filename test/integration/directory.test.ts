import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { connect, createServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import type { Aor } from "../../src/chat/user.ts";
import { LdapDirectory, type LdapSettings } from "../../src/directory/ldap/ldap-directory.ts";
import { type DirectorySource, DirectoryTrouble, TooManyRemovals } from "../../src/directory/ports.ts";
import {
  DirectoryRefresher,
  type RefreshResult,
  type RefreshSettings,
  refreshNow,
  takeTurnAtOnce,
} from "../../src/directory/refresher.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { type MysqlLab, startMysqlLab } from "../support/mysql.ts";
import {
  BASE,
  entry,
  GROUPS,
  type OpenLdap,
  PEOPLE,
  personAttributes,
  startOpenLdap,
} from "../support/openldap.ts";
import { until } from "../support/until.ts";

let lab: MysqlLab;
let stores: Stores;
let ldap: OpenLdap;

before(async () => {
  [lab, ldap] = await Promise.all([startMysqlLab(), startOpenLdap()]);
  stores = await lab.open();
});
after(async () => {
  await ldap?.close();
  await lab?.stop();
});

const settings: RefreshSettings = { intervalMs: 900_000, createUsers: true, maxRemoval: 50 };

interface SyncOptions extends Partial<RefreshSettings> {
  readonly ldap?: Partial<LdapSettings>;
  readonly source?: DirectorySource;
}

async function sync({ ldap: different = {}, source, ...more }: SyncOptions = {}): Promise<RefreshResult> {
  const ports = {
    source: source ?? new LdapDirectory(ldap.settings(different)),
    store: stores.directory,
    holder: "test",
  };
  const turn = more.dryRun ? undefined : await takeTurnAtOnce(ports);
  assert.ok(more.dryRun || turn, "nobody else reads");
  return refreshNow(ports, turn, { ...settings, ...more });
}

/** Names of the groups of the directory that the user stands for. */
async function groupsOf(name: string): Promise<string[] | undefined> {
  const user = await stores.administration.listPrincipals(1_000, `sip:${name}@example.co`);
  if (user[0]?.uri !== `sip:${name}@example.com`) return undefined;
  const rows = await stores.database.rows<{ display_name: string }>(
    "SELECT g.display_name FROM affiliation a JOIN principal g ON g.id = a.group_id WHERE a.user_id = ? ORDER BY g.display_name",
    [user[0].id],
  );
  return rows.map(({ display_name }) => display_name);
}

/** Everything that a reading may change. */
async function everything(): Promise<unknown> {
  const table = (sql: string) => stores.database.rows(sql);
  return [
    await table("SELECT * FROM principal ORDER BY id"),
    await table("SELECT * FROM membership ORDER BY group_id, member_kind, member_id, source"),
    await table("SELECT * FROM affiliation ORDER BY group_id, user_id"),
    await table("SELECT * FROM directory_group ORDER BY group_id"),
    await table("SELECT id, access_version FROM room ORDER BY id"),
  ];
}

const trouble = (words: RegExp) => (error: unknown) =>
  error instanceof DirectoryTrouble &&
  words.test(error.message) &&
  !error.message.includes(ldap.reader.password);

test("nested groups three deep and a circle are read, users come into being under the global policy", async () => {
  for (const name of ["alice", "bob", "carol"]) await ldap.addPerson(name);
  await ldap.addGroup("inner", [ldap.person("alice")]);
  await ldap.addGroup("middle", [ldap.group("inner").toUpperCase(), ldap.person("bob")]);
  await ldap.addGroup("outer", [ldap.group("middle")]);
  await ldap.addGroup("ring-a", [ldap.person("carol")]);
  await ldap.addGroup("ring-b", [ldap.group("ring-a")]);
  await ldap.addMember("ring-a", ldap.group("ring-b"));
  const { change, users, groups } = await sync();
  assert.deepEqual([users, groups, change.usersCreated, change.groupsAdded], [3, 5, 3, 5]);
  assert.deepEqual([change.gained, change.lost, change.before], [7, 0, 0]);
  assert.deepEqual(await groupsOf("alice"), ["inner", "middle", "outer"]);
  assert.deepEqual(await groupsOf("bob"), ["middle", "outer"]);
  assert.deepEqual(await groupsOf("carol"), ["ring-a", "ring-b"]);
  const alice = await stores.users.find("sip:alice@example.com" as Aor);
  assert.deepEqual(
    [alice?.displayName, alice?.email, alice?.enabled],
    ["Alice", "alice@example.com", false],
    "the global policy is off",
  );
  const again = await sync();
  assert.deepEqual(
    [again.change.gained, again.change.lost, again.change.usersCreated, again.change.usersChanged],
    [0, 0, 0, 0],
  );
});

test("who is taken out loses what the groups around gave; what an administrator gave by hand stays", async () => {
  const [inner] = (await stores.administration.listGroups(100)).filter(
    ({ displayName }) => displayName === "inner",
  );
  await stores.administration.addToGroup("inner", ["sip:bob@example.com"]);
  await ldap.addMember("inner", ldap.person("carol"));
  await sync();
  assert.deepEqual(await groupsOf("carol"), ["inner", "middle", "outer", "ring-a", "ring-b"]);
  await ldap.removeMember("inner", ldap.person("carol"));
  const { change } = await sync();
  assert.deepEqual([change.lost, change.gained], [3, 0]);
  assert.deepEqual(await groupsOf("carol"), ["ring-a", "ring-b"]);
  assert.deepEqual(await groupsOf("bob"), ["inner", "middle", "outer"]);
  await stores.administration.removeFromGroup("inner", "sip:bob@example.com");
  assert.equal(inner?.dn, ldap.group("inner"));
});

test("a group that is renamed stays the same, with its place in lists; one that is gone stays there without members", async () => {
  const list = () => stores.administration.listGroups(100);
  await ldap.addGroup("temporary", [ldap.person("bob")]);
  await sync();
  const before = (await list()).find(({ displayName }) => displayName === "temporary");
  const uuid = before?.uri ?? "";
  assert.match(uuid, /^ma-grp:[0-9a-f-]{36}$/);
  await ldap.remove(ldap.group("temporary"));
  const { change } = await sync();
  assert.deepEqual([change.groupsGone, change.lost], [1, 1]);
  const gone = (await list()).find(({ uri }) => uri === uuid);
  assert.deepEqual([gone?.dn, gone?.users, gone?.members], [null, 0, 0]);
  await stores.administration.removeGroup(uuid);
  const uriOf = async (name: string) => (await list()).find(({ displayName }) => displayName === name)?.uri;
  const outer = await uriOf("outer");
  await ldap.rename(ldap.group("outer"), "cn=outermost");
  await sync();
  assert.equal(await uriOf("outermost"), outer);
  assert.equal(await uriOf("outer"), undefined);
  await ldap.rename(ldap.group("outermost"), "cn=outer");
  const { change: back } = await sync();
  assert.deepEqual([back.gained, back.lost, back.groupsAdded], [0, 0, 0]);
});

test("a directory that is away, refuses, or does not show everything changes nothing", async () => {
  const before = await everything();
  const { reader } = ldap;
  await assert.rejects(
    sync({ ldap: { bind: { dn: reader.dn, password: "wrong" } } }),
    trouble(/does not accept the name or the password/),
  );
  await assert.rejects(sync({ ldap: { bind: undefined } }), trouble(/has no entry|does not show/));
  const nowhere = { baseDn: `ou=nowhere,${BASE}`, filter: "(objectClass=*)" };
  await assert.rejects(sync({ ldap: { users: nowhere } }), trouble(/users-base-dn/));
  await assert.rejects(
    sync({ ldap: { users: { baseDn: PEOPLE, filter: "(broken" } } }),
    trouble(/could not be read/),
  );
  await ldap.restrict(2);
  await assert.rejects(sync(), trouble(/could not be read/), "only part of it was shown");
  await ldap.restrict("unlimited");
  await ldap.stop();
  await assert.rejects(sync(), trouble(/ECONNREFUSED/));
  await ldap.start();
  assert.deepEqual(await everything(), before);
  const { change } = await sync();
  assert.deepEqual([change.gained, change.lost], [0, 0]);
});

test("a connection that is cut is not made anew without a name: what nobody is shown is not empty", async () => {
  const before = await everything();
  // One answer a page: the name, the groups one by one, the users one by one. Some cut comes between the two searches.
  for (let answers = 1; answers < 9; answers++) {
    const cutter = await startCutter(ldap.url, answers);
    try {
      await assert.rejects(
        sync({ ldap: { url: cutter.url, pageSize: 1 }, maxRemoval: 100 }),
        trouble(/could not be read/),
      );
      assert.equal(cutter.connections(), 1);
    } finally {
      await cutter.close();
    }
  }
  assert.deepEqual(await everything(), before);
});

test("a server that does not answer is given up after its time, and one that answers rubbish harms nobody", async () => {
  const open = new Set<Socket>();
  const listening = async (answer: (socket: Socket) => void) => {
    const server = createServer((socket) => {
      open.add(socket.on("error", () => {}));
      answer(socket);
    }).listen(0, "127.0.0.1");
    await until("it listens", () => server.listening);
    const address = server.address();
    return { server, url: `ldap://127.0.0.1:${typeof address === "object" ? address?.port : 0}` };
  };
  const silent = await listening(() => {});
  const babbler = await listening((socket) => socket.on("data", () => socket.write(randomBytes(2_000))));
  const mute = await listening((socket) => socket.on("data", () => socket.end()));
  for (const { url } of [silent, babbler, mute])
    await assert.rejects(sync({ ldap: { url, timeoutMs: 500 } }), trouble(/could not be read/));
  for (const { server } of [silent, babbler, mute]) server.close();
  for (const socket of open) socket.destroy();
});

test("ldaps is spoken with a certificate that the given authority signed, and with no other", async () => {
  const { change } = await sync({ ldap: { url: ldap.tlsUrl, caFile: ldap.caFile } });
  assert.equal(change.lost, 0);
  await assert.rejects(
    sync({ ldap: { url: ldap.tlsUrl } }),
    trouble(/could not be read: .*(certificate|self)/i),
  );
  await assert.rejects(sync({ ldap: { url: ldap.tlsUrl, caFile: "/nowhere.pem" } }), trouble(/ca-file/));
});

test("a reading that would take more away than may go is refused, said beforehand, and done when forced", async () => {
  const before = await everything();
  const filter = { baseDn: GROUPS, filter: "(cn=ring-a)" };
  const narrow = { ldap: { groups: filter }, maxRemoval: 20 };
  await assert.rejects(sync(narrow), (error) => {
    assert.ok(error instanceof TooManyRemovals);
    assert.match(error.message, /take 6 of 7 memberships away.*max-removal \(20 %\).*--force/);
    return true;
  });
  assert.deepEqual(await everything(), before);
  const { change } = await sync({ ...narrow, force: true, dryRun: true });
  assert.deepEqual([change.lost, change.groupsGone], [6, 4]);
  assert.deepEqual(await everything(), before, "a dry run changes nothing");
  const nobody = { ldap: { users: { baseDn: PEOPLE, filter: "(uid=nobody)" } }, maxRemoval: 100 };
  assert.equal((await sync({ ...nobody, dryRun: true })).change.lost, 7);
  assert.equal((await sync({ ...narrow, force: true })).change.lost, 6);
  assert.deepEqual(await groupsOf("alice"), []);
  assert.equal((await sync()).change.gained, 6);
});

test("rubbish in the directory harms nobody: other domains, addresses of two, references elsewhere", async () => {
  await ldap.addPerson("foreign", { mail: "foreign@elsewhere.example" });
  await ldap.addPerson("twin", { mail: "twins@example.com" });
  await ldap.addPerson("other-twin", { mail: "TWINS@example.com" });
  await ldap.addPerson("nomail", { mail: "no address at all" });
  await ldap.add(`ou=elsewhere,${PEOPLE}`, {
    objectClass: ["referral", "extensibleObject"],
    ou: "elsewhere",
    ref: "ldap://127.0.0.1:1/dc=elsewhere",
  });
  await ldap.addGroup("mixed", [
    ...["foreign", "twin", "other-twin", "nomail", "bob"].map(ldap.person),
    `uid=gone,${PEOPLE}`,
    `cn=printer,ou=devices,${BASE}`,
  ]);
  const { leftOut, change } = await sync();
  assert.deepEqual(leftOut, {
    withoutAddress: 1,
    foreign: 1,
    ambiguous: ["sip:twins@example.com"],
    broken: 0,
    strangers: 4,
  });
  assert.deepEqual([change.gained, change.usersCreated], [1, 0]);
  assert.equal(await groupsOf("twins"), undefined);
});

test("who is not known yet is left out where users are not to be created, and comes in once he is", async () => {
  await ldap.addPerson("dave");
  await ldap.addMember("outer", ldap.person("dave"));
  assert.equal((await sync({ createUsers: false })).change.gained, 0);
  await stores.administration.addUser({ uri: "sip:dave@example.com", displayName: "By hand", enabled: true });
  const { change } = await sync({ createUsers: false });
  assert.deepEqual([change.gained, change.usersCreated, change.usersChanged], [1, 0, 1]);
  const dave = await stores.users.find("sip:dave@example.com" as Aor);
  assert.deepEqual([dave?.displayName, dave?.enabled], ["Dave", true], "the policy is not the directory's");
});

test("one at a time reads; who dies in the middle is succeeded, and what he had read comes too late", async () => {
  const store = stores.directory;
  const first = await store.takeTurn("n1", 300, true);
  assert.ok(first);
  assert.equal(await store.takeTurn("n2", 60_000, true), undefined);
  let second: typeof first | undefined;
  await until("the turn lapses", async () => {
    second = await store.takeTurn("n2", 60_000, true);
    return second !== undefined;
  });
  assert.ok(second);
  assert.equal(await store.renewTurn(first, 60_000), false);
  const nothing = {
    users: [],
    groups: [],
    leftOut: { withoutAddress: 0, foreign: 0, ambiguous: [], broken: 0, strangers: 0 },
  };
  await assert.rejects(store.apply(first, nothing, { ...settings, force: true }), trouble(/another node/));
  await store.endTurn(first, 0, "too late");
  assert.equal(await store.takeTurn("n3", 60_000, true), undefined, "n2 still has it");
  await store.endTurn(second, 60_000, "");
  assert.equal(await store.takeTurn("n3", 60_000), undefined, "it is not due");
});

test("a reader that stops hands its turn on at once, and leaves no word of trouble", async () => {
  const stop = new AbortController();
  let reading = false;
  const slow: DirectorySource = {
    read: (_, signal) =>
      new Promise((_resolve, reject) => {
        reading = true;
        signal.addEventListener("abort", () => reject(new DirectoryTrouble("cut off")));
      }),
  };
  const ports = { source: slow, store: stores.directory, holder: "n1" };
  const turn = await takeTurnAtOnce(ports);
  assert.ok(turn);
  const refreshing = refreshNow(ports, turn, settings, stop.signal);
  await until("it reads", () => reading);
  stop.abort();
  await assert.rejects(refreshing, /cut off/);
  const next = await stores.directory.takeTurn("n2", 60_000);
  assert.equal(next?.trouble, "");
  if (next) await stores.directory.endTurn(next, 60_000, "");
});

test("several nodes refresh at intervals, one of them each time; an outage is told once, and its end", async () => {
  const told: string[] = [];
  let readings = 0;
  let together = 0;
  const real = new LdapDirectory(ldap.settings());
  const source: DirectorySource = {
    async read(entries, signal) {
      together += 1;
      readings += 1;
      assert.equal(together, 1, "never two at once");
      await real.read(entries, signal).finally(() => {
        together -= 1;
      });
    },
  };
  const nodes = ["n1", "n2", "n3"].map(
    (holder) =>
      new DirectoryRefresher(
        { source, store: stores.directory, holder },
        { ...settings, intervalMs: 200 },
        {
          done: (_, recovered) => recovered && told.push("recovered"),
          failed: (error, isNew) => isNew && told.push(error.message),
          error: (error) => told.push(String(error)),
        },
      ),
  );
  await stores.database.change("UPDATE directory_turn SET due_ms = 0");
  for (const node of nodes) node.start();
  try {
    await until("it is read again and again", () => readings > 3);
    await ldap.stop();
    const failed = readings;
    await until("it is tried again and again", () => readings > failed + 4);
    // A reading that was under way ends in its own words.
    const outage = told.filter((text) => !text.includes("closed before"));
    assert.equal(outage.length, 1, told.join("\n"));
    assert.match(outage[0] ?? "", /ECONNREFUSED/);
    const before = told.length;
    await ldap.start();
    await until("its end is told", () => told.length > before);
    assert.deepEqual(told.slice(before), ["recovered"]);
    await ldap.removeMember("outer", ldap.person("dave"));
    await until("a change is found by itself", async () => (await groupsOf("dave"))?.length === 0);
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
  assert.equal(told.at(-1), "recovered");
});

test("ten thousand users and a group of five thousand take seconds, and memory for no more than them", async () => {
  const names = Array.from({ length: 10_000 }, (_, n) => `many${n}`);
  const people = names.map((name) => entry(`uid=${name},${PEOPLE}`, personAttributes(name)));
  const groups = Array.from({ length: 100 }, (_, n) =>
    entry(`cn=team${n},${GROUPS}`, {
      objectClass: "groupOfNames",
      cn: `team${n}`,
      member: names.slice(n * 100, n * 100 + 100).map((name) => `uid=${name},${PEOPLE}`),
    }),
  );
  const half = entry(`cn=half,${GROUPS}`, {
    objectClass: "groupOfNames",
    cn: "half",
    member: names.slice(0, 5_000).map((name) => `uid=${name},${PEOPLE}`),
  });
  const all = entry(`cn=all,${GROUPS}`, {
    objectClass: "groupOfNames",
    cn: "all",
    member: Array.from({ length: 100 }, (_, n) => `cn=team${n},${GROUPS}`),
  });
  const big = await startOpenLdap([...people, ...groups, half, all].join(""));
  try {
    const source = new LdapDirectory(big.settings({ pageSize: 500 }));
    const heapMb = () => process.memoryUsage().heapUsed / 1e6;
    const [startMs, startMb] = [performance.now(), heapMb()];
    const { change } = await sync({ source, force: true });
    const tookMs = performance.now() - startMs;
    assert.deepEqual([change.usersCreated, change.gained], [10_000, 25_000]);
    assert.ok(tookMs < 30_000, `${tookMs} ms`);
    assert.ok(heapMb() - startMb < 250, `${startMb} → ${heapMb()} MB`);
    await big.removeMember("team7", "uid=many777,ou=people,dc=example,dc=com");
    const second = await sync({ source });
    assert.deepEqual([second.change.lost, second.change.gained, second.change.usersChanged], [2, 0, 0]);
    assert.deepEqual(await groupsOf("many777"), ["half"]);
  } finally {
    await big.close();
  }
});

/** Passes everything on until so many answers have come, then cuts; later connections pass. */
async function startCutter(target: string, answers: number) {
  let connections = 0;
  const open: Socket[] = [];
  const server = createServer((client) => {
    connections += 1;
    const mayPass = connections > 1 ? Number.POSITIVE_INFINITY : answers;
    let passed = 0;
    const upstream = connect(Number(new URL(target).port), "127.0.0.1");
    open.push(client, upstream);
    for (const socket of [client, upstream]) socket.on("error", () => {});
    client.pipe(upstream);
    upstream.on("data", (chunk) => {
      passed += 1;
      if (passed < mayPass) client.write(chunk);
      else client.end(chunk);
    });
    upstream.on("close", () => client.destroy());
    client.on("close", () => upstream.destroy());
  }).listen(0, "127.0.0.1");
  await until("the cutter listens", () => server.listening);
  const address = server.address();
  return {
    url: `ldap://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    connections: () => connections,
    close: async () => {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
