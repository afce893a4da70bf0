import { type CommandBody, decodeArguments } from "./command-arguments.ts";
import { seqidOf } from "./element.ts";
import type { XmlElement } from "./xml.ts";

/** What a `cmd:*` asks for. `seqid` is the command's own, to be echoed in `commandid`. */
export type Command = { readonly seqid: string } & CommandBody;

/** Never throws: what cannot be understood is "unsupported" or "invalid", so that the server can answer it. */
export function decodeCommand(cmd: XmlElement): Command {
  const name = nameOf(cmd);
  const seqid = seqidOf(cmd);
  if (name === undefined) {
    return {
      seqid: seqid ?? "1",
      kind: "invalid",
      name: "unknown",
      code: 400,
      problem: "The command has no usable id",
    };
  }
  if (seqid === undefined) {
    return { seqid: "1", kind: "invalid", name, code: 400, problem: "The seqid is not a number" };
  }
  return { seqid, ...decodeArguments(name, cmd) };
}

/** The id without "cmd:", in lower case: ids are matched without regard to case. */
function nameOf(cmd: XmlElement): string | undefined {
  return /^cmd:([a-z0-9_.-]{1,64})$/.exec(cmd.attributes.get("id")?.toLowerCase() ?? "")?.[1];
}
