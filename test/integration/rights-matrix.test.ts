import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { attribute, children } from "../../plugin/client/xml-reader.ts";
import type { Privacy, RoomType } from "../../src/chat/room.ts";
import { COMMAND_KINDS } from "../../src/commands/index.ts";
import { type Lab, openLab } from "../support/lab.ts";
import { create, list, room } from "../support/management.ts";
import { ASSOCIATED, CREATE, codeOf, RIGHTS, STANDINGS, type Standing } from "../support/rights-table.ts";

const NOWHERE = "ma-chan://example.com/00000000-0000-4000-8000-000000000000";
const PRIVACIES: readonly Privacy[] = ["open", "closed", "secret"];
const TYPES: readonly RoomType[] = ["normal", "auditorium"];

interface Case {
  readonly uri: string;
  readonly privacy: Privacy;
  readonly type: RoomType;
  readonly disabled: boolean;
}

let lab: Lab;
let here: string;
let there: string;
let made = 0;
const cases: Case[] = [];
const clients = new Map<Standing, XccosEndpoint>();

before(async () => {
  lab = await openLab({ users: STANDINGS, settings: { chat: { "search-limit": 999 } } });
  const { administration } = lab;
  await administration.setAdministrator(lab.address("admin"), true);
  const allowed = STANDINGS.filter((one) => one !== "stranger" && one !== "admin").map(lab.address);
  for (const name of ["Here", "There"])
    await administration.addCategory({ name, allowed, creators: [lab.address("creator")] });
  await administration.changeCategory("There", { creators: [lab.address("creator"), lab.address("both")] });
  for (const privacy of PRIVACIES)
    for (const type of TYPES)
      for (const disabled of [false, true])
        cases.push({ uri: await newRoom(privacy, type, disabled), privacy, type, disabled });
  for (const name of ["Here", "There"])
    await administration.changeCategory(name, { denied: [lab.address("denied")] });
  const uriOf = async (name: string) =>
    `ma-cat://${lab.stack.domain}/${(await administration.inspectCategory(name)).category.guid}`;
  [here, there] = [await uriOf("Here"), await uriOf("There")];
  for (const standing of STANDINGS) clients.set(standing, await lab.signedIn(standing));
});
after(() => lab?.close());

/** A room in which every standing has what its name says. */
async function newRoom(privacy: Privacy, type: RoomType, disabled: boolean, denied = true): Promise<string> {
  made += 1;
  const auditorium = type === "auditorium";
  const uris = (...names: Standing[]) => names.map(lab.address);
  const { uri } = await lab.administration.addRoom({
    name: `Room ${made}`,
    category: "Here",
    privacy,
    type,
    disabled,
    roles: [
      {
        role: "member",
        change: "add",
        principals: uris("member", "presenter", "both", ...(denied ? (["denied"] as const) : [])),
      },
      {
        role: "manager",
        change: "add",
        principals: uris("manager", "both", ...(denied ? (["denied"] as const) : [])),
      },
      ...(auditorium
        ? [{ role: "presenter" as const, change: "add" as const, principals: uris("presenter") }]
        : []),
    ],
  });
  return uri;
}

interface Answer {
  readonly code: number;
  readonly text: string;
  readonly rooms: number;
}

type Attempt = (client: XccosEndpoint, uri: string) => Promise<Answer>;

const send =
  (name: string, data: (uri: string) => string): Attempt =>
  async (client, uri) => {
    const reply = await client.command(name, data(uri));
    return { code: reply.code, text: reply.text, rooms: reply.data.children.length };
  };
const modify = (attributes: Readonly<Record<string, string>>, inner = "") =>
  send("chanmodify", (uri) => room(uri, attributes, inner));

const bjoin: Attempt = async (client, uri) => {
  const { code, failed, rooms } = await client.bjoin([uri]);
  assert.equal(code, 200);
  // A batch join names what failed, not why.
  return { code: failed.length === 0 ? 200 : 0, text: "", rooms: rooms.length };
};
const post: Attempt = async (client, uri) => {
  const joined = await client.join(uri);
  const code = await client.post(uri, "hello");
  if (joined.code === 200) await client.part(uri);
  return { code, text: "", rooms: 0 };
};
const left =
  (attempt: Attempt): Attempt =>
  async (client, uri) => {
    const answer = await attempt(client, uri);
    await client.part(uri);
    return answer;
  };

