import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { COMMANDS } from "../../plugin/commands.ts";
import { captured } from "../support/captured.ts";
import { type CliAnswer, parlance } from "../support/cli.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";

let lab: Lab;
before(async () => {
  lab = await openLab({ users: ["alice", "bob"] });
});
after(() => lab?.close());

const ALICE = "sip:alice@example.com";
const BOB = "sip:bob@example.com";
const used = new Set<string>();

function run(...words: string[]): Promise<CliAnswer> {
  const name = [2, 1].map((count) => words.slice(0, count).join(" ")).find((spelled) => spelled in COMMANDS);
  used.add(name ?? "");
  return parlance(lab.stack.configFiles.n1 ?? "", ...words);
}

/** Exit code 0, nothing on stderr. @returns stdout */
async function done(...words: string[]): Promise<string> {
  const answer = await run(...words);
  assert.deepEqual({ code: answer.code, err: answer.err }, { code: 0, err: "" }, words.join(" "));
  return answer.out;
}

async function json<Shown>(...words: string[]): Promise<Shown> {
  return JSON.parse(await done(...words, "--json")) as Shown; // what the command documents
}

/** Exit code 64, one sentence on stderr, nothing on stdout. */
async function refused(sentence: RegExp, ...words: string[]): Promise<void> {
  const answer = await run(...words);
  assert.deepEqual({ code: answer.code, out: answer.out }, { code: 64, out: "" }, words.join(" "));
  assert.match(answer.err, /^parlance: [^\n]+\n$/);
  assert.match(answer.err, sentence);
}

type Row = Record<string, string | number>;

/** What a command says that it gave, took and changed, a line for each. */
function changed(rows: readonly Row[]): string[] {
  return rows.map(({ of, name, what, before: was, after: is, done: how }) =>
    `${of} ${name} ${what}: ${was} > ${is}, ${how}`.replace(/ +/g, " "),
  );
}

/** What the command would do; it does nothing. */
async function planned(...words: string[]): Promise<string[]> {
  const rows = changed(await json<Row[]>(...words, "--dry-run"));
  assert.ok(
    rows.every((row) => row.includes(", would be ")),
    rows.join("\n"),
  );
  return rows.map((row) => row.replace(", would be ", ", "));
}

