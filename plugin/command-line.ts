/** The command line is wrong: one sentence, exit code 64 (EX_USAGE). */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/**
 * Exit codes, after sysexits.h where it has one: done; failed; wrong command line or a name that does not fit; the database or
 * another server is away, try again; begin anew; wrong configuration or schema.
 */
export const EXIT = { ok: 0, failed: 1, usage: 64, unavailable: 69, software: 70, config: 78 } as const;
