import { FlagError } from "../flags.mjs";
import { errorCode, OperatorError } from "./operator-error.ts";

/**
 * Runs an operator's command and sets the exit code. What the operator can repair is one sentence on standard error; anything
 * else is ours and is shown with its stack.
 */
export async function runCommand(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof OperatorError) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = error.exitCode;
      return;
    }
    if (error instanceof FlagError) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 2;
      return;
    }
    const repair = explainFileError(error);
    process.stderr.write(`${repair ?? (error instanceof Error ? error.stack : String(error))}\n`);
    process.exitCode = 1;
  }
}

/** A sentence for a file that cannot be used; undefined for any other error. */
function explainFileError(error: unknown): string | undefined {
  const code = errorCode(error);
  if (code === "ENOSPC" || code === "EDQUOT") return "The disk is full: make room and start again.";
  const path = error instanceof Error ? (error as NodeJS.ErrnoException).path : undefined; // errno fields are optional on Error
  const reasons: Record<string, string> = {
    EACCES: "you may not use it: take the user who made it, or another --state DIR",
    EPERM: "you may not use it: take the user who made it, or another --state DIR",
    EROFS: "it is on a read-only disk: choose another --state DIR",
    EISDIR: "it is a folder where a file belongs: move it away",
    ENOTDIR: "a part of its path is a file: move it away, or choose another --state DIR",
    EEXIST: "it is in the way: move it away",
  };
  const reason = reasons[code];
  return path === undefined || reason === undefined ? undefined : `${path} cannot be used; ${reason}.`;
}
