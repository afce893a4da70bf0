import { XccosEndpoint } from "../client/endpoint.ts";
import type { DemoRoomPlan, DemoSetup } from "./demo-setup.ts";
import { type DemoUser, demoUsers } from "./demo-users.ts";
import { OperatorError } from "./operator-error.ts";
import type { Stack } from "./stack-options.ts";
import { saveSubscribers } from "./subscribers.ts";

export interface DemoRoom {
  readonly name: string;
  readonly uri: string;
  /** SIP addresses. */
  readonly members: readonly string[];
}

export interface Demo {
  readonly users: readonly DemoUser[];
  readonly rooms: readonly DemoRoom[];
}

type Say = (line: string) => void;

/** Makes the demo domain: three users, policy on for them only, and two rooms. An existing one stays as it is. */
export async function setUpDemo(stack: Stack, setup: DemoSetup): Promise<Demo> {
  const users = demoUsers(stack.stateDir, stack.domain);
  const accounts = users.map(({ login, password }) => ({ username: login, domain: stack.domain, password }));
  await saveSubscribers(stack.edgeMysqlUrl, accounts);
  for (const user of users) await setup.allowUser(user);
  const rooms: DemoRoom[] = [];
  for (const plan of roomPlans(users)) {
    rooms.push({ name: plan.name, uri: await setup.ensureRoom(plan), members: plan.members });
  }
  return { users, rooms };
}

function roomPlans(users: readonly DemoUser[]): DemoRoomPlan[] {
  const [alice = "", bob = "", carol = ""] = users.map((user) => user.uri);
  return [
    {
      name: "Night Shift",
      description: "What happened while the others slept",
      privacy: "open",
      members: [alice, bob, carol],
      managers: [alice],
    },
    {
      name: "Trunk Migration",
      description: "Moving the carrier trunks, step by step",
      privacy: "closed",
      members: [alice, carol],
      managers: [carol],
    },
  ];
}

/**
 * Plays a short conversation through the whole system (SIP over TLS and TCP, digest, provisioning, rooms, history) and says it
 * line by line as people would see it. Every line that claims a delivery was checked.
 * @throws OperatorError when something did not work
 */
export async function playDemo(stack: Stack, demo: Demo, say: Say): Promise<void> {
  const [room] = demo.rooms;
  const [first, second, third] = demo.users;
  if (!room || !first || !second || !third) throw new Error("the demo has three users and a room");
  const alice = endpointOf(stack, first, "tls");
  const bob = endpointOf(stack, second, "tcp");
  const carol = endpointOf(stack, third, "tcp");
  const name = new Map(demo.users.map((user) => [user.uri, user.displayName.split(" ")[0] ?? ""]));
  try {
    for (const endpoint of [alice, bob]) {
      await endpoint.signIn();
      const { rooms } = await endpoint.getAssociations("MEMBER");
      const names = rooms.map((found) => found.name).join(", ");
      say(
        `${name.get(endpoint.address)} signs in over ${endpoint.options.transport?.toUpperCase()} and is member of: ${names}`,
      );
      await expectCode(endpoint.join(room.uri), `${name.get(endpoint.address)} could not enter ${room.name}`);
    }
    say(`— ${room.name} —`);
    const lines: [XccosEndpoint, XccosEndpoint, string][] = [
      [alice, bob, "Good evening, Bob. Link 3 flapped twice, I moved its traffic to link 4."],
      [bob, alice, "Seen. Shall I open a ticket with the carrier? – straße & <café> ☕"],
      [alice, bob, "Please do. Carol takes over at six, she will read it here."],
    ];
    for (const [author, reader, text] of lines) {
      await postAndArrive(author, reader, room.uri, text);
      say(`${name.get(author.address)}: ${text}`);
    }
    await carol.signIn();
    await expectCode(carol.join(room.uri), `Carol could not enter ${room.name}`);
    const history = await carol.history(room.uri, 25);
    const read = history.messages.slice(-lines.length).map((message) => message.text);
    if (read.join("\n") !== lines.map(([, , text]) => text).join("\n")) {
      throw new OperatorError(
        "The demonstration failed: Carol did not find the conversation in the room's history.",
      );
    }
    say(`Carol signs in, enters and reads the ${read.length} last messages`);
    const thanks = "Thank you both, I have it.";
    await postAndArrive(carol, alice, room.uri, thanks);
    say(`Carol: ${thanks}`);
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperatorError(`The demonstration failed: ${reason} — logs are in ${stack.stateDir}/log.`, {
      cause: error,
    });
  } finally {
    await Promise.allSettled([alice, bob, carol].map((endpoint) => endpoint.signOff()));
  }
}

function endpointOf(stack: Stack, user: DemoUser, transport: "tcp" | "tls"): XccosEndpoint {
  return new XccosEndpoint({
    host: "127.0.0.1",
    port: transport === "tls" ? stack.ports.tls : stack.ports.sip,
    transport,
    anyCertificate: true,
    address: user.uri,
    displayName: user.displayName,
    username: user.login,
    password: user.password,
  });
}

async function postAndArrive(author: XccosEndpoint, reader: XccosEndpoint, room: string, text: string) {
  const before = reader.messages.length;
  const status = await author.post(room, text);
  if (status !== 200) throw new OperatorError(`The demonstration failed: a post was answered ${status}.`);
  await reader.waitForMessage(
    (message) => reader.messages.indexOf(message) >= before && message.text === text,
  );
}

async function expectCode(reply: Promise<{ readonly code: number }>, otherwise: string): Promise<void> {
  const { code } = await reply;
  if (code !== 200) throw new OperatorError(`The demonstration failed: ${otherwise} (${code}).`);
}
