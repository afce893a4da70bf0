/**
 * Something the operator has to decide or repair: one sentence that also names the way out. Never carries a
 * password or message text; the commands print `message` and end with `exitCode`.
 */
export class OperatorError extends Error {
  readonly exitCode: number;

  constructor(message: string, options: { exitCode?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "OperatorError";
    this.exitCode = options.exitCode ?? 1;
  }
}

/** Code of a failed system call ("EACCES", "EADDRINUSE"…), empty for anything else. */
export function errorCode(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined; // errno fields are optional on Error
  return typeof code === "string" ? code : "";
}
