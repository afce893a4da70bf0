import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { encodeFrame } from "../../kamailio/jsonrpc/netstring.ts";
import { type Lab, openLab } from "../support/lab.ts";
import { assertCleanLogs, SECRET_WORD, type Witnesses, witnesses } from "../support/unharmed.ts";
import { until } from "../support/until.ts";

/** What a stranger writes to a node's port, where only Kamailio has any business. */
let lab: Lab;
let others: Witnesses;

before(async () => {
  lab = await openLab({ users: ["alice", "bob"], rooms: [{ name: "Main", members: ["alice", "bob"] }] });
  const [alice, bob] = await Promise.all([lab.signedIn("alice"), lab.signedIn("bob")]);
  others = await witnesses(lab.room("Main"), alice, bob);
});
after(async () => {
  try {
    await lab?.clearAway();
    if (lab) assertCleanLogs(lab);
  } finally {
    await lab?.close();
  }
});

interface Stranger {
  readonly socket: Socket;
  readonly received: () => string;
  readonly closed: () => boolean;
}

async function stranger(): Promise<Stranger> {
  const socket = connect({ host: "127.0.0.1", port: lab.stack.ports.link[0] ?? 0 });
  let received = "";
  let closed = false;
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
  });
  socket.on("error", () => undefined); // the close that follows is what is looked at
  socket.on("close", () => {
    closed = true;
  });
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return { socket, received: () => received, closed: () => closed };
}

const notification = (method: string, params: unknown) => JSON.stringify({ jsonrpc: "2.0", method, params });
const base64 = (text: string) => Buffer.from(text).toString("base64");

/** A post in Bob's name into Alice's room, as Kamailio would hand it over, but for the key. */
function forged(key: string, changes: Readonly<Record<string, unknown>> = {}) {
  const dialog = others.listener.session.current?.dialog ?? assert.fail("the listener is in a dialog");
  const body = `<xccos ver="1" envid="4711" xmlns="urn:parlano:xml:ns:xccos"><grpchat id="grpchat" seqid="1" chanUri="${others.room}" author="${others.listener.address}" ts="2026-11-23T08:15:30Z"><chat>${SECRET_WORD}</chat></grpchat></xccos>`;
  const text = {
    ruri: dialog.remoteTarget,
    from: others.listener.address,
    to: lab.stack.poolUri,
    ftag: dialog.localTag,
    ttag: dialog.remoteTag,
    callId: others.listener.session.current?.callId ?? "",
    contact: "<sip:x@127.0.0.1>",
    ua: "",
    ctype: "text/plain",
    event: "",
    epid: "",
    vsupported: "",
    ltag: "",
    user: others.listener.address,
    body,
  };
  return {
    key,
    edge: "edge1",
    start: "0000000000000000",
    at: Date.now() / 1_000,
    tx: "1:2",
    method: "INFO",
    cseq: 9_999,
    src: "127.0.0.1:9",
    proto: "tcp",
    conid: 1,
    local: "127.0.0.1:5060",
    ...Object.fromEntries(Object.entries(text).map(([name, value]) => [name, base64(value)])),
    ...changes,
  };
}

const fatal: readonly [what: string, bytes: () => Buffer][] = [
  ["a frame longer than allowed", () => Buffer.from(`262145:${"x".repeat(100)}`)],
  ["a length without end", () => Buffer.from("1".repeat(5_000))],
  ["a negative length", () => Buffer.from("-5:hello,")],
  ["a length with leading zeros", () => Buffer.from("0005:hello,")],
  ["no length", () => Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ["a frame without its comma", () => Buffer.from("2:{};")],
  ["a frame that is not JSON", () => encodeFrame(SECRET_WORD)],
  ["JSON that is cut off", () => encodeFrame(notification("sip.request", forged("")).slice(0, -2))],
  ["a number", () => encodeFrame("42")],
  ["a batch", () => encodeFrame(`[${notification("sip.request", {})}]`)],
  ["100,000 brackets", () => encodeFrame("[".repeat(100_000))],
  [
    "a request where a notification is due",
    () => encodeFrame('{"jsonrpc":"2.0","id":1,"method":"sip.request","params":{}}'),
  ],
  ["another version", () => encodeFrame('{"jsonrpc":"1.0","method":"sip.request","params":{}}')],
  ["params that are a list", () => encodeFrame(notification("sip.request", [1, 2]))],
];

for (const [what, bytes] of fatal) {
  test(`${what} ends the connection, with one line for the administrator`, async () => {
    const before = warnings();
    const { socket, closed } = await stranger();
    socket.write(bytes());
    await until("the node closes the connection", closed);
    await until("it says so", () => warnings() > before);
    assert.equal(warnings() - before, 1);
  });
}

const ignored: readonly [what: string, frame: () => string][] = [
  ["an unknown method", () => notification("sip.reboot", forged(lab.stack.secrets.linkKey))],
  [
    "the name of a member every object has",
    () => notification("constructor", forged(lab.stack.secrets.linkKey)),
  ],
  ["no key", () => notification("sip.request", forged(""))],
  ["a wrong key of the right length", () => notification("sip.request", forged("0".repeat(64)))],
  ["half a key", () => notification("sip.request", forged(lab.stack.secrets.linkKey.slice(0, 32)))],
  [
    "an edge nobody knows",
    () => notification("sip.request", forged(lab.stack.secrets.linkKey, { edge: "__proto__" })),
  ],
  [
    "a wrong key in the news of a closed connection",
    () => notification("sip.closed", { ...forged("0".repeat(64)), conid: 1 }),
  ],
  [
    "a wrong key and the start of another life",
    () => notification("sip.reply", { ...forged("1".repeat(64)), start: "f".repeat(16), status: 481 }),
  ],
  [
    "the right key, and a CSeq that is text",
    () => notification("sip.request", forged(lab.stack.secrets.linkKey, { cseq: "1" })),
  ],
  [
    "the right key, and no body",
    () => notification("sip.request", forged(lab.stack.secrets.linkKey, { body: undefined })),
  ],
];

for (const [what, frame] of ignored) {
  test(`${what}: counted, logged in one line, and nothing else`, async () => {
    const before = warnings();
    const { socket, received } = await stranger();
    try {
      socket.write(encodeFrame(frame()));
      await until("the node has seen it", () => warnings() > before);
      assert.equal(warnings() - before, 1);
      await others.unharmed(what);
      assert.ok(
        !received().includes(lab.stack.secrets.linkKey) && !received().includes("error"),
        "nothing is told to a stranger",
      );
    } finally {
      socket.destroy();
    }
  });
}

test("two hundred strangers who say nothing keep nobody from chatting", async () => {
  const strangers = await Promise.all(Array.from({ length: 200 }, () => stranger()));
  try {
    await until(
      "all but a bounded number are turned away",
      () => strangers.filter(({ closed }) => !closed()).length <= 64,
    );
    await others.unharmed("two hundred strangers");
  } finally {
    for (const { socket } of strangers) socket.destroy();
  }
  await others.unharmed("their leaving");
});

/** Lines of level warn and above in the node's log. */
function warnings(): number {
  const levels = lab.log("n1").match(/^\{"level":[456]0/gm);
  return levels?.length ?? 0;
}
