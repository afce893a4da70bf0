import { CHAT_ERRORS, ChatError } from "./chat/errors.ts";
import type { StoredMessage } from "./chat/message.ts";
import type { Room } from "./chat/room.ts";
import { type Context, mostReplyBytes, type Services } from "./commands/context.ts";
import { dispatch, type EncodedReply, failed } from "./commands/index.ts";
import { post } from "./commands/post.ts";
import type { Envids } from "./delivery/envids.ts";
import type { SipSender } from "./ports.ts";
import type { Answer, Session } from "./session.ts";
import { decodeEnvelope, type Envelope, encodeEnvelope } from "./xccos/envelope.ts";
import { XccosError } from "./xccos/error.ts";
import { travellingBytes } from "./xccos/travelling.ts";

/** What receiving needs besides what commands need. */
export interface ReceivePorts {
  readonly services: Services;
  readonly sender: SipSender;
  readonly envids: Envids;
  /** Ours to mend: logged once, never shown to the client. */
  readonly onError: (error: unknown, what: string) => void;
  /** For counters: what became of a primitive. */
  readonly onHandled: (kind: string, code: number) => void;
}

const OK: Answer = { status: 200, reason: "OK" };
const XCCOS_STATUS = {
  "not-parsable": { status: 400, reason: "Not an XCCOS envelope" },
  "wrong-namespace": { status: 415, reason: "Not an XCCOS namespace" },
  "too-large": { status: 413, reason: "Body too large" },
} as const;

/**
 * The body of one INFO, carried out in document order. A post is answered when it is committed, before anybody gets a copy; an
 * envelope of commands is answered at once, its replies follow as INFOs of our own. Called from within `session.run`.
 *
 * @param startBeforeMs wall clock: what has not been answered by then gets 503; a post whose commit has not started, or a command beside
 *   posts that has not begun, is dropped
 * @param answer called exactly once
 */
export async function receive(
  session: Session,
  body: Uint8Array,
  startBeforeMs: number,
  ports: ReceivePorts,
  answer: (answer: Answer) => void,
): Promise<void> {
  const envelope = decode(body);
  if ("status" in envelope) return answer(envelope);
  const context: Context = { session, services: ports.services };
  const seqids = envelope.primitives.flatMap((one) => (one.kind === "grpchat" ? [one.post.seqid] : []));
  // A post is told from its repeats by envid and seqid: of two with one seqid the second would be taken for a repeat, and lost.
  if (new Set(seqids).size < seqids.length) return answer(asAnswer("BAD_REQUEST"));
  const holdsPost = seqids.length > 0;
  if (!holdsPost) answer(OK);
  const carriedOut = await carryOut(envelope, holdsPost ? startBeforeMs : Infinity, context, ports);
  if (holdsPost) answer(carriedOut.refusal ?? OK);
  for (const { room, message } of carriedOut.stored) ports.services.fanout.stored(room, message);
  for (const { primitives, turn, code } of carriedOut.replies) {
    // Who was barred meanwhile is shown nothing any more; a refusal shows nothing.
    const mayHear = session.reachable || (session.connected && code !== 200);
    for (const primitive of primitives) {
      if (mayHear) ports.sender.send(encodeEnvelope(ports.envids.next(), primitive), [session], turn);
    }
  }
}

interface CarriedOut {
  readonly refusal: Answer | undefined;
  readonly stored: readonly { room: Room; message: StoredMessage }[];
  readonly replies: readonly EncodedReply[];
}

async function carryOut(
  envelope: Envelope,
  startBeforeMs: number,
  context: Context,
  ports: ReceivePorts,
): Promise<CarriedOut> {
  const { envid, primitives } = envelope;
  const stored: { room: Room; message: StoredMessage }[] = [];
  const replies: EncodedReply[] = [];
  let refusal: Answer | undefined;
  for (const primitive of primitives) {
    if (primitive.kind === "unknown") continue;
    try {
      if (context.session.barred) throw new ChatError("NOT_ENABLED");
      if (context.services.clock.nowMs() > startBeforeMs) throw new ChatError("TOO_LATE");
      await settle(context, primitive.kind === "cmd" ? primitive.command.kind : "grpchat");
      if (primitive.kind === "cmd") {
        const reply = await dispatch(primitive.command, envid, context);
        // A reply that cannot be sent would leave the client waiting for ever.
        const most = mostReplyBytes(context);
        const fits = reply.primitives.every((one) => travellingBytes(one) <= most);
        replies.push(fits ? reply : failed(primitive.command, envid, "LIMIT_EXCEEDED"));
        ports.onHandled(primitive.command.kind, replies.at(-1)?.code ?? 0);
      } else {
        const { room, message, repeated } = await post(primitive.post, { envid, startBeforeMs }, context);
        if (!repeated) stored.push({ room, message });
        ports.onHandled("grpchat", 200);
      }
    } catch (error) {
      if (!(error instanceof ChatError)) ports.onError(error, primitive.kind);
      const code = error instanceof ChatError ? error.code : "INTERNAL";
      ports.onHandled(
        primitive.kind === "cmd" ? primitive.command.kind : "grpchat",
        CHAT_ERRORS[code].status,
      );
      if (primitive.kind === "cmd") replies.push(failed(primitive.command, envid, code));
      else refusal ??= asAnswer(code);
    }
  }
  return { refusal, stored, replies };
}

/** The first word on a dialog that is not a lookup makes it the endpoint's session: what an earlier one left becomes its. */
async function settle({ session, services }: Context, kind: string): Promise<void> {
  if (session.purpose !== "unknown" || kind === "requri") return;
  await services.attendance.adoptEarlier(session);
  session.purpose = "pool";
}

/** A refusal as the SIP answer to the post it refuses; the only one a SIPE user sees. */
export function asAnswer(code: keyof typeof CHAT_ERRORS): Answer {
  const { status, text } = CHAT_ERRORS[code];
  const headers = status === 503 ? ["Retry-After: 2"] : [];
  return { status, reason: text, headers };
}

function decode(body: Uint8Array): Envelope | Answer {
  try {
    return decodeEnvelope(body);
  } catch (error) {
    if (error instanceof XccosError) return XCCOS_STATUS[error.reason];
    throw error;
  }
}
