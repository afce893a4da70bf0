import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { ClientError } from "../../plugin/client/client-error.ts";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import type { Lab } from "./lab.ts";
import { until } from "./until.ts";

/** Upper bound of every wait for a takeover: a lease lasts 8 s, the machine may be busy. */
export const TAKEOVER_MS = 30_000;
/** After a takeover the last second may come again; what is older than this may not. */
export const OLDER_THAN_REPEATED_MS = 2_500;
export const NODES = ["n1", "n2"] as const;
export type NodeName = (typeof NODES)[number];

export const otherNode = (node: NodeName): NodeName => (node === "n1" ? "n2" : "n1");

/** Node that answered the endpoint's INVITE: its Contact names it for ever. */
export function firstHomeOf(endpoint: XccosEndpoint): string {
  return /^sip:([a-z0-9]+)-/.exec(endpoint.session.current?.dialog?.remoteTarget ?? "")?.[1] ?? "";
}

/**
 * Any node answers an INVITE to the pool, so it is tried until the wanted one did. A node that was just started gets none before
 * Kamailio has connected to it again.
 */
export async function signedInOn(
  lab: Lab,
  node: NodeName,
  user: string,
  room: string,
): Promise<XccosEndpoint> {
  let endpoint = lab.endpoint(user);
  await until(
    `${node} answers an INVITE`,
    async () => {
      await endpoint.signOff();
      endpoint = lab.endpoint(user);
      try {
        await endpoint.signIn();
      } catch (error) {
        // A request that Kamailio had handed to the node just before it ended: the client tries again.
        if (error instanceof ClientError && error.status === 503) return false;
        throw error;
      }
      return firstHomeOf(endpoint) === node;
    },
    TAKEOVER_MS,
  );
  endpoint.watch.strictNumbers = false; // each test says itself what may jump
  assert.equal((await endpoint.join(room)).code, 200);
  return endpoint;
}

/** Numbers of the live copies it got of a room, in the order they came. */
export const numbersOf = (endpoint: XccosEndpoint, room: string) =>
  endpoint.messages.filter((message) => message.room === room).map(({ chatId }) => chatId);
export const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

export async function untilGot(endpoint: XccosEndpoint, room: string, last: number, limitMs = TAKEOVER_MS) {
  const what = `${endpoint.address} has ${last} of the room`;
  await until(what, () => numbersOf(endpoint, room).includes(last), limitMs);
}

/** Posts again while it is answered 503, as its sender would; a new envid each time would be another post. */
export async function postPatiently(endpoint: XccosEndpoint, room: string, text: string): Promise<void> {
  const envid = endpoint.session.nextEnvid();
  const answers: number[] = [];
  await until(
    `${text} is acknowledged`,
    async () => {
      answers.push(await endpoint.post(room, text, { envid }));
      if (answers.at(-1) !== 200) await pause(200);
      return answers.at(-1) === 200;
    },
    TAKEOVER_MS,
  );
  assert.ok(
    answers.every((status) => status === 200 || status === 503),
    `answers: ${answers}`,
  );
}

/** The life that node leads now. */
export async function incarnationOf(lab: Lab, node: NodeName): Promise<string> {
  const [row] = await lab.sql<{ incarnation: string }>(
    "SELECT incarnation FROM incarnation WHERE node = ? ORDER BY epoch DESC LIMIT 1",
    [node],
  );
  return row?.incarnation ?? "";
}

export async function untilTakenOver(lab: Lab, incarnation: string): Promise<void> {
  const dialogs = () => lab.sql("SELECT token FROM dialog WHERE home = ?", [incarnation]);
  await until(`${incarnation} is taken over`, async () => (await dialogs()).length === 0, TAKEOVER_MS);
}
