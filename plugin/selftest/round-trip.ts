import { randomBytes } from "node:crypto";
import { ClientError } from "../client/client-error.ts";
import type { XccosEndpoint } from "../client/endpoint.ts";
import { explain } from "./sentences.ts";

/** One step of the self-test, done or failed. */
export interface SelftestStep {
  readonly step: string;
  readonly ms: number;
  /** Empty when it went well; else a sentence with the way out. */
  readonly failure: string;
}

export interface RoundTrip {
  readonly sender: XccosEndpoint;
  readonly receiver: XccosEndpoint;
  /** `ma-chan://…`, or a name that the sender can see. */
  readonly room: string;
  /** Of the message's way, and as the endpoints have it of each answer. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly report?: (step: SelftestStep) => void;
}

/** A step did not come about: the rest was not tried. */
export class SelftestFailure extends Error {
  /** Something is away: trying again may help. */
  readonly away: boolean;

  constructor(message: string, away: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = "SelftestFailure";
    this.away = away;
  }
}

/**
 * A post goes from one endpoint through proxy, node and database to another. Both are signed off in the end.
 * @throws {SelftestFailure} after the failed step has been reported
 */
export async function roundTrip(test: RoundTrip): Promise<void> {
  const { sender, receiver, timeoutMs } = test;
  const step = stepsOf(test);
  try {
    await step("sender signs in", sender, () => sender.signIn());
    await step("receiver signs in", receiver, () => receiver.signIn());
    const room = test.room.startsWith("ma-chan://")
      ? test.room
      : await step("sender finds the room", sender, () => find(sender, test.room));
    await step("receiver enters the room", receiver, () => enter(receiver, room));
    await step("sender enters the room", sender, () => enter(sender, room));
    const text = `Parlance self-test ${randomBytes(6).toString("hex")}`;
    await step("message is stored", sender, async () => {
      const status = await sender.post(room, text);
      if (status !== 200) throw new ClientError("refused", `post: ${status}`, status);
    });
    await step("message arrives", receiver, async () => {
      await receiver
        .waitForMessage((message) => message.room === room && message.text === text, timeoutMs)
        .catch((cause: unknown) => {
          throw receiver.connected ? new ClientError("timeout", "message") : cause;
        });
    });
    await step("both leave", sender, async () => {
      await Promise.all([sender.part(room), receiver.part(room)]);
    });
  } finally {
    // Who ends it does not wait for a proxy that may not answer.
    if (test.signal?.aborted) for (const endpoint of [sender, receiver]) endpoint.crash();
    else await Promise.allSettled([sender.signOff(), receiver.signOff()]);
  }
}

/** Runs what is given as one step: timed, reported, cut off by the signal, its failure explained. */
function stepsOf({ signal, report, ...test }: RoundTrip) {
  const aborted = signal && abortOf(signal);
  return async <T>(step: string, endpoint: XccosEndpoint, work: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const tell = (failure: string) => report?.({ step, ms: Math.round(performance.now() - began), failure });
    try {
      signal?.throwIfAborted();
      const done = await (aborted ? Promise.race([work(), aborted]) : work());
      tell("");
      return done;
    } catch (error) {
      if (signal?.aborted) throw error;
      const { sentence, away } = explain(error, endpoint, test.room, test.timeoutMs);
      tell(sentence);
      throw new SelftestFailure(sentence, away, { cause: error });
    }
  };
}

function abortOf(signal: AbortSignal): Promise<never> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => undefined); // between two steps nobody waits for it
  return aborted;
}

async function find(sender: XccosEndpoint, name: string): Promise<string> {
  const { rooms } = await sender.search(name);
  const found = rooms.filter((room) => room.name.toLowerCase() === name.toLowerCase());
  const [room] = found;
  if (room && found.length === 1) return room.uri;
  throw new ClientError("refused", found.length === 0 ? "find: none" : "find: several", 404);
}

async function enter(endpoint: XccosEndpoint, room: string): Promise<void> {
  const { code, text } = await endpoint.join(room);
  if (code !== 200) throw new ClientError("refused", `join: ${code} ${text}`, code);
}
