import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { CHAT_ERRORS, ChatError } from "../../src/chat/errors.ts";
import { NO_ACCESS, ROOM_ACTIONS, refusal } from "../../src/chat/role.ts";
import type { Privacy, Room, RoomType } from "../../src/chat/room.ts";
import type { User } from "../../src/chat/user.ts";
import type { Context, Services } from "../../src/commands/context.ts";
import { COMMAND_KINDS, dispatch } from "../../src/commands/index.ts";
import { post } from "../../src/commands/post.ts";
import { Envids } from "../../src/delivery/envids.ts";
import type { SipSender } from "../../src/ports.ts";
import { receive } from "../../src/receive.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { decodeEnvelope } from "../../src/xccos/envelope.ts";
import { list } from "../support/management.ts";
import { type MysqlLab, newUser, startMysqlLab } from "../support/mysql.ts";
import { ATTEMPTS, type Attempt, JOINING, WITHOUT_ROOM } from "../support/rights-attempts.ts";
import {
  found,
  newUserAt,
  type Person,
  principalOf,
  type RightsCase,
  type RightsWorld,
  rightsWorld,
  WAYS,
} from "../support/rights-people.ts";
import { ASSOCIATED, CREATE, codeOf, RIGHTS, STANDINGS, type Standing } from "../support/rights-table.ts";
import { aSession } from "../support/sessions.ts";

const PRIVACIES: readonly Privacy[] = ["open", "closed", "secret"];
const TYPES: readonly RoomType[] = ["normal", "auditorium"];
const ROOT = "ma-cat://example.com/root";
const NO_CATEGORY = "ma-cat://example.com/00000000-0000-4000-8000-000000000000";

let lab: MysqlLab;
/** Whatever is permitted is carried out and undone: each attempt finds the rooms as they were. */
let rehearsing: Stores;
let stores: Stores;
let world: RightsWorld;

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open({ connections: 4 });
  rehearsing = await lab.open({ connections: 4, rehearsal: true });
  world = await rightsWorld(stores, STANDINGS);
});
after(() => lab.stop());

function contextOf(user: User, using: Stores = rehearsing): Context {
  const session = aSession("anyone", 1);
  session.user = user;
  // Rights are decided with the stores alone; what follows when they are there is shown through SIP.
  const services = {
    rooms: using.rooms,
    management: using.management,
    messages: using.messages,
    search: using.search,
    preferences: using.preferences,
    dialogs: using.dialogs,
    invitations: { after: async () => [] },
    attendance: { enter: async () => new Set<number>(), leave: async () => {}, adoptEarlier: async () => {} },
    fanout: { idOf: () => undefined, delivered: () => undefined },
    rosters: { participants: async () => new Map(), counts: async () => new Map(), isLarge: () => false },
    readMarks: { unread: async () => new Map(), note: () => {} },
    recordsReading: false,
    clock: { monotonicMs: () => performance.now(), nowMs: Date.now },
    limits: {
      searchLimit: 999,
      messageBytes: 1_000,
      storyBytes: 1_000,
      defaultChatHistory: 5,
      maxChatHistory: 50,
      maxReplyBytes: () => 1_000_000,
    },
    pool: { domain: "example.com", rootCategoryUri: ROOT, poolUri: "sip:pool@example.com" },
  } as unknown as Services; // nothing else is used
  return { session, services };
}

interface Reply {
  readonly code: number;
  readonly text: string;
}

async function ask(context: Context, name: string, data: string): Promise<Reply> {
  const xml = `<xccos ver="1" envid="1" xmlns="urn:parlano:xml:ns:xccos"><cmd id="cmd:${name}" seqid="1"><data>${data}</data></cmd></xccos>`;
  const [primitive] = decodeEnvelope(Buffer.from(xml)).primitives;
  assert.ok(primitive?.kind === "cmd");
  const { code, primitives } = await dispatch(primitive.command, "1", context);
  return { code, text: primitives.join("") };
}

/** What this user gets, in the room as the table has it. */
const tableCode = (rights: keyof typeof RIGHTS, { disabled, privacy }: RightsCase, { standing }: Person) =>
  codeOf(RIGHTS[rights][disabled ? "disabled" : "enabled"][privacy], standing);

const described = ({ standing, way }: Person, { privacy, type, disabled }: RightsCase) =>
  `${standing} by ${way} in ${privacy} ${type}${disabled ? " disabled" : ""}`;

/** Everything that says who may do what. */
async function everything(): Promise<unknown> {
  const tables = [
    "room",
    "room_role",
    "category",
    "category_scope",
    "change_log",
    "compliance_outbox",
    "add_in",
  ];
  return Promise.all(tables.map((table) => stores.database.rows(`SELECT * FROM ${table}`)));
}

