import { connect, isIP } from "node:net";
import { connect as connectSecurely } from "node:tls";

const LIMIT_MS = 5_000;
const MOST_GREETING_BYTES = 1_000;

export interface Place {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte on. */
  readonly isSecure: boolean;
}

/** @param ports by protocol, for an address that names none */
export function placeOf(url: string, ports: Readonly<Record<string, number>>): Pick<Place, "host" | "port"> {
  const { hostname, port, protocol } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || ports[protocol]) };
}

/**
 * Whether somebody is there, without telling him anything. @param greets an SMTP server, which speaks first (RFC 5321 §3.1) and is taken
 * leave of; without it a connection is enough. @throws with a code and nothing that may hold an address or a secret
 */
export function reach({ host, port, isSecure }: Place, greets: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = isSecure
      ? connectSecurely({ host, port, ...(isIP(host) ? {} : { servername: host }) })
      : connect({ host, port });
    const end = (why?: string) => {
      socket.removeAllListeners();
      socket.on("error", () => {}); // nobody is interested any more
      socket.destroy();
      if (why === undefined) resolve();
      else reject(new Error(why));
    };
    socket.unref(); // a process that ends waits for no answer
    let greeting = "";
    socket.setTimeout(LIMIT_MS, () => end(`no answer within ${LIMIT_MS / 1_000} s`));
    socket.once("error", (error: NodeJS.ErrnoException) =>
      end(`could not be reached (${error.code ?? error.name})`),
    );
    socket.once("close", () => end("hung up"));
    socket.once(isSecure ? "secureConnect" : "connect", () => {
      if (!greets) end();
    });
    socket.on("data", (part: Buffer) => {
      greeting += part.toString("latin1");
      if (!greeting.includes("\n") && greeting.length < MOST_GREETING_BYTES) return;
      if (!greeting.startsWith("220"))
        return end(`not accepted (${/^\d{3}/.exec(greeting)?.[0] ?? "no SMTP"})`);
      socket.end("QUIT\r\n", () => end());
    });
  });
}