/** Every command that concerns a room, with the row of the table it must keep to. */
const ATTEMPTS: readonly {
  readonly command: string;
  readonly what: string;
  readonly attempt: Attempt;
  readonly rights: keyof typeof RIGHTS;
  /** A permitted attempt changes the room: it gets one of its own. */
  readonly changes?: true;
  /** What 200 of the table is here: permitted, but there is nothing to give. */
  readonly permitted?: number;
}[] = [
  {
    command: "join",
    what: "join",
    rights: "TAKE_PART",
    attempt: left((client, uri) =>
      client.join(uri).then(({ code, text, rooms }) => ({ code, text, rooms: rooms.length })),
    ),
  },
  { command: "bjoin", what: "batch join", rights: "TAKE_PART", attempt: left(bjoin) },
  {
    command: "bccontext",
    what: "read",
    rights: "TAKE_PART",
    attempt: send("bccontext", (uri) => `${room(uri)}<bcq><last cnt="5"/></bcq>`),
  },
  {
    command: "bcbydate",
    what: "search in the history",
    rights: "TAKE_PART",
    attempt: send("bcbydate", (uri) => `${room(uri)}<bcq><limit cnt="5"/></bcq>`),
  },
  {
    command: "bcbymsgid",
    what: "search from a message on",
    rights: "TAKE_PART",
    attempt: send("bcbymsgid", (uri) => `${room(uri)}<bcq><msgid id="1"/></bcq>`),
  },
  {
    command: "getparts",
    what: "list participants",
    rights: "TAKE_PART",
    permitted: 480,
    attempt: send("getparts", (uri) => room(uri)),
  },
  { command: "getchan", what: "see", rights: "SEE", attempt: send("getchan", (uri) => room(uri)) },
  {
    command: "getperms",
    what: "ask for the own rights",
    rights: "SEE",
    attempt: send("getperms", (uri) => room(uri)),
  },
  {
    command: "getroles",
    what: "see the managers",
    rights: "SEE",
    attempt: send("getroles", (uri) => `${room(uri)}<rib type="MANAGER"/>`),
  },
  {
    command: "getroles",
    what: "see the members",
    rights: "MANAGE",
    attempt: send("getroles", (uri) => `${room(uri)}<rib type="MEMBER"/>`),
  },
  {
    command: "getroles",
    what: "see all lists",
    rights: "MANAGE",
    attempt: send("getroles", (uri) => room(uri)),
  },
  {
    command: "usrsrch",
    what: "look for members",
    rights: "MANAGE",
    attempt: send("usrsrch", (uri) => `${room(uri)}<qib criteria="m"/>`),
  },
  { command: "chanmodify", what: "change nothing", rights: "MANAGE", attempt: modify({}) },
  {
    command: "chanmodify",
    what: "describe",
    rights: "MANAGE",
    changes: true,
    attempt: modify({ description: "different" }),
  },
  {
    command: "chanmodify",
    what: "change privacy",
    rights: "MANAGE",
    changes: true,
    attempt: modify({}, '<info id="urn:parlano:ma:info:visibilty">open</info>'),
  },
  {
    command: "chanmodify",
    what: "change type",
    rights: "MANAGE",
    changes: true,
    attempt: modify({ behavior: "AUDITORIUM" }),
  },
  {
    command: "chanmodify",
    what: "add a manager",
    rights: "MANAGE",
    changes: true,
    attempt: modify({}, list("MANAGER", "ADD", ["sip:scoped@example.com"])),
  },
  {
    command: "chanmodify",
    what: "remove the members",
    rights: "MANAGE",
    changes: true,
    attempt: modify({}, list("MEMBER", "REPLACE", [])),
  },
  {
    command: "chanmodify",
    what: "disable",
    rights: "MANAGE",
    changes: true,
    attempt: modify({ disabled: "true" }),
  },
  {
    command: "chanmodify",
    what: "enable",
    rights: "ADMINISTER",
    changes: true,
    attempt: modify({ disabled: "false" }),
  },
  {
    command: "chanmodify",
    what: "enable and describe",
    rights: "ADMINISTER",
    changes: true,
    attempt: modify({ disabled: "false", description: "different" }),
  },
  {
    command: "chanmodify",
    what: "move",
    rights: "MOVE",
    changes: true,
    attempt: (client, uri) => modify({ parent: there })(client, uri),
  },
  {
    command: "msgmodify",
    what: "moderate",
    rights: "MANAGE",
    attempt: send(
      "msgmodify",
      (uri) => `${room(uri)}<moderation change="REMOVE" reason="r"><msg chatId="4000"/></moderation>`,
    ),
  },
  {
    command: "chandelete",
    what: "delete",
    rights: "ADMINISTER",
    changes: true,
    attempt: send("chandelete", (uri) => room(uri)),
  },
];

/** Commands that name no room. What lists rooms is looked at below, what concerns categories too; the rest tells nothing of either. */
const WITHOUT_ROOM = [
  "requri",
  "getserverinfo",
  "chansrch",
  "getassociations",
  "chancreate",
  "nodespermcreatechild",
  "getnodes",
  "getsiops",
  "getinv",
  "getpref",
  "setpref",
  "part",
];

