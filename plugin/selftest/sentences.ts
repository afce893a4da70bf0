import { ClientError } from "../client/client-error.ts";
import type { XccosEndpoint } from "../client/endpoint.ts";

interface Explained {
  readonly sentence: string;
  /** Something is away: trying again may help. */
  readonly away: boolean;
}

const OUR_FAULT = "the logs of proxy and node say more";

/** Why a step of the self-test failed, for whoever has to mend it. */
export function explain(error: unknown, endpoint: XccosEndpoint, room: string, timeoutMs: number): Explained {
  const { host, port, transport = "tcp" } = endpoint.options;
  const proxy = `the proxy ${host}:${port}`;
  if (!(error instanceof ClientError))
    return failed(`${error instanceof Error ? error.message : String(error)}; ${OUR_FAULT}`);
  const { kind, message } = error;
  const seconds = timeoutMs / 1_000;
  switch (kind) {
    case "connect":
      return away(
        `${proxy} cannot be reached over ${transport.toUpperCase()} (${reasonOf(message)}): does it run, and is it what --proxy says?`,
      );
    case "closed":
      return away(`${proxy} closed the connection of ${endpoint.address}; ${OUR_FAULT}`);
    case "timeout":
      return message === "message"
        ? failed(`the message is stored, but did not arrive at ${endpoint.address} within ${seconds} s`)
        : away(`no answer from ${proxy} within ${seconds} s (${message.split(":")[0]})`);
    case "disabled":
      return failed(
        `${endpoint.address} may not take part in persistent chat: "parlance policy grant ${endpoint.address} chat on" allows it`,
      );
    case "refused":
      return refused(error, endpoint.address, proxy, room);
    case "syntax":
    case "state":
      return failed(`${message}; ${OUR_FAULT}`);
    default:
      return kind satisfies never;
  }
}

function refused({ message, status }: ClientError, who: string, proxy: string, room: string): Explained {
  const what = message.split(/[ :]/)[0] ?? "";
  if (status === 503)
    return away(
      `no node serves ${who} (503 to ${what}): does "parlance serve" run, and what does its /health/ready say? ` +
        'See also "parlance status"',
    );
  if (status === 401 || status === 407) return failed(`${proxy} does not accept the password of ${who}`);
  switch (what) {
    case "find":
      return failed(
        message === "find: several"
          ? `several rooms are called "${room}": give the room's address, ma-chan://…`
          : `${who} sees no room "${room}": is it there, and does its category allow him?`,
      );
    case "join":
      return failed(
        status === 403 || status === 404
          ? `${who} may not enter "${room}", or it is disabled or not there (${message}): "parlance member add" makes a member`
          : `${who} cannot enter "${room}" (${message}); ${OUR_FAULT}`,
      );
    case "post":
      return failed(
        status === 403
          ? `${who} may not post in "${room}": in an auditorium only presenters do`
          : `the post of ${who} was refused (${status}); ${OUR_FAULT}`,
      );
    case "SUBSCRIBE":
    case "INVITE":
      return failed(
        `${proxy} refuses persistent chat to ${who} (${message}): are parlance.cfg and its two route calls in its configuration?`,
      );
    default:
      return failed(`${proxy} refuses ${who} (${message})`);
  }
}

const reasonOf = (message: string) => /: (.*)$/.exec(message)?.[1] ?? message;
const failed = (sentence: string): Explained => ({ sentence, away: false });
const away = (sentence: string): Explained => ({ sentence, away: true });
