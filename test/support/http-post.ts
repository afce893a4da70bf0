import { request } from "node:http";

/** One POST on a connection of its own; resolves with the HTTP status. */
export function post(
  host: string,
  port: number,
  path: string,
  body: string,
  authorization?: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = {
      "Content-Length": Buffer.byteLength(body),
      ...(authorization && { Authorization: authorization }),
    };
    const call = request(
      { host, port, path, method: "POST", headers, agent: false, timeout: 5_000 },
      (response) => {
        response.resume();
        response.once("end", () => resolve(response.statusCode ?? 0));
      },
    );
    call.once("timeout", () => call.destroy(new Error("no HTTP answer")));
    call.once("error", reject);
    call.end(body);
  });
}
