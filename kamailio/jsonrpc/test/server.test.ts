import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { afterEach, test } from "node:test";
import { encodeNotification, encodeRequest } from "../codec.ts";
import { encodeFrame } from "../netstring.ts";
import type { NotificationServerOptions } from "../server.ts";
import { NotificationServer } from "../server.ts";

const ACKNOWLEDGEMENT = '35:{"jsonrpc":"2.0","id":0,"result":0},';
let stop: (() => Promise<void>) | undefined;
afterEach(async () => stop?.());

interface Lab {
  readonly port: number;
  readonly seen: string[];
  readonly errors: string[];
  connect(): Promise<Socket>;
}

async function lab(options: Partial<NotificationServerOptions> = {}): Promise<Lab> {
  const [seen, errors, sockets]: [string[], string[], Socket[]] = [[], [], []];
  const server = new NotificationServer({
    host: "127.0.0.1",
    port: 0,
    onNotification: (method, params, connection) =>
      seen.push(`${connection.id} ${method} ${JSON.stringify(params)}`),
    onProtocolError: (reason) => errors.push(reason),
    ...options,
  });
  const port = await server.listen();
  stop = async () => {
    for (const socket of sockets) socket.destroy();
    await server.close();
    await server.close();
  };
  return {
    port,
    seen,
    errors,
    async connect() {
      const socket = connect({ host: "127.0.0.1", port });
      sockets.push(socket);
      socket.on("error", () => undefined);
      await once(socket, "connect");
      return socket;
    },
  };
}

/** Ends when `done` holds; the test runner's time limit ends it otherwise. */
async function until(socket: Socket, done: () => boolean): Promise<void> {
  while (!done()) await once(socket, "data");
}

test("notifications of several connections arrive in order, and each piece is acknowledged", async () => {
  const { seen, connect: open } = await lab();
  for (const id of [1, 2]) {
    const socket = await open();
    let answer = "";
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString();
    });
    socket.write(
      Buffer.concat([
        encodeFrame(encodeNotification("a", { n: 1 })),
        encodeFrame(encodeNotification("b", {})),
      ]),
    );
    await until(socket, () => answer === ACKNOWLEDGEMENT);
    assert.deepEqual(seen.splice(0), [`${id} a {"n":1}`, `${id} b {}`]);
    socket.write(encodeFrame(encodeNotification("c", {})));
    await until(socket, () => answer === ACKNOWLEDGEMENT + ACKNOWLEDGEMENT);
    assert.deepEqual(seen.splice(0), [`${id} c {}`]);
  }
});

test("whoever breaks the protocol is dropped and reported, the others stay", async () => {
  const { seen, errors, connect: open } = await lab({ maxFrameBytes: 100 });
  const good = await open();
  for (const bad of [
    "GET / HTTP/1.1\r\n\r\n",
    "101:",
    "2:{}x",
    "2:{},",
    encodeFrame(encodeRequest(1, "m", {})).toString(),
  ]) {
    const socket = await open();
    socket.write(bad);
    await once(socket.resume(), "close");
  }
  assert.deepEqual(errors, [
    "netstring: bad-length",
    "netstring: frame-too-long",
    "netstring: missing-comma",
    "json-rpc: version is not 2.0",
    "json-rpc: request where a notification is due",
  ]);
  good.write(encodeFrame(encodeNotification("still", {})));
  await once(good, "data");
  assert.deepEqual(seen, ["1 still {}"]);
});

test("connections beyond the limit are closed and reported", async () => {
  const { errors, connect: open } = await lab({ maxConnections: 1 });
  await open();
  const second = await open();
  await once(second.resume(), "close");
  assert.deepEqual(errors, ["too-many-connections"]);
});

test("a connection closed by its listener delivers nothing more of the same piece", async () => {
  const seen: string[] = [];
  const { connect: open } = await lab({
    onNotification(method, _params, connection) {
      seen.push(method);
      connection.close();
    },
  });
  const socket = await open();
  socket.write(
    Buffer.concat([encodeFrame(encodeNotification("a", {})), encodeFrame(encodeNotification("b", {}))]),
  );
  await once(socket.resume(), "close");
  assert.deepEqual(seen, ["a"]);
});
