import assert from "node:assert/strict";
import { test } from "node:test";
import { Gateway } from "../../../kamailio/gateway.ts";
import type { GatewayPorts } from "../../../kamailio/gateway-ports.ts";
import { Attendance } from "../../../src/attendance.ts";
import type { Answer, Session } from "../../../src/session.ts";
import { Sessions } from "../../../src/sessions.ts";
import { aSession } from "../../support/sessions.ts";

/** Alice on connection 1, and a gateway that keeps what it is told of connections; nothing else is asked for. */
function gatewayOf(session: Session) {
  const sessions = new Sessions();
  sessions.add(session);
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
  const attendance = new Attendance({
    sessions,
    clock,
    journal: { flow: async () => {} },
    readMarks: { lost: () => {} },
    bus: { onMessage: () => {} },
  } as unknown as ConstructorParameters<typeof Attendance>[0]);
  const answers: number[] = [];
  const edge = {
    heard: () => {},
    greeted: () => {},
    answer: (_tx: string, { status }: Answer) => void answers.push(status),
  };
  const gateway = new Gateway({
    key: "key",
    edges: new Map([
      ["edge1", edge],
      ["edge2", edge],
    ]),
    sessions,
    attendance,
    clock,
    selfPresence: { closed: () => {}, holds: () => false },
    invite: { poolUri: "sip:pchat@example.com", webManagerUrl: undefined, sessionExpires: 720 },
    maySpeak: () => true,
    onRequest: () => {},
    onError: (error: unknown) => assert.fail(String(error)),
    onStranger: (why: string) => assert.fail(why),
  } as unknown as GatewayPorts);
  const tell = (method: string, params: object) =>
    gateway.onNotification(method, {
      key: "key",
      edge: "edge1",
      start: "a",
      at: Date.now() / 1_000,
      ...params,
    });
  /** A request of the dialog that comes by this connection. */
  const update = (conid: number, by: { edge?: string; start?: string } = {}) => {
    const { state, user } = session;
    const given = {
      ruri: `sip:${state.issuedBy}.${state.token}@127.0.0.1:5060`,
      ftag: state.remoteTag,
      ttag: state.localTag,
      callId: state.callId,
      user: user.uri,
    };
    const text = Object.entries(given).map(([name, value]) => [name, Buffer.from(value).toString("base64")]);
    tell("sip.request", {
      ...Object.fromEntries(text),
      ...{ tx: "1:2", method: "UPDATE", cseq: 5, src: `127.0.0.1:${40_000 + conid}`, proto: "tcp", conid },
      ...{ local: "127.0.0.1:5060", body: "", ...by },
    });
  };
  /** Everything that the dialog was told before has been done. */
  const settled = () => session.run(async () => {});
  return { gateway, tell, update, settled, answers };
}

test("a dialog that has moved to another connection is not away when its earlier one closes", async () => {
  const alice = aSession("alice", 1);
  const { tell, update, settled, answers } = gatewayOf(alice);
  update(2);
  tell("sip.closed", { conid: 1 }); // its turn comes behind the request's
  await settled();
  assert.deepEqual(answers, [200]);
  assert.deepEqual([alice.flow.conid, alice.awaySinceMs], [2, null]);
  tell("sip.closed", { conid: 2 });
  await settled();
  assert.equal(alice.reachable, false);
});

test("a copy that could not be delivered to where the dialog was says nothing of where it is", async () => {
  const alice = aSession("alice", 1);
  const { gateway, update, settled } = gatewayOf(alice);
  update(2);
  gateway.onUnserved(alice.token);
  await settled();
  assert.equal(alice.reachable, true);
  gateway.onUnserved(alice.token);
  await settled();
  assert.equal(alice.reachable, false);
});

test("an edge that began anew has lost every connection, one that a dialog has just moved to as well", async () => {
  const alice = aSession("alice", 1);
  const { gateway, update, settled } = gatewayOf(alice);
  update(2);
  gateway.onEdgeStart("edge1", "b");
  await settled();
  assert.deepEqual([alice.flow.conid, alice.reachable], [2, false]);
});

test("an edge that began anew takes nobody along who has come by another edge since", async () => {
  const alice = aSession("alice", 0);
  alice.flow = { ...alice.flow, transport: "udp" };
  const { gateway, update, settled } = gatewayOf(alice);
  update(0, { edge: "edge2", start: "other" });
  gateway.onEdgeStart("edge1", "b");
  await settled();
  assert.deepEqual([alice.flow.edge, alice.flow.edgeStart, alice.reachable], ["edge2", "other", true]);
});