test("every command of the protocol is in the matrix", () => {
  const known = new Set([
    ...ATTEMPTS.map(({ command }) => command),
    ...Object.keys(JOINING),
    ...Object.keys(WITHOUT_ROOM),
  ]);
  assert.deepEqual(
    COMMAND_KINDS.filter((kind) => !known.has(kind)),
    [],
  );
});

const ACTION_ROWS: Readonly<Record<(typeof ROOM_ACTIONS)[number], keyof typeof RIGHTS>> = {
  see: "SEE",
  join: "TAKE_PART",
  read: "TAKE_PART",
  post: "TAKE_PART",
  manage: "MANAGE",
  disable: "MANAGE",
  enable: "ADMINISTER",
  delete: "ADMINISTER",
  changeCategory: "MANAGE",
  moderate: "MANAGE",
};

test("a role gives the same rights whether somebody holds it himself, by a group, a group around it or his domain", async () => {
  const wrong: string[] = [];
  const rooms = world.cases.map(({ room }) => room);
  for (const person of world.people) {
    const access = await stores.rooms.access(rooms, person.user);
    world.cases.forEach((one, index) => {
      const held = access[index];
      assert.ok(held);
      for (const action of ROOM_ACTIONS) {
        const row = action === "post" && one.type === "auditorium" ? "PRESENT" : ACTION_ROWS[action];
        const no = refusal(action, one.room, held);
        const code = no ? CHAT_ERRORS[no].code : 200;
        if (code !== tableCode(row, one, person)) wrong.push(`${action}: ${described(person, one)}: ${code}`);
      }
    });
  }
  assert.deepEqual(wrong, []);
});

/** Those of one standing, in turn: over all rooms each way has its turn, with each attempt. */
const inTurn = (standing: Standing, turn: number): Person => {
  const ways = world.people.filter((one) => one.standing === standing);
  return ways[turn % ways.length] ?? assert.fail(`nobody is ${standing}`);
};

const JOINS: readonly Attempt[] = [
  { command: "join", what: "join", rights: "TAKE_PART", data: JOINING.join },
  {
    command: "bjoin",
    what: "batch join",
    rights: "TAKE_PART",
    data: JOINING.bjoin,
  },
];

[...JOINS, ...ATTEMPTS].forEach((attempt, turn) => {
  const { command, what, rights, data, permitted } = attempt;
  test(`${command}: ${what}, in every kind of room, by right of the role and by nothing else`, async () => {
    const wrong: string[] = [];
    const unchanged = await everything();
    const missing = data(`ma-chan://example.com/${randomUUID()}`, world.named);
    await Promise.all(
      STANDINGS.map(async (standing) => {
        for (const [index, one] of world.cases.entries()) {
          const person = inTurn(standing, turn + index + (index >> 2));
          const context = contextOf(person.user);
          const { code, text } = await ask(context, command, data(one.room.uri, world.named));
          const right = tableCode(rights, one, person);
          const expected = right === 200 ? (permitted?.(one.privacy, one.type) ?? 200) : right;
          // A batch join is 200 in any case, and names what failed.
          const isRight =
            command === "bjoin" ? text.includes("<fib ") === (right !== 200) : code === expected;
          if (!isRight) wrong.push(`${described(person, one)}: ${code}, not ${expected}`);
          if (right === 404 && command !== "bjoin")
            assert.equal(text, (await ask(context, command, missing)).text, "as if there were none");
        }
      }),
    );
    assert.deepEqual(wrong, []);
    assert.deepEqual(await everything(), unchanged);
  });
});

