import { userInfo } from "node:os";
import { CHAT_ERRORS, ChatError } from "../../src/chat/errors.ts";
import { openStores } from "../../src/store/mysql/stores.ts";
import { XccosEndpoint } from "../client/endpoint.ts";
import { EXIT, UsageError } from "../command-line.ts";
import { type CliCommand, configOf, expectWords, type Values } from "../configured.ts";
import { passwordOf } from "../selftest/passwords.ts";
import { roundTrip, SelftestFailure, type SelftestStep } from "../selftest/round-trip.ts";
import { temporaryRoom } from "../selftest/temporary-room.ts";
import { oneOf, text, wholeNumber } from "../verb.ts";

const USAGE =
  "parlance selftest --sender SIP-ADDRESS [--receiver SIP-ADDRESS] [--proxy HOST[:PORT]] [--transport tcp|tls|udp] [--any-certificate] " +
  "[--room ROOM] [--password-file FILE] [--receiver-password-file FILE] [--timeout SECONDS] [--json]";
const STRINGS = [
  "sender",
  "receiver",
  "proxy",
  "transport",
  "room",
  "password-file",
  "receiver-password-file",
  "timeout",
];
export const TRANSPORTS = ["tcp", "tls", "udp"] as const;

export const selftestCommands: Readonly<Record<string, CliCommand>> = {
  selftest: {
    summary: "send a real post through the proxy and see it arrive",
    usage: USAGE,
    details: [
      "--sender, --receiver   two users of the proxy who may chat; without --receiver the sender twice, as from two computers",
      "--proxy                where they sign in; unless given, their domain at port 5060 (TLS: 5061)",
      "--room                 name or ma-chan:// address of a room that both may enter: then no configuration is needed. Unless",
      "                       given, a secret room is made for it and removed again, with the configuration's database",
      "--password-file        of mode 0600 with the sender's password; else PARLANCE_SENDER_PASSWORD, else it is asked for.",
      "                       The receiver's: --receiver-password-file, PARLANCE_RECEIVER_PASSWORD",
      "--timeout              seconds for each answer, and for the message's way; 5 unless given",
      "Exit codes: 0 it arrived; 1 something refused it, or it did not arrive; 69 proxy, node or database is away, try again.",
      "e.g. parlance selftest --sender sip:probe@example.com --proxy sip.example.com --password-file secret/probe.password",
      'e.g. parlance selftest --sender sip:probe@example.com --receiver sip:probe2@example.com --room "Self-Test" --json',
    ],
    options: {
      ...Object.fromEntries(STRINGS.map((option) => [option, { type: "string" as const }])),
      "any-certificate": { type: "boolean" },
      json: { type: "boolean" },
    },
    run: async (words, values) => {
      expectWords(words, [], USAGE);
      const endpoints = await endpointsOf(values);
      const steps: SelftestStep[] = [];
      const json = values.json === true;
      const report = (step: SelftestStep) => {
        steps.push(step);
        if (!json) process.stdout.write(lineOf(step));
      };
      try {
        await selftest(endpoints, values, report);
        return EXIT.ok;
      } catch (error) {
        if (!(error instanceof SelftestFailure)) throw error;
        process.stderr.write(`parlance: ${error.message}\n`);
        return error.away ? EXIT.unavailable : EXIT.failed;
      } finally {
        if (json) process.stdout.write(`${JSON.stringify(steps.map(rowOf), undefined, 2)}\n`);
      }
    },
  },
};

interface Endpoints {
  readonly sender: XccosEndpoint;
  readonly receiver: XccosEndpoint;
  readonly timeoutMs: number;
}

async function selftest(
  endpoints: Endpoints,
  values: Values,
  report: (step: SelftestStep) => void,
): Promise<void> {
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => ending.abort(new Error(`ended by ${signal}`)));
  const test = { ...endpoints, report, signal: ending.signal };
  const given = text(values.room);
  if (given !== undefined) return roundTrip({ ...test, room: given });
  const config = configOf(values);
  const stores = await openStores({
    url: config.mysqlUrl,
    domain: config.domain,
    compliance: config.compliance.enabled,
    connections: 2,
    administrator: userInfo().username,
  });
  try {
    const users = [...new Set([endpoints.sender.address, endpoints.receiver.address])];
    const made = await timed("room is made", report, () => temporaryRoom(stores.administration, users));
    try {
      await roundTrip({ ...test, room: made.uri });
    } finally {
      await timed("room is removed", report, made.remove);
    }
  } catch (error) {
    // What the administrator has to decide differently, such as a user nobody knows.
    if (error instanceof ChatError && CHAT_ERRORS[error.code].status < 500)
      throw new UsageError(error.message);
    throw error;
  } finally {
    await stores.close();
  }
}

async function timed<T>(
  step: string,
  report: (step: SelftestStep) => void,
  work: () => Promise<T>,
): Promise<T> {
  const began = performance.now();
  const tell = (failure: string) => report({ step, ms: Math.round(performance.now() - began), failure });
  try {
    const done = await work();
    tell("");
    return done;
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** @throws {UsageError | ConfigError} */
async function endpointsOf(values: Values): Promise<Endpoints> {
  const sender = addressOf(values, "sender");
  if (sender === undefined) throw new UsageError(`--sender is missing; usage: ${USAGE}`);
  const receiver = addressOf(values, "receiver") ?? sender;
  const timeoutMs = (wholeNumber(values.timeout, "--timeout", 1, 300) ?? 5) * 1_000;
  const transport = oneOf(values.transport, TRANSPORTS, "--transport") ?? "tcp";
  const { host, port } = proxyOf(values, sender, transport === "tls" ? 5061 : 5060);
  const shared = { host, port, transport, anyCertificate: values["any-certificate"] === true, timeoutMs };
  const password = await passwordOf(sender, {
    file: text(values["password-file"]),
    option: "--password-file",
    variable: "PARLANCE_SENDER_PASSWORD",
  });
  const other =
    receiver === sender
      ? password
      : await passwordOf(receiver, {
          file: text(values["receiver-password-file"]),
          option: "--receiver-password-file",
          variable: "PARLANCE_RECEIVER_PASSWORD",
        });
  return {
    sender: new XccosEndpoint({ ...shared, address: sender, password }),
    receiver: new XccosEndpoint({ ...shared, address: receiver, password: other }),
    timeoutMs,
  };
}

/** @throws {UsageError} */
function addressOf(values: Values, option: "sender" | "receiver"): string | undefined {
  const address = text(values[option]);
  if (address === undefined || /^sip:[^@\s<>"]+@[A-Za-z0-9.-]+$/.test(address)) return address;
  throw new UsageError(`--${option} is an address such as sip:probe@example.com, not "${address}"`);
}

/** @throws {UsageError} */
function proxyOf(values: Values, sender: string, usualPort: number): { host: string; port: number } {
  const said = text(values.proxy) ?? sender.slice(sender.indexOf("@") + 1);
  const [, bracketed, name, digits] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/.exec(said) ?? [];
  const host = bracketed ?? name;
  const port = digits === undefined ? usualPort : Number(digits);
  if (host !== undefined && port > 0 && port < 65_536) return { host, port };
  throw new UsageError(`--proxy is HOST or HOST:PORT, such as sip.example.com:5060, not "${said}"`);
}

function lineOf({ step, ms, failure }: SelftestStep): string {
  return `${step.padEnd(26)} ${String(ms).padStart(6)} ms  ${failure === "" ? "ok" : "FAILED"}\n`;
}

function rowOf({ step, ms, failure }: SelftestStep) {
  return { step, ms, result: failure === "" ? "ok" : "failed", why: failure };
}
