import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode, OperatorError } from "./operator-error.ts";

/** An account of the demonstration. */
export interface DemoUser {
  readonly uri: string;
  /** Digest user name. */
  readonly login: string;
  readonly password: string;
  readonly displayName: string;
}

const people = [
  ["alice", "Alice Moreau"],
  ["bob", "Bob Okafor"],
  ["carol", "Carol Lindqvist"],
] as const;

/**
 * The demo users of a state folder: made with random passwords the first time, the same ones afterwards.
 * @throws OperatorError when they were made for another domain, or their file is damaged.
 */
export function demoUsers(stateDir: string, domain: string): DemoUser[] {
  const file = join(stateDir, "secret", "demo-users.json");
  let text: string | undefined;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  if (text !== undefined) return parse(text, file);
  const users = people.map(([name, displayName]) => ({
    uri: `sip:${name}@${domain}`,
    login: name,
    password: randomBytes(9).toString("base64url"),
    displayName,
  }));
  writeFileSync(file, `${JSON.stringify(users, undefined, 2)}\n`, { mode: 0o600 });
  return users;
}

function parse(text: string, file: string): DemoUser[] {
  const damaged = new OperatorError(`${file} is damaged: remove it, and new passwords are made.`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged;
  }
  if (!Array.isArray(value) || value.length !== people.length) throw damaged;
  return value.map((user: Partial<Record<keyof DemoUser, unknown>>) => {
    const { uri, login, password, displayName } = user;
    if (typeof uri !== "string" || typeof login !== "string") throw damaged;
    if (typeof password !== "string" || typeof displayName !== "string") throw damaged;
    return { uri, login, password, displayName };
  });
}
