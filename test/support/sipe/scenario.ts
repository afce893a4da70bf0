import assert from "node:assert/strict";
import {
  BACK_AGAIN,
  BOBS_ANSWER,
  IN_FIRST_ROOM,
  IN_SECOND_ROOM,
  type SaidMessage,
  SCENARIO_TEXTS,
  type ScenarioUser,
  type SipeScenario,
  WHILE_AWAY,
  whatWasSaid,
} from "./scenario-script.ts";
import { SipeClient } from "./sipe.ts";
import type { SipeMessage } from "./sipe-event.ts";

const EVENT_TIMEOUT_MS = 15_000;
const CLOCK_TOLERANCE_SECONDS = 120;

/**
 * Two people with real SIPE clients: sign in in the same second, find rooms, join, talk both ways, leave, come back to the
 * history, sign off. Both tests use it, against the stub and against the whole server.
 * Returns what was said, in the order of each room.
 * @throws AssertionError or Error at the first thing that a person would notice to be wrong.
 */
export async function runSipeScenario(scenario: SipeScenario): Promise<SaidMessage[]> {
  const [first, second] = scenario.users;
  await withClients(scenario, [first, second], async ([alice, bob]) => {
    await Promise.all([alice.signIn(), bob.signIn()]);
    await findRooms(scenario, [alice, bob]);
    await meet(scenario, alice, bob);
    await talk(scenario, alice, bob);
    await keepRoomsApart(scenario, alice, bob);
    await leaveAndReturn(scenario, alice, bob);
    await signOff(scenario, alice, bob);
    for (const client of [alice, bob]) assertNothingComplained(client);
  });
  return whatWasSaid(scenario);
}

/** Starts both clients at once and stops them in any case; a client that died is an error of its own unless there was one. */
async function withClients(
  scenario: SipeScenario,
  users: readonly [ScenarioUser, ScenarioUser],
  act: (clients: [SipeClient, SipeClient]) => Promise<void>,
): Promise<void> {
  const starts = await Promise.allSettled(users.map((user) => startClient(scenario, user)));
  const clients = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const errors: unknown[] = starts.flatMap((start) => (start.status === "rejected" ? [start.reason] : []));
  const [alice, bob] = clients;
  if (alice && bob) await act([alice, bob]).catch((error: unknown) => errors.push(error));
  for (const client of clients) await client.stop().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw errors[0];
}

function startClient(scenario: SipeScenario, user: ScenarioUser): Promise<SipeClient> {
  const { host, port, transport } = scenario;
  return SipeClient.start({ host, port, transport, ...user });
}

async function findRooms(scenario: SipeScenario, clients: SipeClient[]): Promise<void> {
  for (const client of clients) {
    const listed = await client.listRooms();
    for (const { uri, name } of scenario.rooms) {
      const rows = listed.filter((row) => row.uri === uri);
      assert.deepEqual(
        rows.map((row) => row.name),
        [name],
        `${client.uri} sees the room ${uri} once`,
      );
    }
  }
}

async function meet(scenario: SipeScenario, alice: SipeClient, bob: SipeClient): Promise<void> {
  const { uri, name } = scenario.rooms[0];
  const entered = await alice.join(uri);
  assert.equal(entered.room, name);
  const who = entered.users.map((user) => user.who);
  assert.deepEqual(who, [alice.uri], "alice is alone in the room");

  const since = alice.mark();
  const joined = await bob.join(uri);
  assert.deepEqual(joined.users.map((user) => user.who).sort(), [alice.uri, bob.uri].sort());
  const seen = await alice.waitForKind("user-joined", EVENT_TIMEOUT_MS, since);
  assert.deepEqual([seen.uri, seen.who], [uri, bob.uri], "alice sees bob come in");
}

