import { connect, createServer, type Server, type Socket } from "node:net";

/** Stands between a node and Redis and loses published messages on their way to subscribers; all else passes untouched. */
export interface LossyRedis {
  readonly port: number;
  /** Published messages that never reached a subscriber. */
  readonly dropped: () => number;
  readonly passed: () => number;
  close(): Promise<void>;
}

/** `lose` is asked once for each published message and each subscriber. */
export async function startLossyRedis(redisPort: number, lose: () => boolean): Promise<LossyRedis> {
  const sockets = new Set<Socket>();
  let dropped = 0;
  let passed = 0;
  const server: Server = createServer((client) => {
    const redis = connect({ host: "127.0.0.1", port: redisPort });
    for (const [socket, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => undefined); // its close follows
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on("data", (chunk) => redis.write(chunk));
    let held = Buffer.alloc(0);
    redis.on("data", (chunk) => {
      held = Buffer.concat([held, chunk]);
      for (let end = replyEnd(held, 0); end !== undefined; end = replyEnd(held, 0)) {
        const reply = held.subarray(0, end);
        held = held.subarray(end);
        if (isPublished(reply)) {
          if (lose()) {
            dropped += 1;
            continue;
          }
          passed += 1;
        }
        client.write(reply);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    dropped: () => dropped,
    passed: () => passed,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Array (RESP2) or push (RESP3) of three, the first of them "message". */
function isPublished(reply: Buffer): boolean {
  return /^[*>]3\r\n\$7\r\nmessage\r\n/.test(reply.toString("latin1", 0, 24));
}

/** Where the RESP value that begins at `at` ends; undefined while it is not complete. */
function replyEnd(bytes: Buffer, at: number): number | undefined {
  const lineEnd = bytes.indexOf("\r\n", at);
  if (lineEnd < 0) return undefined;
  const count = Number(bytes.toString("latin1", at + 1, lineEnd));
  const after = lineEnd + 2;
  switch (String.fromCharCode(bytes[at] ?? 0)) {
    case "$":
    case "=":
    case "!":
      if (count < 0) return after;
      return after + count + 2 <= bytes.length ? after + count + 2 : undefined;
    case "*":
    case ">":
    case "~":
      return valuesEnd(bytes, after, count);
    case "%":
    case "|":
      return valuesEnd(bytes, after, 2 * count);
    default:
      return after;
  }
}

function valuesEnd(bytes: Buffer, at: number, count: number): number | undefined {
  let end: number | undefined = at;
  for (let value = 0; value < count && end !== undefined; value++) end = replyEnd(bytes, end);
  return end;
}