// Most of what a command takes is its process's start: two processors start two at once.
describe("the command", { concurrency: 3 }, () => {
  test("an administrator makes categories, rooms and add-ins, changes them, looks at them and deletes them", async () => {
    assert.match(
      await done("category", "create", "Operations", "--allow", "example.com"),
      /^OF +NAME +WHAT +BEFORE +AFTER +DONE\n(category +Operations .*\n)+$/,
    );
    assert.deepEqual(
      changed(await json("category", "change", "Operations", "--creators", ALICE, "--invitations", "on")),
      [
        "category Operations invitations: off > on, changed",
        `category Operations creator: > ${ALICE}, given`,
      ],
    );
    const { category, scope } = await json<Record<string, Row[]>>("category", "show", "Operations");
    assert.equal(category?.[0]?.invitations, "on");
    assert.equal(category?.[0]?.reading, "strict");
    await done("category", "change", "Operations", "--reading", "buffered");
    const listed = await json<Row[]>("category", "list");
    assert.equal(listed.find((row) => row.category === "Operations")?.reading, "buffered");
    await refused(
      /--reading is one of strict, buffered/,
      "category",
      "change",
      "Operations",
      "--reading",
      "late",
    );
    assert.deepEqual(scope, [
      { scope: "allowed", who: "example.com" },
      { scope: "creator", who: ALICE },
    ]);
    assert.match(
      await done("category", "list"),
      /^CATEGORY +DESCRIPTION +HISTORY +READING +INVITATIONS +FILE UPLOAD\n/,
    );

    await done("addin", "create", "Tickets", "--url", "https://tickets.example.com/room");
    const made = await done(
      "room",
      "create",
      "Night Shift",
      "--category",
      "Operations",
      "--add-in",
      "Tickets",
    );
    assert.match(made, /^ROOM +URI\nNight Shift +ma-chan:\/\/example\.com\/[0-9a-f-]{36}\n$/);
    await done("room", "create", "Hidden", "--category", "Operations", "--privacy", "secret", "--disabled");
    await done("addin", "change", "Tickets", "--url", "https://tickets.example.com/v2");
    assert.deepEqual(await json("addin", "list"), [
      { "add-in": "Tickets", url: "https://tickets.example.com/v2", rooms: 1 },
    ]);

    const addIn = await json<Record<string, Row[]>>("addin", "show", "tickets");
    assert.deepEqual(addIn["add-in"], [{ "add-in": "Tickets", url: "https://tickets.example.com/v2" }]);
    assert.deepEqual(
      addIn.rooms?.map(({ room }) => room),
      ["Night Shift"],
    );

    await done(
      "room",
      "change",
      "Night Shift",
      "--name",
      "Late Shift",
      "--type",
      "auditorium",
      "--description",
      "Late",
    );
    await done("member", "add", "Late Shift", ALICE);
    await done("member", "add", "Late Shift", BOB, "--role", "member");
    await done("presenter", "add", "Late Shift", ALICE);
    await done("manager", "add", "Late Shift", BOB);
    const shown = await json<Row[]>("room", "show", "Late Shift");
    assert.deepEqual(
      shown.map(({ room, type, description, role, who }) => [room, type, description, role, who]),
      [
        ["Late Shift", "auditorium", "Late", "member", ALICE],
        ["Late Shift", "auditorium", "Late", "member", BOB],
        ["Late Shift", "auditorium", "Late", "manager", BOB],
        ["Late Shift", "auditorium", "Late", "presenter", ALICE],
      ],
    );
    const me = `administrator:${userInfo().username}`;
    assert.ok(
      shown.every(({ created }) => /^\d{4}-.*Z by /.test(String(created)) && String(created).endsWith(me)),
    );
    assert.ok(String(shown[0]?.changed) > String(shown[0]?.created));
    assert.deepEqual(await json("presenter", "list", "Late Shift"), [
      { room: "Late Shift", presenter: ALICE },
    ]);
    assert.deepEqual(await json("manager", "list", "Late Shift"), [{ room: "Late Shift", manager: BOB }]);
    await done("manager", "remove", "Late Shift", BOB);
    await done("presenter", "remove", "Late Shift", ALICE);
    await done("member", "remove", "Late Shift", BOB);
    assert.deepEqual(await json("member", "list", "Late Shift"), [{ room: "Late Shift", member: ALICE }]);
    await done("room", "change", "Late Shift", "--members", `${BOB},${ALICE}`, "--managers", "");
    assert.deepEqual(
      (await json<Row[]>("room", "show", "Late Shift")).map(({ role, who }) => [role, who]),
      [
        ["member", ALICE],
        ["member", BOB],
      ],
    );
    await done("room", "change", "Late Shift", "--members", ALICE);
    assert.deepEqual(await json("member", "eligible", "Late Shift", "--text", "bo"), [
      { address: BOB, kind: "user", name: "Bob" },
    ]);
    assert.deepEqual(await json("member", "eligible", "Late Shift", "--presenters"), [
      { address: ALICE, kind: "user", name: "Alice" },
    ]);
    assert.deepEqual(
      await json("member", "eligible", "--category", "Operations", "--text", "bo", "--users"),
      [{ address: BOB, kind: "user", name: "Bob" }],
    );

    const names = async (...filter: string[]) =>
      (await json<Row[]>("room", "list", "--category", "Operations", ...filter)).map(({ room }) => room);
    assert.deepEqual(await names(), ["Hidden", "Late Shift"]);
    assert.deepEqual(await names("--privacy", "secret"), ["Hidden"]);
    assert.deepEqual(await names("--member", ALICE), ["Late Shift"]);
    assert.deepEqual(await names("--disabled"), ["Hidden"]);
    assert.deepEqual(await names("--enabled", "--text", "late", "--add-in", "Tickets"), ["Late Shift"]);
    assert.deepEqual(await names("--manager", BOB), []);
    assert.deepEqual(await names("--limit", "1"), ["Hidden"]);
    await done("room", "enable", "Hidden");
    await done("room", "disable", "Late Shift");
    assert.deepEqual(await names("--disabled"), ["Late Shift"]);

    await refused(/still has rooms/, "category", "delete", "Operations");
    await refused(/still stands in rooms/, "addin", "delete", "Tickets", "--dry-run");
    const [rehearsed] = await json<Row[]>("room", "delete", "Late Shift", "--dry-run");
    assert.equal(rehearsed?.done, "would be deleted");
    assert.deepEqual(await names(), ["Hidden", "Late Shift"]);
    for (const room of ["Hidden", "Late Shift"]) await done("room", "delete", room);
    assert.deepEqual(await names(), []);
    assert.match(await done("addin", "delete", "Tickets"), /deleted\n$/);
    assert.match(await done("category", "delete", "Operations", "--dry-run"), /would be deleted\n$/);
    await done("category", "delete", "Operations");
    await refused(/no category "Operations"/, "category", "show", "Operations");
  });

  test("an administrator looks after users and policies; who is removed is out of every list and may do nothing", async () => {
    await done("user", "add", "sip:dave@example.com", "--name", "Dave", "--chat", "on");
    await done(
      "user",
      "change",
      "sip:dave@example.com",
      "--email",
      "dave@example.com",
      "--create-rooms",
      "on",
    );
    await refused(
      /no user sip:nobody@example\.com/,
      "user",
      "change",
      "sip:nobody@example.com",
      "--chat",
      "on",
    );
    const uri = await lab.addRoom({ name: "Dave's", members: ["dave", "alice"], managers: ["dave"] });
    const show = () => json<Record<string, Row[]>>("user", "show", "sip:dave@example.com");
    assert.deepEqual(await show(), {
      user: [
        {
          address: "sip:dave@example.com",
          kind: "user",
          name: "Dave",
          email: "dave@example.com",
          chat: "on",
          "create rooms": "on",
          administrator: "off",
        },
      ],
      groups: [],
      rooms: [
        { room: "Dave's", role: "member" },
        { room: "Dave's", role: "manager" },
      ],
      categories: [],
    });
    const before = (await lab.administered("Dave's")).length;
    const asked = await json<Row[]>("user", "remove", "sip:dave@example.com", "--dry-run");
    assert.deepEqual(
      asked.map(({ list, as, done: what }) => [list, as, what]),
      [
        ["chat policy", "off", "would be taken away"],
        ["Dave's", "member", "would be taken away"],
        ["Dave's", "manager", "would be taken away"],
      ],
    );
    assert.equal((await show()).rooms?.length, 2);
    assert.equal((await lab.administered("Dave's")).length, before, "a rehearsal is not recorded");
    await done("user", "remove", "sip:dave@example.com");
    const gone = await show();
    assert.deepEqual([gone.rooms, gone.user?.[0]?.chat], [[], "off"]);
    assert.deepEqual((await lab.administered(uri)).at(-1)?.detail.before, {
      manager: ["sip:dave@example.com"],
      member: ["sip:dave@example.com"],
    });

    await done("policy", "set", "create-rooms", "off");
    await done("policy", "grant", ALICE, "create-rooms", "on");
    await done("policy", "grant", BOB, "chat", "global");
    await done("policy", "grant", BOB, "administrator", "on");
    assert.deepEqual(await json("policy", "show"), [
      { policy: "chat", global: "off" },
      { policy: "create-rooms", global: "off" },
    ]);
    assert.deepEqual(await json("policy", "show", BOB), [
      { policy: "chat", own: "as global", "in effect": "off", by: "global policy" },
      { policy: "create-rooms", own: "as global", "in effect": "off", by: "global policy" },
      { policy: "administrator", own: "on", "in effect": "on", by: "own policy" },
    ]);
    assert.deepEqual(await planned("policy", "grant", BOB, "administrator", "off"), [
      `user ${BOB} administrator: on > off, changed`,
    ]);
    assert.deepEqual(await planned("policy", "set", "chat", "on"), ["everybody chat: off > on, changed"]);
    assert.equal((await json<Row[]>("policy", "show"))[0]?.global, "off");
    await done("policy", "set", "on");
    assert.match(await done("policy", "set", "on"), /nothing: it was so already\n$/);
    await done("policy", "set", "create-rooms", "on");
    assert.deepEqual((await json<Row[]>("policy", "show", BOB))[0]?.["in effect"], "on");
    const users = await json<Row[]>("user", "list", "--kind", "user");
    assert.ok(users.some(({ address, chat }) => address === BOB && chat === "as global"));
  });

  test("of a room with very many members the other lists are shown whole, and what is left out is said", async () => {
    await lab.addRoom({ name: "Huge", members: ["alice"], managers: ["alice", "bob"] });
    const { id } = await lab.administration.findRoom("Huge");
    const domains = Array.from({ length: 20_000 }, (_, n) => `('d${n}.example.org', 'domain', '')`);
    await lab.sql(`INSERT INTO principal (uri, kind, display_name) VALUES ${domains.join(",")}`);
    await lab.sql(
      `INSERT INTO room_role (room_id, principal_id, role) SELECT ${id}, id, 'member' FROM principal WHERE uri LIKE 'd%.example.org'`,
    );
    assert.deepEqual(await json("manager", "list", "Huge"), [
      { room: "Huge", manager: ALICE },
      { room: "Huge", manager: BOB },
    ]);
    assert.equal((await lab.administration.listRole("Huge", "member")).uris.length, 20_001);
    const shown = await run("room", "show", "Huge", "--json");
    assert.equal(
      shown.err,
      "parlance: of 20001 members the first 20000 are shown; parlance member list has them all\n",
    );
    const rows = JSON.parse(shown.out) as Row[]; // as documented
    assert.deepEqual(
      [shown.code, rows.length, rows.slice(20_000).map(({ role, who }) => [role, who])],
      [
        0,
        20_002,
        [
          ["manager", ALICE],
          ["manager", BOB],
        ],
      ],
    );
    assert.equal((await json<Row[]>("room", "delete", "Huge", "--dry-run"))[0]?.roles, 20_003);
    const eligible = await run("member", "eligible", "Huge", "--limit", "1", "--json");
    assert.deepEqual(
      [eligible.code, JSON.parse(eligible.out).length, eligible.err],
      [0, 1, "parlance: only the first 1 are shown: see --limit and --text\n"],
    );
  });

  test("what a change would give, take and change is said by --dry-run, and then done", async () => {
    const uri = "sip:erin@example.com";
    await lab.administration.addUser({ uri, enabled: true });
    await lab.addRoom({ name: "Desk", members: ["alice", "bob"] });
    await lab.administration.addCategory({ name: "Scope", allowed: ["example.com", uri] });
    await lab.administration.addGroup("ma-grp:duty", "Duty");
    await lab.administration.addToGroup("ma-grp:duty", [uri]);
    await lab.administration.addRole("Desk", "ma-grp:duty", "member");
    const removals: [words: string[], rows: string[]][] = [
      [["room", "disable", "Desk"], ["room Desk disabled: off > on, changed"]],
      [["member", "remove", "Desk", BOB], [`room Desk member: ${BOB} > , taken away`]],
      [
        ["category", "change", "Scope", "--allow", uri],
        ["category Scope allowed: example.com > , taken away"],
      ],
      [["group", "member", "remove", "Duty", uri], [`group ma-grp:duty member: ${uri} > , taken away`]],
    ];
    for (const [words, rows] of removals) assert.deepEqual(await planned(...words), rows, words.join(" "));
    assert.ok(
      (await planned("room", "create", "New", "--category", "Scope")).includes(
        "room New privacy: > closed, given",
      ),
    );
    const group = { group: "Duty", address: "ma-grp:duty" };
    const done = "would be taken away";
    assert.deepEqual(await json("group", "remove", "Duty", "--dry-run"), [
      { ...group, list: "itself", as: "group of 1 users", done },
      { ...group, list: "Desk", as: "member", done },
    ]);
    const { room, roles } = await lab.administration.inspectRoom("Desk");
    assert.deepEqual([room.disabled, roles.map((role) => role.uri)], [false, ["ma-grp:duty", ALICE, BOB]]);
    assert.equal((await lab.administration.inspectGroup("Duty")).members.length, 1);
    assert.equal((await lab.administration.inspectCategory("Scope")).scopes.length, 2);

    for (const [words, rows] of removals.slice(3)) assert.deepEqual(changed(await json(...words)), rows);
    assert.deepEqual(
      (await json<Row[]>("group", "remove", "Duty")).map((row) => row.done),
      ["taken away", "taken away"],
    );
    assert.equal((await lab.administration.inspectRoom("Desk")).roles.length, 2);
  });

  test("one more domain is served once it is added, named in lists, and removed only with its lists", async () => {
    const there = "sip:far@example.org";
    await refused(
      /no user, group or domain example\.org/,
      "category",
      "create",
      "Both",
      "--allow",
      "example.org",
    );
    assert.deepEqual(await planned("domain", "add", "Example.org"), [
      "domain example.org served: > on, given",
    ]);
    await done("domain", "add", "Example.org");
    await done("category", "create", "Both", "--allow", "example.com,example.org");
    await done("room", "create", "Exchange", "--category", "Both", "--members", `${ALICE},example.org`);
    await lab.administration.addUser({ uri: there, enabled: true });
    assert.equal((await json<Row[]>("room", "list", "--member", there))[0]?.room, "Exchange");
    const served = await json<Row[]>("domain", "list");
    const row = (name: string) => served.find(({ domain }) => domain === name);
    assert.equal(row("example.com")?.from, "configuration");
    assert.deepEqual(row("example.org"), { domain: "example.org", from: "here", users: 1, lists: 2 });

    await refused(/domain of the configuration/, "domain", "remove", "example.com", "--from-lists");
    await refused(
      /allowed of the category "Both", member of the room "Exchange".*--from-lists/,
      "domain",
      "remove",
      "example.org",
    );
    const gone = [
      "room Exchange member: example.org > , taken away",
      "category Both allowed: example.org > , taken away",
      "domain example.org served: on > , taken away",
    ];
    assert.deepEqual(await planned("domain", "remove", "example.org", "--from-lists"), gone);
    assert.deepEqual(changed(await json("domain", "remove", "example.org", "--from-lists")), gone);
    assert.deepEqual(await json("room", "list", "--member", there), []);
    await refused(/no domain example\.org/, "domain", "remove", "example.org");
    const kept = await captured(lab);
    assert.equal(kept.filter(({ kind }) => kind === "DOMAIN_CHANGED").length, 2);
  });

  test("who administers by a group is shown so, and no longer once he is removed, even when he may chat again", async () => {
    const uri = "sip:frank@example.com";
    await lab.administration.addUser({ uri, enabled: true });
    await lab.administration.addGroup("ma-grp:chiefs", "Chiefs");
    await lab.administration.addGroup("ma-grp:inner", "Inner");
    await lab.administration.addToGroup("ma-grp:chiefs", ["ma-grp:inner"]);
    await lab.administration.addToGroup("ma-grp:inner", [uri]);
    await done("policy", "grant", "ma-grp:chiefs", "administrator", "on");
    const administers = async () => {
      const [, , policy] = await json<Row[]>("policy", "show", uri);
      const { user, groups } = await json<Record<string, Row[]>>("user", "show", uri);
      return [policy?.own, policy?.["in effect"], policy?.by, user?.[0]?.administrator, groups];
    };
    assert.deepEqual(await administers(), [
      "off",
      "on",
      "group Chiefs",
      "on",
      [
        { group: "Chiefs", gives: "administrator" },
        { group: "Inner", gives: "" },
      ],
    ]);
    const rows = await json<Row[]>("user", "remove", uri);
    assert.deepEqual(
      rows.map(({ list, as, done: how }) => [list, as, how]),
      [
        ["chat policy", "off", "taken away"],
        ["group Inner", "member", "taken away"],
      ],
    );
    await done("policy", "grant", uri, "chat", "on");
    assert.deepEqual(await administers(), ["off", "off", "", "off", []]);
  });

  describe("beside clients", { concurrency: 1 }, () => {
    afterEach(() => lab?.clearAway());

    test("the report counts posts by room, user and day, and names the rooms without life", async () => {
      const uri = await lab.addRoom({ name: "Busy", privacy: "open", members: ["alice"] });
      await lab.addRoom({ name: "Silent", privacy: "open" });
      const alice = await lab.signedIn("alice");
      await alice.join(uri);
      for (const text of ["one", "two", "three"]) assert.equal(await alice.post(uri, text), 200);
      const report = await json<Record<string, Row[]>>("room", "report", "--top", "1");
      assert.deepEqual(report["busiest rooms"], [{ room: "Busy", uri, messages: 3 }]);
      assert.deepEqual(report["busiest users"], [{ user: ALICE, name: "Alice", messages: 3 }]);
      assert.ok(
        report["inactive rooms"]?.some(
          ({ room, "last message": last }) => room === "Silent" && last === "never",
        ),
      );
      assert.ok(!report["inactive rooms"]?.some(({ room }) => room === "Busy"));
      assert.deepEqual(report.trend, [{ day: new Date().toISOString().slice(0, 10), messages: 3 }]);
      const present = await json<Row[]>("room", "list", "--participant", ALICE);
      assert.deepEqual(
        present.map(({ room }) => room),
        ["Busy"],
      );
      assert.deepEqual(await json("room", "list", "--participant", BOB), []);
      assert.deepEqual(
        (await json<Row[]>("room", "list", "--content-exceeds", "0")).map(({ room, MB }) => [room, MB]),
        [["Busy", 11 / 1_000_000]], // one, two, three
      );
      assert.deepEqual(await json("room", "list", "--content-exceeds", "1"), []);
      assert.match(await done("room", "report", "--by", "week", "--to", "1d"), /trend:\nnothing to show\n$/);
      await refused(/--from: "yesterday" is no day such as/, "room", "report", "--from", "yesterday");
    });

    test("the spellings of old still work, and a changed room tells who is in it", async () => {
      await done("category", "add", "Old", "--allow", "example.com");
      await done("room", "add", "Old Room", "--category", "Old");
      await done("member", "add", "Old Room", ALICE, "--role", "member");
      const [room] = await json<Row[]>("room", "list", "--text", "Old Room");
      const alice = await lab.signedIn("alice");
      assert.equal((await alice.join(String(room?.uri))).code, 200);
      await done("room", "set", "Old Room", "--description", "told at once");
      await alice.waitForNotice(({ kind }) => kind === "chanmodify", LAB_TIMEOUT_MS);
      const [node] = await json<Row[]>("status");
      assert.match(String(node?.node), /^n1-/);
      assert.equal(node?.dialogs, 1);
    });
  });

  test("who spells it wrong is told the way out, on stderr, with exit code 64", async () => {
    await refused(/there is no command "rom"; "parlance --help" lists them/, "rom", "list");
    await refused(/"room" needs a second word: room create, room change/, "room");
    await refused(/there is no command "room destroy"; there are room create/, "room", "destroy", "X");
    await refused(/--category is missing.*see parlance category list/, "room", "create", "Nowhere");
    await refused(/expected NAME; usage: parlance room create NAME/, "room", "create");
    await refused(
      /--privacy is one of open, closed, secret, not "hidden"/,
      "room",
      "list",
      "--privacy",
      "hidden",
    );
    await refused(
      /Unknown option '--colour'; "parlance room list --help"/,
      "room",
      "list",
      "--colour",
      "red",
    );
    await refused(/nothing to change is given; "parlance room change --help"/, "room", "change", "X");
    await refused(/There is no room "No Such"/, "room", "delete", "No Such");
    await refused(
      /no user, group or domain sip:who@example\.com/,
      "room",
      "list",
      "--member",
      "sip:who@example.com",
    );
    const missing = await parlance("/nonexistent/parlance.yaml", "room", "list");
    assert.deepEqual([missing.code, missing.out], [78, ""]);
    assert.match(missing.err, /does not exist/);
  });

  test("with the database away each command says so in one sentence, with exit code 69: a script tries again later", async () => {
    const { stateDir, configFiles } = lab.stack;
    const [file, secret] = [join(stateDir, "away.yaml"), join(stateDir, "secret", "away.url")];
    writeFileSync(secret, "mysql://parlance:secret@127.0.0.1:1/parlance\n", { mode: 0o600 });
    const settings = readFileSync(configFiles.n1 ?? "", "utf8").replace(
      "secret/mysql.url",
      "secret/away.url",
    );
    writeFileSync(file, settings);
    const commands = [
      "status",
      "room list",
      "migrate",
      "compliance status",
      "compliance verify",
      "serve",
      "worker",
    ];
    const answers = await Promise.all(commands.map((line) => parlance(file, ...line.split(" "))));
    for (const [place, { code, out, err }] of answers.entries()) {
      if (commands[place] === "compliance verify") {
        assert.equal(code, 3, "it could not be checked");
        continue;
      }
      assert.deepEqual([code, out], [69, ""], `${commands[place]}: ${err}`);
      assert.match(err, /^parlance: The database is not available[^\n]*ECONNREFUSED[^\n]*\n$/);
    }
  });

  test("every command's help says how it is used, with an example where it takes arguments", async () => {
    assert.match(await done("--version"), /^parlance \d+\.\d+\.\d+\n$/);
    const all = await done("--help");
    for (const name of Object.keys(COMMANDS)) assert.ok(all.includes(`  ${name} `), name);
    const help = await done("room", "add", "--help");
    assert.match(help, /^parlance room create NAME --category NAME/);
    assert.match(help, /e\.g\. parlance room create "Night Shift"/);
    assert.match(help, /Also: parlance room add/);
    for (const [name, { usage, details = [] }] of Object.entries(COMMANDS)) {
      assert.ok(usage.startsWith(`parlance ${name}`), name);
      if (/ [A-Z]/.test(usage.replace("--config FILE", "")))
        assert.ok(
          details.some((detail) => detail.includes(`parlance ${name} `)),
          `${name} has no example`,
        );
    }
  });

  test("what bash needs to complete commands is printed as bash reads it", async () => {
    const script = await done("completion", "bash");
    execFileSync("bash", ["-n"], { input: script });
    assert.match(script, /\ncomplete -F _parlance parlance\n$/);
  });
});

test("every administrative verb was run here as a process", () => {
  const elsewhere = [
    "serve",
    "worker",
    "migrate",
    "check-config",
    "selftest",
    "message remove",
    "message replace",
    "room clear",
    "export",
    "import",
    "import mgc",
    ...Object.keys(COMMANDS).filter((name) => /^(alert|compliance|config|group) /.test(name)),
  ];
  assert.deepEqual(
    Object.keys(COMMANDS).filter((name) => !used.has(name) && !elsewhere.includes(name)),
    [],
  );
});
