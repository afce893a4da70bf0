import assert from "node:assert/strict";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import { afterEach, test } from "node:test";
import type { BatchClientOptions } from "../client.ts";
import { BatchClient } from "../client.ts";
import { CallTimedOut, ConnectionLost, QueueFull, RemoteError } from "../errors.ts";

const KEY = "k".repeat(64);
const LIMIT = { timeoutMs: 2_000 };
const open: { client?: BatchClient; server?: Server; sockets: Set<Socket> } = { sockets: new Set() };

afterEach(async () => {
  open.client?.close();
  for (const socket of open.sockets) socket.destroy();
  open.sockets.clear();
  await new Promise<void>((resolve) =>
    open.server === undefined ? resolve() : open.server.close(() => resolve()),
  );
  delete open.server;
});

interface Seen {
  readonly head: string;
  readonly id: number;
  readonly params: unknown;
}

/** An HTTP server that hands every request to `onRequest` and answers nothing by itself. */
async function serve(
  onRequest: (seen: Seen, socket: Socket, count: number) => void,
  port = 0,
): Promise<number> {
  let count = 0;
  const server = createServer((socket) => {
    open.sockets.add(socket);
    socket.on("error", () => undefined);
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString();
      for (;;) {
        const end = text.indexOf("\r\n\r\n");
        const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
        if (end === -1 || text.length < end + 4 + length) return;
        const body = JSON.parse(text.slice(end + 4, end + 4 + length));
        const seen = { head: text.slice(0, end), id: body.id, params: body.params };
        text = text.slice(end + 4 + length);
        count += 1;
        onRequest(seen, socket, count);
      }
    });
  });
  open.server = server;
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function answer(socket: Socket, body: string, status = "200 OK"): void {
  socket.write(`HTTP/1.1 ${status}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function result(id: number, value: unknown): string {
  return JSON.stringify({ jsonrpc: "2.0", id, result: value });
}

function client(port: number, options: Partial<BatchClientOptions> = {}): BatchClient {
  open.client = new BatchClient({
    host: "127.0.0.1",
    port,
    path: "/parlance",
    key: KEY,
    minBackoffMs: 10,
    ...options,
  });
  return open.client;
}

test("calls go out one after the other over one connection, with the key, and get their own results", async () => {
  const seen: Seen[] = [];
  let outstanding = 0;
  const port = await serve((request, socket) => {
    seen.push(request);
    outstanding += 1;
    assert.equal(outstanding, 1);
    setImmediate(() => {
      outstanding -= 1;
      answer(socket, result(request.id, request.params));
    });
  });
  const calls = client(port);
  const results = await Promise.all([1, 2, 3].map((n) => calls.call("m", { n }, LIMIT)));
  assert.deepEqual(results, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  assert.match(seen[0]?.head ?? "", /^POST \/parlance HTTP\/1\.1\r\n/);
  assert.match(seen[0]?.head ?? "", new RegExp(`\r\nAuthorization: Bearer ${KEY}\r\n`));
  assert.equal(open.sockets.size, 1);
  assert.equal(calls.pending, 0);
});

test("a response in single bytes is understood, UTF-8 included", async () => {
  const port = await serve((request, socket) => {
    const body = Buffer.from(result(request.id, "äöü€"));
    const bytes = Buffer.concat([
      Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`),
      body,
    ]);
    socket.setNoDelay(true);
    for (const byte of bytes) socket.write(Buffer.from([byte]));
  });
  assert.equal(await client(port).call("m", {}, LIMIT), "äöü€");
});

test("a refusal keeps code and message, an answer without JSON its HTTP status", async () => {
  const port = await serve((request, socket, count) => {
    if (count === 1)
      answer(
        socket,
        JSON.stringify({ jsonrpc: "2.0", id: request.id, error: { code: -32602, message: "node" } }),
        "400 Bad Request",
      );
    else answer(socket, "{}", "403 Forbidden");
  });
  const calls = client(port);
  await assert.rejects(
    calls.call("m", {}, LIMIT),
    (e) => e instanceof RemoteError && e.code === -32602 && e.message === "node" && e.httpStatus === 400,
  );
  await assert.rejects(calls.call("m", {}, LIMIT), (e) => e instanceof RemoteError && e.code === 403);
});

