import type { Command } from "../xccos/command.ts";
import { preferenceData } from "../xccos/reply.ts";
import type { CommandResult, Context } from "./context.ts";

type Naming<Kind extends Command["kind"]> = Extract<Command, { kind: Kind }>;

/** `cmd:getpref`: the bundle, when it is newer than the client's copy; its version alone otherwise. One never set has version 0. */
export async function getPreference(command: Naming<"getpref">, context: Context): Promise<CommandResult> {
  const { session, services } = context;
  const { label, version } = command;
  const found = await services.preferences.find(session.user.id, label);
  const content =
    found && found.version > version ? Buffer.from(found.content).toString("base64") : undefined;
  return { data: preferenceData({ label, version: found?.version ?? 0, createDefault: false, content }) };
}

/**
 * `cmd:setpref`: replaces the bundle whose version the client knows.
 * @throws {ChatError} DATA_COLLISION when another computer of the user was faster
 */
export async function setPreference(command: Naming<"setpref">, context: Context): Promise<CommandResult> {
  const { session, services } = context;
  const { label, version } = command;
  const content = Buffer.from(command.content, "base64");
  const now = await services.preferences.set(session.user.id, label, { version, content });
  return { data: preferenceData({ label, version: now }) };
}
