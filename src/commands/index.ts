import { CHAT_ERRORS, ChatError, type ChatErrorCode } from "../chat/errors.ts";
import type { Command } from "../xccos/command.ts";
import { encodeReply } from "../xccos/reply.ts";
import type { CommandResult, Context } from "./context.ts";
import { history } from "./history.ts";
import { invitations } from "./invitations.ts";
import { bjoin, join, part } from "./join.ts";
import { MANAGEMENT_COMMANDS } from "./manage.ts";
import { getPreference, setPreference } from "./preferences.ts";
import { associations, search } from "./rooms.ts";
import { searchHistory } from "./search-history.ts";
import { requri, serverInfo } from "./server.ts";

/** Who may send a command at all; rights in a room are `chat/role.ts`'s and apply inside. */
type Needs = "enabled user";

type Kind = Exclude<Command["kind"], "unsupported" | "invalid">;
interface Entry<K extends Kind> {
  readonly needs: Needs;
  readonly handler: (command: Extract<Command, { kind: K }>, context: Context) => Promise<CommandResult>;
}

/** The protocol's map: command to handler. What is not here is answered 501. */
const COMMANDS: { readonly [K in Kind]: Entry<K> } = {
  requri: { needs: "enabled user", handler: (_command, context) => requri(context) },
  getserverinfo: { needs: "enabled user", handler: (_command, context) => serverInfo(context) },
  getassociations: { needs: "enabled user", handler: associations },
  chansrch: { needs: "enabled user", handler: search },
  join: { needs: "enabled user", handler: join },
  bjoin: {
    needs: "enabled user",
    handler: bjoin,
  },
  part: { needs: "enabled user", handler: part },
  bccontext: { needs: "enabled user", handler: history },
  bcbydate: { needs: "enabled user", handler: searchHistory },
  bcbymsgid: { needs: "enabled user", handler: searchHistory },
  getinv: { needs: "enabled user", handler: invitations },
  getpref: { needs: "enabled user", handler: getPreference },
  setpref: { needs: "enabled user", handler: setPreference },
  ...MANAGEMENT_COMMANDS,
};

/** The replies to one command, each for an envelope of its own. `turn` is the room they belong to, 0 for none. */
export interface EncodedReply {
  readonly primitives: readonly string[];
  readonly turn: number;
  /** Response code, for the log and the counters. */
  readonly code: number;
}

/**
 * Carries out one command and encodes its reply; every command gets one.
 * @throws whatever is ours and not a refusal; the caller logs it and answers with `failed`
 */
export async function dispatch(command: Command, envid: string, context: Context): Promise<EncodedReply> {
  const reply = (name: string, code: number, text: string, result?: CommandResult): EncodedReply => ({
    primitives: [result?.data ?? "", ...(result?.more ?? [])].map((data) =>
      encodeReply({ name, envid, commandSeqid: command.seqid, code, text, data }),
    ),
    turn: result?.turn ?? 0,
    code,
  });
  if (command.kind === "invalid") {
    const { code, name } = CHAT_ERRORS[command.code === 413 ? "LIMIT_EXCEEDED" : "BAD_REQUEST"];
    return reply(command.name, code, `${name}: ${command.problem}`);
  }
  if (command.kind === "unsupported") {
    const { code, name } = CHAT_ERRORS.NOT_SUPPORTED;
    return reply(command.name, code, `${name}: ${command.name}`);
  }
  try {
    return reply(command.kind, 200, "SUCCESS_OK", await handle(command, context));
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    const { code, name } = CHAT_ERRORS[error.code];
    return reply(command.kind, code, `${name}: ${error.message}`);
  }
}

/** The reply to a command that did not get as far as its handler's own refusal. */
export function failed(command: Command, envid: string, error: ChatErrorCode): EncodedReply {
  const { code, name, text } = CHAT_ERRORS[error];
  const answered = command.kind === "invalid" || command.kind === "unsupported" ? command.name : command.kind;
  const sentence = `${name}: ${text}`;
  return {
    primitives: [encodeReply({ name: answered, envid, commandSeqid: command.seqid, code, text: sentence })],
    turn: 0,
    code,
  };
}

function handle(command: Extract<Command, { kind: Kind }>, context: Context): Promise<CommandResult> {
  // Each entry takes the kind of command it is found by; the compiler cannot follow that through a table.
  const entry = COMMANDS[command.kind] as Entry<Kind>;
  if (entry.needs === "enabled user" && !context.session.user.enabled) throw new ChatError("NOT_ENABLED");
  return entry.handler(command, context);
}

/** Every command that is carried out. */
export const COMMAND_KINDS: readonly string[] = Object.keys(COMMANDS);
