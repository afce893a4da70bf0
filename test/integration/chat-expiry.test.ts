import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab, openLab } from "../support/lab.ts";

/** Twice as long without a request ends a session; a multiple of it must fit into the test's patience. */
const SESSION_EXPIRES_S = 4;
const REFRESH_MS = 500;

let lab: Lab;
before(async () => {
  lab = await openLab({
    users: ["alice", "bob", "carol"],
    settings: { chat: { "session-expires": `${SESSION_EXPIRES_S}s` } },
  });
});
after(async () => {
  try {
    await lab?.clearAway();
  } finally {
    await lab?.close();
  }
});

/** What keeps a session alive, again and again until it is stopped. @returns a stop that tells every status there was */
function refreshing(send: () => Promise<number>): () => Promise<Set<number>> {
  const statuses: Promise<number>[] = [send()];
  const timer = setInterval(() => statuses.push(send()), REFRESH_MS);
  return async () => {
    clearInterval(timer);
    return new Set(await Promise.all(statuses));
  };
}

const update = (endpoint: XccosEndpoint) => async () =>
  (await endpoint.session.current?.request("UPDATE", undefined))?.status ?? 0;
const info = (endpoint: XccosEndpoint) => async () => (await endpoint.getServerInfo()).code;

test("who sends nothing for twice the session timer is out of all rooms and hears 481 next, never a BYE; UPDATEs and INFOs keep a session", async () => {
  const [room, other] = [
    await lab.addRoom({ name: "Patience", members: ["alice", "bob", "carol"] }),
    await lab.addRoom({ name: "Elsewhere", members: ["alice", "carol"] }),
  ];
  const signedIn = ["alice", "bob", "carol"].map((user) => lab.signedIn(user));
  const [alice, bob, carol] = (await Promise.all(signedIn)) as [XccosEndpoint, XccosEndpoint, XccosEndpoint];
  assert.equal(carol.session.current?.sessionExpiresSeconds, SESSION_EXPIRES_S);
  assert.equal((await alice.bjoin([room, other])).code, 200);
  assert.equal((await bob.join(room)).code, 200);
  const stops = [refreshing(update(alice)), refreshing(info(bob))];
  try {
    assert.equal((await carol.bjoin([room, other])).code, 200);
    const lastHeardMs = performance.now();
    const parted = (uri: string) => (notice: XccosEndpoint["notices"][number]) =>
      notice.kind === "part" &&
      notice.room === uri &&
      notice.users.some(({ address }) => address === lab.address("carol"));
    await Promise.all([
      alice.waitForNotice(parted(room), LAB_TIMEOUT_MS),
      alice.waitForNotice(parted(other), LAB_TIMEOUT_MS),
      bob.waitForNotice(parted(room), LAB_TIMEOUT_MS),
    ]);
    assert.ok(performance.now() - lastHeardMs > 2 * SESSION_EXPIRES_S * 1_000, "not before its time");
  } finally {
    for (const stop of stops) assert.deepEqual(await stop(), new Set([200]));
  }

  const parts = (await Promise.all([lab.recorded(room), lab.recorded(other)]))
    .flat()
    .filter(({ kind }) => kind === "PART");
  assert.deepEqual(
    parts.map(({ actor, detail }) => [actor, detail]),
    Array(2).fill([lab.address("carol"), { reason: "session-expired" }]),
    "recorded once per room, and of nobody else",
  );

  assert.equal(await alice.post(room, "where is carol?"), 200);
  assert.equal(await bob.post(room, "gone"), 200);
  await alice.waitForMessage(({ text }) => text === "gone", LAB_TIMEOUT_MS);
  assert.deepEqual(carol.messages, [], "nothing is sent to a session that is over");
  assert.equal(carol.connected, true, "only the dialog is over");
  assert.equal(await carol.post(room, "still here"), 481);
  for (const endpoint of [alice, bob, carol]) assert.equal(endpoint.counts.byes, 0);

  await carol.reconnect();
  assert.equal(await carol.post(room, "here again"), 200, "the endpoint's rooms are remembered");
});