async function talk(scenario: SipeScenario, alice: SipeClient, bob: SipeClient): Promise<void> {
  const { uri } = scenario.rooms[0];
  for (const [speaker, texts] of [
    [alice, SCENARIO_TEXTS],
    [bob, [BOBS_ANSWER]],
  ] as const) {
    const marks = [alice, bob].map((client) => ({ client, since: client.mark() }));
    for (const text of texts) speaker.say(uri, text);
    for (const { client, since } of marks) {
      const shown = await expectTexts(client, uri, since, texts);
      const nowSeconds = Date.now() / 1000;
      for (const { who, own, at } of shown) {
        assert.equal(who, speaker.uri, "the message bears its author's name");
        assert.equal(own, client === speaker, "own messages, and only they, are marked as own");
        assert.ok(Math.abs(at - nowSeconds) < CLOCK_TOLERANCE_SECONDS, "the time shown is now");
      }
    }
  }
}

async function keepRoomsApart(scenario: SipeScenario, alice: SipeClient, bob: SipeClient): Promise<void> {
  const [first, second] = scenario.rooms;
  await alice.join(second.uri);
  const [aliceSince, bobSince] = [alice.mark(), bob.mark()];
  alice.say(second.uri, IN_SECOND_ROOM);
  await expectTexts(alice, second.uri, aliceSince, [IN_SECOND_ROOM]);
  alice.say(first.uri, IN_FIRST_ROOM);
  for (const [client, since] of [
    [alice, aliceSince],
    [bob, bobSince],
  ] as const) {
    await expectTexts(client, first.uri, since, [IN_FIRST_ROOM]);
  }
  const stray = bob.events.slice(bobSince).filter(({ event }) => event === "stray-message");
  assert.deepEqual(stray, [], "bob is sent nothing of a room he is not in");
}

async function leaveAndReturn(scenario: SipeScenario, alice: SipeClient, bob: SipeClient): Promise<void> {
  const { uri } = scenario.rooms[0];
  const aliceSince = alice.mark();
  await bob.leave(uri);
  const gone = await alice.waitForKind("user-left", EVENT_TIMEOUT_MS, aliceSince);
  assert.deepEqual([gone.uri, gone.who], [uri, bob.uri], "alice sees bob leave");

  const away = bob.mark();
  alice.say(uri, WHILE_AWAY);
  await expectTexts(alice, uri, aliceSince, [WHILE_AWAY]);
  assert.deepEqual(bob.messages(uri, away), [], "who left gets no messages");

  await bob.join(uri);
  const said = [...SCENARIO_TEXTS, BOBS_ANSWER, IN_FIRST_ROOM, WHILE_AWAY];
  await expectTexts(bob, uri, away, said); // the history: everything once, oldest first
  const back = await alice.waitForKind("user-joined", EVENT_TIMEOUT_MS, aliceSince);
  assert.deepEqual([back.uri, back.who], [uri, bob.uri], "alice sees bob come back");

  const [aliceBack, bobBack] = [alice.mark(), bob.mark()];
  bob.say(uri, BACK_AGAIN);
  await expectTexts(alice, uri, aliceBack, [BACK_AGAIN]);
  await expectTexts(bob, uri, bobBack, [BACK_AGAIN]);
}

async function signOff(scenario: SipeScenario, alice: SipeClient, bob: SipeClient): Promise<void> {
  const { uri } = scenario.rooms[0];
  const since = alice.mark();
  await bob.signOff();
  const gone = await alice.waitForKind("user-left", EVENT_TIMEOUT_MS, since);
  assert.deepEqual([gone.uri, gone.who], [uri, bob.uri], "alice sees bob go off-line");
  await alice.signOff();
}

/** Waits for as many messages as expected and compares; a surplus one shows in the next comparison at the latest. */
async function expectTexts(
  client: SipeClient,
  uri: string,
  since: number,
  texts: readonly string[],
): Promise<SipeMessage[]> {
  await client.waitFor(() => client.messages(uri, since).length >= texts.length, EVENT_TIMEOUT_MS, since);
  const shown = client.messages(uri, since);
  assert.deepEqual(
    shown.map(({ text }) => text),
    texts,
    `${client.uri} reads each message once and in order`,
  );
  return shown;
}

function assertNothingComplained(client: SipeClient): void {
  const bad = ["notify", "chat-error", "connection-error", "command-error", "stray-message"];
  const complaints = client.events.filter(({ event }) => bad.includes(event));
  assert.deepEqual(
    complaints,
    [],
    `${client.uri} was shown no error and sent nothing of a room it is not in`,
  );
}