test("posting: members in normal rooms, presenters who are members in auditoriums, by whatever way", async () => {
  const wrong: string[] = [];
  for (const person of world.people) {
    const context = contextOf(person.user);
    for (const one of world.cases) {
      const wire = {
        seqid: "1",
        chanUri: one.room.uri,
        author: undefined,
        ts: "x",
        alert: false,
        chat: "hi",
      };
      const refused = await post(
        { ...wire, rtf: undefined, problem: undefined },
        { envid: "1", startBeforeMs: Date.now() + 10_000 },
        context,
      ).catch((error: unknown) => error);
      assert.ok(refused instanceof ChatError);
      const { code } = CHAT_ERRORS[refused.code];
      const right = tableCode(one.type === "auditorium" ? "PRESENT" : "TAKE_PART", one, person);
      const expected = right === 200 ? CHAT_ERRORS.NOT_JOINED.code : right;
      if (code !== expected) wrong.push(`${described(person, one)}: ${code}, not ${expected}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("lists hold what may be seen, and nothing else: rooms found, own rooms, rooms whose history is searched", async () => {
  for (const person of world.people) {
    const context = contextOf(person.user);
    const listed = async (command: string, data: string) => {
      const { text } = await ask(context, command, data);
      return world.cases.filter(({ room }) => text.includes(room.uri));
    };
    const permitted = (rights: keyof typeof RIGHTS, disabled: boolean) =>
      world.cases.filter((one) => one.disabled === disabled && tableCode(rights, one, person) === 200);
    const who = `${person.standing} by ${person.way}`;
    assert.deepEqual(await listed("chansrch", '<qib criteria="Room"/>'), permitted("SEE", false), who);
    assert.deepEqual(
      await listed("chansrch", '<qib criteria="Room" disabled="true"/>'),
      permitted("SEE", true),
      `${who}, disabled ones`,
    );
    for (const type of ["MEMBER", "MANAGER"] as const)
      assert.deepEqual(
        await listed("getassociations", `<association domain="example.com" type="${type}"/>`),
        ASSOCIATED[type].includes(person.standing) ? world.cases.filter(({ disabled }) => !disabled) : [],
        `${who}, ${type}`,
      );
    const searched = await stores.rooms.readable(person.user, 999);
    assert.deepEqual(
      world.cases.filter(({ room }) => searched.includes(room.id)),
      permitted("TAKE_PART", false),
      `${who}, searched`,
    );
  }
});

const VISIBILITY = { open: "open", closed: "scoped", secret: "private" } as const;

/** What a new room is given besides privacy and type, and what becomes of it where it may be made; by hand. */
const CREATIONS: readonly {
  readonly what: string;
  readonly inner?: (named: RightsWorld["named"]) => string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly code: (privacy: Privacy, type: RoomType) => number;
}[] = [
  { what: "alone", code: () => 200 },
  { what: "disabled, with an add-in", attributes: { disabled: "true", siopname: "Board" }, code: () => 200 },
  { what: "with an add-in that is not registered", attributes: { siopname: "None" }, code: () => 404 },
  { what: "with members and managers", inner: ({ scoped }) => membersAndManagers(scoped), code: () => 200 },
  {
    what: "with somebody out of scope",
    inner: ({ stranger }) => membersAndManagers(stranger),
    code: () => 403,
  },
  { what: "with nobody known", inner: () => membersAndManagers("sip:nobody@example.com"), code: () => 404 },
  {
    what: "with a presenter",
    inner: ({ scoped }) => list("PRESENTER", "ADD", [scoped]),
    code: (privacy, type) => (type === "normal" ? 400 : privacy === "open" ? 200 : 403),
  },
  {
    what: "with a presenter who is a member",
    inner: ({ scoped }) => membersAndManagers(scoped) + list("PRESENTER", "ADD", [scoped]),
    code: (_privacy, type) => (type === "normal" ? 400 : 200),
  },
];
const membersAndManagers = (uri: string) => list("MEMBER", "ADD", [uri]) + list("MANAGER", "ADD", [uri]);

const creation = (
  parent: string,
  privacy: Privacy,
  type: RoomType,
  { attributes = {}, inner = () => "" }: Partial<(typeof CREATIONS)[number]> = {},
) => {
  const said = Object.entries({ name: "Made", parent, behavior: type.toUpperCase(), ...attributes });
  const info = `<info id="urn:parlano:ma:info:visibilty">${VISIBILITY[privacy]}</info>`;
  return `<chanib ${said.map(([name, value]) => `${name}="${value}"`).join(" ")}>${info}${inner(world.named)}</chanib>`;
};

test("chancreate: by creators, whatever privacy and type, by whatever way they are; who may not is told nothing of the rest", async () => {
  const wrong: string[] = [];
  const unchanged = await everything();
  await Promise.all(
    STANDINGS.map(async (standing) => {
      const right = codeOf(CREATE, standing);
      let turn = 0;
      for (const privacy of PRIVACIES)
        for (const type of TYPES)
          for (const one of CREATIONS) {
            const { way, user } = inTurn(standing, turn++);
            const { code } = await ask(
              contextOf(user),
              "chancreate",
              creation(world.here, privacy, type, one),
            );
            const expected = right === 200 ? one.code(privacy, type) : right;
            if (code !== expected)
              wrong.push(`${standing} by ${way}, ${privacy} ${type} ${one.what}: ${code}, not ${expected}`);
          }
    }),
  );
  await Promise.all(
    world.people.map(async (person) => {
      const context = contextOf(person.user);
      const right = codeOf(CREATE, person.standing);
      const nobodys = await ask(context, "chancreate", creation(NO_CATEGORY, "open", "normal"));
      assert.equal(nobodys.code, 404);
      if (right === 404)
        assert.equal(
          (await ask(context, "chancreate", creation(world.here, "open", "normal"))).text,
          nobodys.text,
        );
      assert.equal((await ask(context, "chancreate", creation(ROOT, "open", "normal"))).code, 416);
      const holds = async (command: string) => (await ask(context, command, "")).text.includes(world.here);
      assert.equal(await holds("nodespermcreatechild"), right === 200, person.standing);
      assert.equal(await holds("getnodes"), right !== 404, person.standing);
      assert.equal(
        (await ask(context, "usrsrch", `<catib uri="${world.here}"/>`)).code,
        right,
        person.standing,
      );
    }),
  );
  assert.deepEqual(wrong, []);
  assert.deepEqual(await everything(), unchanged);
});

test("who makes a room by a group's right manages it himself; without the policy to create rooms nobody but administrators does", async () => {
  const { administration } = stores;
  const creator = world.people.find((one) => one.standing === "creator" && one.way === "nested");
  assert.ok(creator);
  const made = async (user: User, name: string) =>
    (
      await ask(
        contextOf(user, stores),
        "chancreate",
        creation(world.here, "secret", "normal", { attributes: { name } }),
      )
    ).code;
  assert.equal(await made(creator.user, "Made for good"), 200);
  const { room, roles } = await administration.inspectRoom("Made for good");
  assert.deepEqual(roles, [{ uri: creator.user.uri, role: "manager" }]);
  await administration.removeRoom(room.id);
  await administration.setCreatePolicy(creator.user.uri, false);
  const stripped = await found(stores, creator.user.uri);
  assert.equal(await made(stripped, "Not made"), 403);
  assert.deepEqual(
    (await ask(contextOf(stripped), "nodespermcreatechild", "")).text.includes(world.here),
    false,
  );
  await administration.setCreatePolicy(creator.user.uri, null);
  await administration.setGlobalCreatePolicy(false);
  assert.equal(await made(await found(stores, creator.user.uri), "Not made"), 403);
  await administration.setCreatePolicy(creator.user.uri, true);
  assert.equal(await made(await found(stores, creator.user.uri), "Made again"), 200);
  await administration.setGlobalCreatePolicy(true);
});

test("who comes into a group of creators, or goes, makes rooms at once, or none any more, though his session began before", async () => {
  const { administration } = stores;
  const user = await newUser(stores, "coming-and-going");
  const made = async () =>
    (await ask(contextOf(user), "chancreate", creation(world.here, "open", "normal"))).code;
  assert.equal(await made(), 404);
  await administration.addToGroup("ma-grp:creator-nested", [user.uri]);
  assert.equal(await made(), 200);
  await administration.removeFromGroup("ma-grp:creator-nested", user.uri);
  assert.equal(await made(), 404);
});

test("who goes out of a group of creators while his room is being made has not made it", async () => {
  const { administration, changes } = stores;
  const user = await newUser(stores, "just-going");
  await administration.addToGroup("ma-grp:creator-nested", [user.uri]);
  const change = changes.change.bind(changes);
  let meanwhile = async (): Promise<unknown> =>
    administration.removeFromGroup("ma-grp:creator-nested", user.uri);
  changes.change = async (actor, work) => {
    const once = meanwhile;
    meanwhile = async () => {};
    await once(); // decided already, not written yet
    return change(actor, work);
  };
  const made = async () =>
    (await ask(contextOf(user, stores), "chancreate", creation(world.here, "open", "normal"))).code;
  try {
    assert.deepEqual([await made(), await made()], [409, 404]);
  } finally {
    changes.change = change;
  }
});

test("who is denied is out, by whatever way he is denied and by whatever way he is allowed, but for administrators", async () => {
  const { administration } = stores;
  for (const allowing of WAYS)
    for (const denying of WAYS) {
      const tag = `${allowing}-but-${denying}`;
      const user = await newUserAt(stores, `sip:who@${tag}.example`);
      const allowed = await principalOf(stores, user.uri, allowing, `${tag}-allowed`);
      const denied = await principalOf(stores, user.uri, denying, `${tag}-denied`);
      const category = `Wall ${tag}`;
      await administration.addCategory({ name: category, allowed: [allowed], creators: [allowed] });
      const roles = (["member", "manager"] as const).map((role) => {
        return { role, change: "add" as const, principals: [user.uri] };
      });
      const rooms: Room[] = [];
      for (const privacy of ["open", "secret"] as const)
        rooms.push(await administration.addRoom({ name: `${tag} ${privacy}`, category, privacy, roles }));
      const codes = async () => {
        const access = await stores.rooms.access(rooms, await found(stores, user.uri));
        return rooms.map((room, index) =>
          ROOM_ACTIONS.map((action) => {
            const no = refusal(action, room, access[index] ?? NO_ACCESS);
            return no ? CHAT_ERRORS[no].code : 200;
          }),
        );
      };
      const parent = `ma-cat://example.com/${(await administration.inspectCategory(category)).category.guid}`;
      const creates = async () =>
        (
          await ask(
            contextOf(await found(stores, user.uri)),
            "chancreate",
            creation(parent, "open", "normal"),
          )
        ).code;
      const sees = async () =>
        (await ask(contextOf(await found(stores, user.uri)), "chansrch", `<qib criteria="${tag}"/>`)).text;
      const all = (code: number) => ROOM_ACTIONS.map(() => code);
      const manages = ROOM_ACTIONS.map((action) => (["enable", "delete"].includes(action) ? 403 : 200));
      assert.deepEqual(await codes(), [manages, manages], tag);
      assert.equal(await creates(), 200, tag);
      await administration.changeCategory(category, { denied: [denied] });
      assert.deepEqual(await codes(), [all(403), all(404)], tag);
      assert.equal(await creates(), 404, tag);
      assert.ok(!(await sees()).includes("ma-chan:"), tag);
      if (allowing !== "self") continue;
      await administration.setAdministrator(user.uri, true);
      const administers = ROOM_ACTIONS.map((action) =>
        ["join", "read", "post"].includes(action) ? 403 : 200,
      );
      assert.deepEqual(await codes(), [administers, administers], tag);
      assert.equal(await creates(), 200, tag);
    }
});

test("without the policy for persistent chat every command and every post is refused in the same words, and no store is asked", async () => {
  const { administration } = stores;
  const privileged = await Promise.all(
    (["member", "manager", "both", "admin"] as const).map(async (standing) => {
      const uri = world.people.find((one) => one.standing === standing)?.user.uri ?? "";
      await administration.setUserPolicy(uri, false);
      return found(stores, uri);
    }),
  );
  const unset = await newUser(stores, "unset");
  await administration.setUserPolicy(unset.uri, null);
  assert.equal(await administration.globalPolicy(), false, "off in the global policy at first");
  const gone = await newUser(stores, "taken-off");
  await administration.removeUser(gone.uri);
  const commands = new Map<string, string>();
  const [one] = world.cases;
  assert.ok(one);
  for (const { command, data } of ATTEMPTS)
    if (!commands.has(command)) commands.set(command, data(one.room.uri, world.named));
  for (const [command, data] of Object.entries(JOINING)) commands.set(command, data(one.room.uri));
  for (const [command, data] of Object.entries(WITHOUT_ROOM)) commands.set(command, data);
  assert.deepEqual([...commands.keys()].sort(), [...COMMAND_KINDS].sort());
  const unchanged = await everything();
  const users = [...privileged, await found(stores, unset.uri), await found(stores, gone.uri)];
  const asked = async () => {
    const [row] = await stores.database.rows<{ Value: string }>("SHOW GLOBAL STATUS LIKE 'Questions'");
    return Number(row?.Value);
  };
  const before = await asked();
  for (const user of users) {
    assert.equal(user.enabled, false);
    const context = contextOf(user, stores);
    for (const [command, data] of commands) {
      const { code, text } = await ask(context, command, data);
      assert.equal(code, 403, `${user.uri} ${command}`);
      assert.match(text, /ERROR_PERMISSION: Persistent chat is not enabled for you/);
    }
    const sent: string[] = [];
    const body = `<xccos ver="1" envid="1" xmlns="urn:parlano:xml:ns:xccos"><grpchat seqid="1" chanUri="${one.room.uri}" ts="x"><chat>hi</chat></grpchat></xccos>`;
    await receive(
      context.session,
      Buffer.from(body),
      Date.now() + 10_000,
      {
        services: context.services,
        sender: { send: () => void sent.push("sent") } as unknown as SipSender, // one method of it is used
        envids: new Envids(),
        onError: (error) => assert.fail(String(error)),
        onHandled: () => {},
      },
      ({ status, reason }) => void sent.push(`${status} ${reason}`),
    );
    assert.deepEqual(sent, ["403 Persistent chat is not enabled for you"]);
  }
  assert.equal((await asked()) - before, 1, "nothing but the question itself");
  assert.deepEqual(await everything(), unchanged);
});