test("every command of the protocol is in the table", () => {
  const known = new Set([...ATTEMPTS.map(({ command }) => command), ...WITHOUT_ROOM]);
  assert.deepEqual(
    COMMAND_KINDS.filter((kind) => !known.has(kind)),
    [],
  );
});

const snapshot = (uri: string) => lab.administration.inspectRoom(uri);

for (const { what, attempt, rights, changes, permitted = 200 } of ATTEMPTS) {
  test(`${what}: by right of role, privacy, type and state, and by nothing else`, async () => {
    const wrong: string[] = [];
    for (const { uri, privacy, type, disabled } of cases) {
      const row = RIGHTS[rights][disabled ? "disabled" : "enabled"][privacy];
      const before = await snapshot(uri);
      for (const [standing, client] of clients) {
        const code = codeOf(row, standing);
        const target = changes && code === 200 ? await newRoom(privacy, type, disabled, false) : uri;
        const answer = await attempt(client, target);
        const expected = code === 200 ? permitted : what === "batch join" ? 0 : code;
        if (answer.code !== expected)
          wrong.push(
            `${standing} in ${privacy} ${type}${disabled ? " disabled" : ""}: ${answer.code}, not ${expected}`,
          );
        if (code !== 200) assert.equal(answer.rooms, 0, "a refusal holds nothing");
        if (code === 404)
          assert.deepEqual(answer, await attempt(client, NOWHERE), `${standing}: as if there were none`);
      }
      const now = await snapshot(uri);
      assert.deepEqual(
        { ...now, lastNumber: 0 },
        { ...before, lastNumber: 0 },
        "who was refused has changed nothing",
      );
    }
    assert.deepEqual(wrong, []);
  });
}

test("posting: members in normal rooms, presenters who are members in auditoriums", async () => {
  const wrong: string[] = [];
  for (const { uri, privacy, type, disabled } of cases) {
    const rights = type === "auditorium" ? RIGHTS.PRESENT : RIGHTS.TAKE_PART;
    const row = rights[disabled ? "disabled" : "enabled"][privacy];
    const before = (await snapshot(uri)).lastNumber;
    for (const [standing, client] of clients) {
      const code = codeOf(row, standing);
      const answer = await post(client, uri);
      if (answer.code !== code)
        wrong.push(`${standing} in ${privacy} ${type} ${disabled}: ${answer.code}, not ${code}`);
    }
    const posted = row
      .trim()
      .split(/\s+/)
      .filter((code) => code === "200").length;
    assert.equal((await snapshot(uri)).lastNumber - before, posted, "what was refused is not stored");
  }
  assert.deepEqual(wrong, []);
});

test("room lists hold what may be seen, and nothing else", async () => {
  const uris = async (client: XccosEndpoint, command: string, data: string) => {
    const { data: found } = await client.command(command, data);
    const all = new Set(children(found, "chanib").map((one) => attribute(one, "uri")));
    return cases.filter(({ uri }) => all.has(uri)).map(({ uri }) => uri);
  };
  for (const [standing, client] of clients) {
    for (const disabled of [false, true]) {
      const expected = cases.filter(
        (one) =>
          one.disabled === disabled &&
          codeOf(RIGHTS.SEE[disabled ? "disabled" : "enabled"][one.privacy], standing) === 200,
      );
      assert.deepEqual(
        await uris(
          client,
          "chansrch",
          `<qib qtype="BYNAME" criteria="Room"${disabled ? ' disabled="true"' : ""}/>`,
        ),
        expected.map(({ uri }) => uri),
        `${standing} ${disabled}`,
      );
    }
    for (const type of ["MEMBER", "MANAGER"] as const)
      assert.deepEqual(
        await uris(
          client,
          "getassociations",
          `<association domain="example.com" type="${type}" maxResults="999"/>`,
        ),
        ASSOCIATED[type].includes(standing)
          ? cases.filter(({ disabled }) => !disabled).map(({ uri }) => uri)
          : [],
        `${standing} ${type}`,
      );
  }
});

test("rooms are made by creators of the category and administrators, who alone are told where they may", async () => {
  for (const [standing, client] of clients) {
    const code = codeOf(CREATE, standing);
    const reply = await create(client, { name: `Made by ${standing}`, parent: here });
    assert.equal(reply.code, code, `${standing}: ${reply.text}`);
    const { data } = await client.command("nodespermcreatechild");
    const may = children(data, "catib").map((one) => attribute(one, "uri"));
    assert.equal(may.includes(here), code === 200, standing);
    const { data: browsed } = await client.command("getnodes");
    const known = children(browsed, "catib").map((one) => attribute(one, "uri"));
    assert.equal(known.includes(here), code !== 404, standing);
    assert.equal((await client.command("usrsrch", `<catib uri="${here}"/>`)).code, code, standing);
  }
  await lab.clearAway();
});
