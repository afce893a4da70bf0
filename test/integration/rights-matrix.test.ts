import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { attribute, children } from "../../plugin/client/xml-reader.ts";
import type { Privacy, RoomType } from "../../src/chat/room.ts";
import { type Lab, openLab } from "../support/lab.ts";
import { create } from "../support/management.ts";
import { ATTEMPTS, type Attempt, type Named } from "../support/rights-attempts.ts";
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
let named: Named;
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
  await administration.addAddIn({ name: "Board", url: "https://board.example.com" });
  here = await uriOf("Here");
  const addresses = { scoped: lab.address("scoped"), stranger: lab.address("stranger") };
  named = { ...addresses, there: await uriOf("There"), taken: "There", addIn: "Board" };
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

type Ask = (client: XccosEndpoint, uri: string) => Promise<Answer>;

const asking =
  ({ command, data }: Attempt): Ask =>
  async (client, uri) => {
    const reply = await client.command(command, data(uri, named));
    return { code: reply.code, text: reply.text, rooms: reply.data.children.length };
  };
const join: Ask = async (client, uri) => {
  const { code, text, rooms } = await client.join(uri);
  await client.part(uri);
  return { code, text, rooms: rooms.length };
};
const bjoin: Ask = async (client, uri) => {
  const { code, failed, rooms } = await client.bjoin([uri]);
  assert.equal(code, 200);
  await client.part(uri);
  // A batch join names what failed, not why.
  return { code: failed.length === 0 ? 200 : 0, text: "", rooms: rooms.length };
};
const post: Ask = async (client, uri) => {
  const joined = await client.join(uri);
  const code = await client.post(uri, "hello");
  if (joined.code === 200) await client.part(uri);
  return { code, text: "", rooms: 0 };
};

const snapshot = (uri: string) => lab.administration.inspectRoom(uri);

type Asked = Pick<Attempt, "what" | "rights" | "changes" | "permitted"> & { readonly ask: Ask };
const ASKED: readonly Asked[] = [
  { what: "join", rights: "TAKE_PART", ask: join },
  { what: "batch join", rights: "TAKE_PART", ask: bjoin },
  ...ATTEMPTS.map((attempt) => ({ ...attempt, ask: asking(attempt) })),
];

/** The whole matrix is contract/rights; here are of each attempt a third of the rooms, in turn: each privacy, type and state. */
const casesFor = (turn: number) => cases.filter((_, index) => index % 3 === turn % 3);

ASKED.forEach(({ what, ask, rights, changes, permitted }, turn) => {
  test(`${what}: by right of role, privacy, type and state, and by nothing else`, async () => {
    const wrong: string[] = [];
    for (const { uri, privacy, type, disabled } of casesFor(turn)) {
      const row = RIGHTS[rights][disabled ? "disabled" : "enabled"][privacy];
      const before = await snapshot(uri);
      for (const [standing, client] of clients) {
        const code = codeOf(row, standing);
        const target = changes && code === 200 ? await newRoom(privacy, type, disabled, false) : uri;
        const answer = await ask(client, target);
        const right = code === 200 ? (permitted?.(privacy, type) ?? 200) : code;
        const expected = code !== 200 && what === "batch join" ? 0 : right;
        if (answer.code !== expected)
          wrong.push(
            `${standing} in ${privacy} ${type}${disabled ? " disabled" : ""}: ${answer.code}, not ${expected}`,
          );
        if (code !== 200) assert.equal(answer.rooms, 0, "a refusal holds nothing");
        if (code === 404)
          assert.deepEqual(answer, await ask(client, NOWHERE), `${standing}: as if there were none`);
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
});

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