test("a connection lost under way fails that call only; the next ones go over a new connection", async () => {
  const port = await serve((request, socket, count) => {
    if (count === 1) socket.destroy();
    else answer(socket, result(request.id, count));
  });
  const calls = client(port);
  const [first, second] = await Promise.allSettled([calls.call("m", {}, LIMIT), calls.call("m", {}, LIMIT)]);
  assert.ok(first?.status === "rejected" && first.reason instanceof ConnectionLost && first.reason.sent);
  assert.deepEqual(second, { status: "fulfilled", value: 2 });
});

test("a call made while nobody listens waits for its time and is sent when somebody does", async () => {
  const port = await serve(() => undefined);
  await new Promise<void>((resolve) => open.server?.close(() => resolve()));
  const calls = client(port);
  await assert.rejects(calls.call("m", {}, { timeoutMs: 50 }), (e) => e instanceof CallTimedOut && !e.sent);
  const late = calls.call("m", {}, LIMIT);
  await serve((request, socket) => answer(socket, result(request.id, "late")), port);
  assert.equal(await late, "late");
});

test("a call without answer times out, and its answer is not taken for the next one's", async () => {
  let silent: { socket: Socket; id: number } | undefined;
  const port = await serve((request, socket, count) => {
    if (count === 2) silent = { socket, id: request.id };
    else answer(socket, result(request.id, `number ${count}`));
  });
  const calls = client(port);
  assert.equal(await calls.call("m", {}, LIMIT), "number 1"); // connected: the next one is written at once
  await assert.rejects(calls.call("m", {}, { timeoutMs: 200 }), (e) => e instanceof CallTimedOut && e.sent);
  if (silent?.socket.writable) answer(silent.socket, result(silent.id, "number 2"));
  assert.equal(await calls.call("m", {}, LIMIT), "number 3");
});

test("the queue has a length, and closing fails what waits", async () => {
  const port = await serve(() => undefined);
  const calls = client(port, { maxQueue: 2 });
  const waiting = Promise.allSettled([calls.call("m", {}, LIMIT), calls.call("m", {}, LIMIT)]);
  await assert.rejects(calls.call("m", {}, LIMIT), QueueFull);
  calls.close();
  assert.ok((await waiting).every((r) => r.status === "rejected" && r.reason instanceof ConnectionLost));
  await assert.rejects(calls.call("m", {}, LIMIT), ConnectionLost);
});

test("responses that are too long or not understood end the connection", async () => {
  const bad = [
    "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
    "nonsense\r\n\r\n",
    `X${"y".repeat(20_000)}`,
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    `HTTP/1.1 200 OK\r\nContent-Length: 36\r\n\r\n${result(99, 1)}`,
  ];
  const port = await serve((_request, socket, count) => void socket.write(bad[count - 1] ?? ""));
  const calls = client(port, { maxResponseBytes: 10_000 });
  for (const text of bad)
    await assert.rejects(calls.call("m", {}, LIMIT), (e) => e instanceof ConnectionLost, text.slice(0, 80));
});

test("a server that has shown itself is tried at once, however long the next pause would be", async () => {
  const port = await serve(() => undefined);
  await new Promise<void>((resolve) => open.server?.close(() => resolve()));
  const calls = client(port, { minBackoffMs: 60_000 });
  const waiting = calls.call("m", {}, { timeoutMs: 10_000 });
  await serve((request, socket) => answer(socket, result(request.id, "there")), port);
  const hurrying = setInterval(() => calls.hurry(), 20);
  assert.equal(await waiting, "there");
  clearInterval(hurrying);
});

test("a key or path that would write header lines of its own is refused", () => {
  const options = { host: "127.0.0.1", port: 1, path: "/", key: KEY };
  assert.throws(() => new BatchClient({ ...options, key: "a\r\nX: y" }), RangeError);
  assert.throws(() => new BatchClient({ ...options, path: "/ HTTP/1.1\r\n" }), RangeError);
});
